package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	cloud "gocloud.dev/blob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
)

// bucket is a [driver.Bucket] of Azure: a container. An object's Version is its ETag.
type bucket struct {
	cloud *cloud.Bucket
	http  *http.Client // which cloud's client uses
	name  string
	opts  Options
}

// Limits implements [driver.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, CostlyRequests: true,
		MaxValue: maxBlocks * maxBlock,
	}
}

// Close implements [driver.Bucket].
func (b *bucket) Close() error {
	err := b.cloud.Close()
	b.http.CloseIdleConnections()
	return err
}

// etag matches what can be the Version of an object; "*" would match every one.
var etag = regexp.MustCompile(`^(W/)?"[!#-)+-~]+"$`)

// ifMatch is the condition for a version; nil for none, and false for what is no version.
func ifMatch(version string) (*azblob.AccessConditions, bool) {
	if version == "" {
		return nil, true
	}
	return &azblob.AccessConditions{
		ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(version))},
	}, etag.MatchString(version)
}

// Head implements [driver.Bucket].
func (b *bucket) Head(ctx context.Context, name string) (driver.Object, error) {
	a, err := b.cloud.Attributes(ctx, name)
	if err != nil {
		return driver.Object{}, b.translate(ctx, err)
	}
	p, err := gocloud.Hatch[azblob.GetPropertiesResponse](a.As)
	return driver.Object{
		Name: name, Size: a.Size, Version: string(*orZero(p.ETag)), ModTime: a.ModTime, Meta: metadata(p.Metadata),
	}, err
}

func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// metadata is what was stored. gocloud's own would be unescaped once more.
func metadata(m map[string]*string) map[string]string {
	meta := make(map[string]string, len(m))
	for k, v := range m {
		meta[strings.ToLower(k)] = *orZero(v)
	}
	return meta
}

// Get implements [driver.Bucket].
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, driver.Object, error) {
	condition, ok := ifMatch(version)
	if !ok { // no object has it, but there may be none
		if _, err := b.Head(ctx, name); err != nil {
			return nil, driver.Object{}, err
		}
		return nil, driver.Object{}, backend.ErrChanged
	}
	r, err := b.cloud.NewRangeReader(ctx, name, off, n, &cloud.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		o, err := gocloud.Hatch[*azblob.DownloadStreamOptions](as)
		if err == nil {
			o.AccessConditions = condition
		}
		return err
	}})
	if err != nil {
		err = b.translate(ctx, err)
		if errors.Is(err, errPrecondition) {
			err = backend.ErrChanged
			// It says so too where there is nothing.
			if _, absent := b.Head(ctx, name); errors.Is(absent, backend.ErrNotFound) {
				err = absent
			}
		}
		return nil, driver.Object{}, err
	}
	o, err := b.opened(name, r)
	if err != nil {
		r.Close()
		return nil, driver.Object{}, err
	}
	return r, o, nil
}

// opened describes the object that r reads.
func (b *bucket) opened(name string, r *cloud.Reader) (driver.Object, error) {
	d, err := gocloud.Hatch[azblob.DownloadStreamResponse](r.As)
	if err != nil {
		return driver.Object{}, err
	}
	o := driver.Object{Name: name, Size: *orZero(d.ContentLength), Version: string(*orZero(d.ETag)), ModTime: r.ModTime(), Meta: metadata(d.Metadata)}
	if d.ContentRange == nil {
		return o, nil
	}
	// "bytes 0-9/100". gocloud takes the length of the range for the object's if it cannot read that.
	_, total, _ := strings.Cut(*d.ContentRange, "/")
	if o.Size, err = strconv.ParseInt(total, 10, 64); err != nil {
		return driver.Object{}, fmt.Errorf("%w: container %q: Content-Range %q", backend.ErrUnavailable, b.name, *d.ContentRange)
	}
	return o, nil
}

// List implements [driver.Bucket].
func (b *bucket) List(ctx context.Context, opts driver.ListOptions) iter.Seq2[driver.Object, error] {
	pages := &gocloud.Pages{
		Bucket: b.cloud,
		Size:   5000, // the service's limit
		Before: func(as func(any) bool) error {
			o, err := gocloud.Hatch[*container.ListBlobsHierarchyOptions](as)
			if err != nil {
				return err
			}
			o.Include.Metadata = true
			if opts.After != "" {
				o.StartFrom = &opts.After // inclusive, and Azurite does not know it
			}
			return nil
		},
		Object: listed,
		Error:  b.translate,
	}
	return pages.List(ctx, opts)
}

func listed(o *cloud.ListObject) (driver.Object, error) {
	if o.IsDir {
		folder, err := gocloud.Hatch[container.BlobPrefix](o.As)
		return driver.Object{Name: *orZero(folder.Name)}, err
	}
	item, err := gocloud.Hatch[container.BlobItem](o.As)
	return driver.Object{
		Name: *orZero(item.Name), Size: o.Size, Version: quoted(string(*orZero(orZero(item.Properties).ETag))), ModTime: o.ModTime, Meta: metadata(item.Metadata),
	}, err
}

// quoted makes an ETag of a list, which has no quotes, look like those of other answers.
func quoted(tag string) string {
	if tag == "" || strings.HasSuffix(tag, `"`) {
		return tag
	}
	return `"` + tag + `"`
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
	condition, ok := ifMatch(version)
	if !ok {
		return backend.ErrChanged
	}
	err := b.translate(ctx, b.cloud.DeleteWithOptions(ctx, name, &cloud.DeleteOptions{BeforeDelete: func(as func(any) bool) error {
		o, err := gocloud.Hatch[*azblob.DeleteOptions](as)
		if err == nil {
			o.AccessConditions = condition
		}
		return err
	}}))
	if errors.Is(err, errPrecondition) { // it says so too where there is nothing
		err = backend.ErrChanged
	}
	return err
}
