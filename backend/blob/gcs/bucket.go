package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
)

// bucket is a [blob.Bucket] of Google Cloud Storage. An object's Version is its generation.
type bucket struct {
	client      *storage.Client
	connections *http.Transport
	handle      *storage.BucketHandle
	name        string
	opts        Options
}

// Limits implements [blob.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, DearRequests: true,
		MaxValue: 5 << 40, // the service's limit
	}
}

// Close implements [blob.Bucket].
func (b *bucket) Close() error {
	err := b.client.Close()
	b.connections.CloseIdleConnections()
	return err
}

func describe(a *storage.ObjectAttrs) blob.Object {
	if a.Prefix != "" {
		return blob.Object{Name: a.Prefix}
	}
	meta := a.Metadata
	if meta == nil {
		meta = map[string]string{}
	}
	return blob.Object{Name: a.Name, Size: a.Size, Version: strconv.FormatInt(a.Generation, 10), ModTime: a.Updated, Meta: meta}
}

// Head implements [blob.Bucket].
func (b *bucket) Head(ctx context.Context, name string) (blob.Object, error) {
	a, err := b.handle.Object(name).Attrs(ctx)
	if err != nil {
		return blob.Object{}, b.translate(ctx, err, "storage.objects.get")
	}
	return describe(a), nil
}

// Get implements [blob.Bucket].
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, blob.Object, error) {
	object := b.handle.Object(name)
	if version != "" {
		generation, ok := parseGeneration(version)
		if !ok {
			return nil, blob.Object{}, backend.ErrChanged
		}
		object = object.If(storage.Conditions{GenerationMatch: generation})
	}
	r, err := object.NewRangeReader(ctx, off, n)
	if err != nil {
		err = b.translate(ctx, err, "storage.objects.get")
		if errors.Is(err, errPrecondition) {
			err = backend.ErrChanged
		}
		return nil, blob.Object{}, err
	}
	o := blob.Object{
		Name:    name,
		Size:    r.Attrs.Size,
		Version: strconv.FormatInt(r.Attrs.Generation, 10),
		ModTime: r.Attrs.LastModified,
		Meta:    map[string]string{},
	}
	for k, v := range r.Metadata() { // named as in headers
		o.Meta[strings.ToLower(k)] = v
	}
	return r, o, nil
}

func parseGeneration(version string) (int64, bool) {
	generation, err := strconv.ParseInt(version, 10, 64)
	return generation, err == nil && generation > 0 && strconv.FormatInt(generation, 10) == version
}

// chunk is the buffer of an upload that can be resumed; uploads up to that size are one
// request without a buffer. It is the client's own default.
const chunk = 16 << 20

// Put implements [blob.Bucket].
func (b *bucket) Put(ctx context.Context, name string, body *blob.Body, opts blob.PutOptions) (blob.Object, error) {
	object := b.handle.Object(name).Retryer(storage.WithPolicy(storage.RetryNever))
	switch {
	case opts.IfAbsent:
		object = object.If(storage.Conditions{DoesNotExist: true})
	case opts.IfMatch != "":
		generation, ok := parseGeneration(opts.IfMatch)
		if !ok {
			return blob.Object{}, backend.ErrChanged
		}
		object = object.If(storage.Conditions{GenerationMatch: generation})
	}
	return blob.Attempt(ctx, body, func() (blob.Object, error) {
		o, err := b.write(ctx, object, body, opts)
		err = b.translate(ctx, err, "storage.objects.create")
		switch refused := errors.Is(err, errPrecondition); {
		case refused && opts.IfAbsent:
			err = backend.ErrExists
		case refused, opts.IfMatch != "" && errors.Is(err, backend.ErrNotFound):
			err = backend.ErrChanged
		}
		return o, err
	}, judge)
}

