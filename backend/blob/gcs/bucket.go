package gcs

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	cloud "gocloud.dev/blob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
)

// bucket is a [driver.Bucket] of Google Cloud Storage. An object's Version is its generation.
type bucket struct {
	cloud       *cloud.Bucket
	client      *storage.Client // which cloud uses
	connections *http.Transport // which client uses
	name        string
	opts        Options
}

// Limits implements [driver.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, CostlyRequests: true,
		MaxValue: 5 << 40, // the service's limit
	}
}

// Close implements [driver.Bucket].
func (b *bucket) Close() error {
	err := errors.Join(b.cloud.Close(), b.client.Close())
	b.connections.CloseIdleConnections()
	return err
}

func describe(a *storage.ObjectAttrs) driver.Object {
	if a.Prefix != "" {
		return driver.Object{Name: a.Prefix}
	}
	meta := a.Metadata
	if meta == nil {
		meta = map[string]string{}
	}
	return driver.Object{Name: a.Name, Size: a.Size, Version: strconv.FormatInt(a.Generation, 10), ModTime: a.Updated, Meta: meta}
}

// Head implements [driver.Bucket].
func (b *bucket) Head(ctx context.Context, name string) (driver.Object, error) {
	a, err := b.cloud.Attributes(ctx, name)
	if err != nil {
		return driver.Object{}, b.translate(ctx, err, "storage.objects.get")
	}
	attrs, err := gocloud.Hatch[storage.ObjectAttrs](a.As)
	o := describe(&attrs)
	if attrs.CRC32C != 0 { // 0 is an empty object's, or not told
		o.CRC32C = binary.BigEndian.AppendUint32(nil, attrs.CRC32C)
	}
	return o, err
}

// Get implements [driver.Bucket].
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, driver.Object, error) {
	condition, ok := matching(version)
	if !ok { // no object has it, but there may be none
		if _, err := b.Head(ctx, name); err != nil {
			return nil, driver.Object{}, err
		}
		return nil, driver.Object{}, backend.ErrChanged
	}
	r, err := b.cloud.NewRangeReader(ctx, name, off, n, &cloud.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		return b.replace(as, func(o *storage.ObjectHandle) *storage.ObjectHandle { return conditional(b.billedRead(o), condition) })
	}})
	if err != nil {
		err = b.translate(ctx, err, "storage.objects.get")
		if errors.Is(err, errPrecondition) {
			err = backend.ErrChanged
		}
		return nil, driver.Object{}, err
	}
	raw, err := gocloud.Hatch[*storage.Reader](r.As)
	if err != nil {
		r.Close()
		return nil, driver.Object{}, err
	}
	o := driver.Object{
		Name:    name,
		Size:    raw.Attrs.Size,
		Version: strconv.FormatInt(raw.Attrs.Generation, 10),
		ModTime: raw.Attrs.LastModified,
		Meta:    map[string]string{},
	}
	for k, v := range raw.Metadata() { // named as in headers
		o.Meta[strings.ToLower(k)] = v
	}
	return r, o, nil
}

// matching is the condition for a version; none for "", and false for what is no version.
func matching(version string) (storage.Conditions, bool) {
	if version == "" {
		return storage.Conditions{}, true
	}
	generation, err := strconv.ParseInt(version, 10, 64)
	ok := err == nil && generation > 0 && strconv.FormatInt(generation, 10) == version
	return storage.Conditions{GenerationMatch: generation}, ok
}

// conditional is o under a condition; the client refuses an empty one.
func conditional(o *storage.ObjectHandle, condition storage.Conditions) *storage.ObjectHandle {
	if condition == (storage.Conditions{}) {
		return o
	}
	return o.If(condition)
}

// replace replaces the object that gocloud is about to read, write or delete.
func (b *bucket) replace(as func(any) bool, by func(*storage.ObjectHandle) *storage.ObjectHandle) error {
	o, err := gocloud.Hatch[**storage.ObjectHandle](as)
	if err != nil {
		return err
	}
	*o = by(*o)
	return nil
}

// List implements [driver.Bucket].
func (b *bucket) List(ctx context.Context, opts driver.ListOptions) iter.Seq2[driver.Object, error] {
	pages := &gocloud.Pages{
		Bucket: b.cloud,
		Size:   1000, // the service's limit
		Before: func(as func(any) bool) error {
			q, err := gocloud.Hatch[*storage.Query](as)
			if err == nil {
				q.StartOffset = opts.After // inclusive
			}
			return err
		},
		Object: func(o *cloud.ListObject) (driver.Object, error) {
			attrs, err := gocloud.Hatch[storage.ObjectAttrs](o.As)
			return describe(&attrs), err
		},
		Error: func(ctx context.Context, err error) error { return b.translate(ctx, err, "storage.objects.list") },
	}
	return pages.List(ctx, opts)
}

// Delete implements [driver.Bucket].
func (b *bucket) Delete(ctx context.Context, names []string) error {
	return b.DeleteMatch(ctx, names, nil)
}

// DeleteMatch implements [driver.Bucket]: the service decides.
func (b *bucket) DeleteMatch(ctx context.Context, names, versions []string) error {
	return driver.DeleteEach(names, versions, 4*b.opts.Concurrency, func(name, version string) error {
		return b.deleteOne(ctx, name, version)
	})
}

func (b *bucket) deleteOne(ctx context.Context, name, version string) error {
	condition, ok := matching(version)
	if !ok {
		return backend.ErrChanged
	}
	err := b.cloud.DeleteWithOptions(ctx, name, &cloud.DeleteOptions{BeforeDelete: func(as func(any) bool) error {
		return b.replace(as, func(o *storage.ObjectHandle) *storage.ObjectHandle {
			// Deleting what is gone already succeeds, so that it may be tried again.
			return conditional(o.Retryer(storage.WithPolicy(storage.RetryAlways)), condition)
		})
	}})
	if err = b.translate(ctx, err, "storage.objects.delete"); errors.Is(err, errPrecondition) {
		err = backend.ErrChanged
	}
	return err
}