// write is one attempt.
func (b *bucket) write(ctx context.Context, object *storage.ObjectHandle, body *blob.Body, opts blob.PutOptions) (blob.Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := object.NewWriter(ctx)
	w.ChunkSize = 0
	if body.Size() > chunk {
		w.ChunkSize = chunk
	}
	w.ContentType = "application/octet-stream"
	w.Metadata = opts.Meta
	w.StorageClass = b.opts.StorageClass
	if opts.Known() {
		w.CRC32C, w.SendCRC32C = opts.CRC32C, true
	}
	if _, err := io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{body}); err != nil {
		cancel() // so that Close does not finish the object
		w.Close()
		return blob.Object{}, err
	}
	if err := w.Close(); err != nil {
		return blob.Object{}, err
	}
	return describe(w.Attrs()), nil
}

// List implements [blob.Bucket].
func (b *bucket) List(ctx context.Context, opts blob.ListOptions) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		q := &storage.Query{Prefix: opts.Prefix, StartOffset: opts.After}
		if opts.Folders {
			q.Delimiter = "/"
		}
		it := b.handle.Objects(ctx, q)
		if opts.Limit > 0 && opts.Limit < 1000 {
			it.PageInfo().MaxSize = opts.Limit + 1 // After itself may come too
		}
		for {
			a, err := it.Next()
			if err == iterator.Done {
				return
			}
			if err != nil {
				yield(blob.Object{}, b.translate(ctx, err, "storage.objects.list"))
				return
			}
			o := describe(a)
			if o.Name <= opts.After { // StartOffset is inclusive
				continue
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

// Delete implements [blob.Bucket].
func (b *bucket) Delete(ctx context.Context, names []string) error {
	return blob.Each(len(names), 4*b.opts.Concurrency, func(i int) error {
		// Deleting what is gone already succeeds, so that it may be tried again.
		err := b.handle.Object(names[i]).Retryer(storage.WithPolicy(storage.RetryAlways)).Delete(ctx)
		if err = b.translate(ctx, err, "storage.objects.delete"); errors.Is(err, backend.ErrNotFound) {
			err = nil
		}
		return err
	})
}

// errPrecondition: 412. What it means depends on the condition.
var errPrecondition = errors.New("precondition failed")

// translate makes of a client's error one that tells what to do, and holds no secret.
func (b *bucket) translate(ctx context.Context, err error, need string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, storage.ErrObjectNotExist):
		return backend.ErrNotFound
	case errors.Is(err, storage.ErrBucketNotExist):
		return b.noBucket()
	}
	var answer *googleapi.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: bucket %q: %w", backend.ErrUnavailable, b.name, &lostError{err})
	}
	switch {
	case answer.Code == http.StatusNotFound && strings.Contains(strings.ToLower(answer.Message), "bucket"):
		return b.noBucket()
	case answer.Code == http.StatusNotFound:
		return backend.ErrNotFound
	case answer.Code == http.StatusPreconditionFailed:
		return errPrecondition
	case answer.Code == http.StatusRequestedRangeNotSatisfiable:
		return blob.ErrRange
	case answer.Code == http.StatusUnauthorized:
		return fmt.Errorf("bucket %q: %w: the service wants credentials, or refused those in use; set GOOGLE_APPLICATION_CREDENTIALS or log in with gcloud", b.name, fs.ErrPermission)
	case answer.Code == http.StatusForbidden:
		return fmt.Errorf("bucket %q: %w: the credentials in use lack %s", b.name, fs.ErrPermission, need)
	case answer.Code == http.StatusTooManyRequests || answer.Code == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: bucket %q: HTTP %d", backend.ErrUnavailable, b.name, answer.Code)
	case answer.Code >= 500 || answer.Code == http.StatusRequestTimeout:
		return fmt.Errorf("%w: bucket %q: %w", backend.ErrUnavailable, b.name, &lostError{fmt.Errorf("HTTP %d", answer.Code)})
	}
	return fmt.Errorf("bucket %q: HTTP %d: %s", b.name, answer.Code, answer.Message)
}

func (b *bucket) noBucket() error {
	return fmt.Errorf("bucket %q does not exist; create it, or correct the URL", b.name)
}

// lostError marks a failure after which a write may have taken effect.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

func judge(err error) blob.Verdict {
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		return blob.Lost
	case errors.Is(err, backend.ErrUnavailable):
		return blob.Busy
	}
	return blob.Refused
}
