package gcs

import (
	"context"
	"errors"
	"io"
	"time"

	"cloud.google.com/go/storage"
	cloud "gocloud.dev/blob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
)

// chunk is the buffer of an upload that can be resumed; uploads up to that size are one
// request without a buffer. It is the client's own default.
const chunk = 16 << 20

// chunkPatience is how long the client repeats a chunk that is refused, in each attempt to
// write. Its own 32 s would let a service that is down hold up a computation for four minutes.
const chunkPatience = 5 * time.Second

// Put implements [driver.Bucket].
func (b *bucket) Put(ctx context.Context, name string, body *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	condition, ok := matching(opts.IfMatch)
	if !ok {
		return driver.Object{}, backend.ErrChanged
	}
	if opts.IfAbsent {
		condition = storage.Conditions{DoesNotExist: true}
	}
	return driver.Attempt(ctx, body, func() (driver.Object, error) {
		o, err := b.write(ctx, name, body, condition, opts)
		err = b.translate(ctx, err, "storage.objects.create")
		switch refused := errors.Is(err, errPrecondition); {
		case refused && opts.IfAbsent:
			err = backend.ErrExists
		case refused, opts.IfMatch != "" && errors.Is(err, backend.ErrNotFound):
			err = backend.ErrChanged
		}
		return o, err
	}, gocloud.Judge)
}

// write is one attempt.
func (b *bucket) write(ctx context.Context, name string, body *driver.Body, condition storage.Conditions, opts driver.PutOptions) (driver.Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var raw *storage.Writer
	w, err := b.cloud.NewWriter(ctx, name, &cloud.WriterOptions{
		ContentType: "application/octet-stream", // else the first bytes are looked at
		BufferSize:  bufferSize(body.Size()),
		Metadata:    opts.Meta,
		BeforeWrite: func(as func(any) bool) error {
			err := b.replace(as, func(o *storage.ObjectHandle) *storage.ObjectHandle {
				return conditional(o, condition).Retryer(storage.WithPolicy(storage.RetryNever))
			})
			if err != nil {
				return err
			}
			if raw, err = gocloud.Hatch[*storage.Writer](as); err != nil {
				return err
			}
			raw.StorageClass = b.opts.StorageClass
			raw.ChunkRetryDeadline = chunkPatience
			if opts.Known() {
				raw.CRC32C, raw.SendCRC32C = opts.CRC32C, true
			}
			return nil
		},
	})
	if err != nil {
		return driver.Object{}, err
	}
	// Plain copying: gocloud's ReadFrom makes a buffer of 1 MiB for a value of any size.
	if _, err := io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{body}); err != nil {
		cancel() // so that Close does not finish the object
		w.Close()
		return driver.Object{}, err
	}
	if err := w.Close(); err != nil {
		return driver.Object{}, err
	}
	return describe(raw.Attrs()), nil
}

// bufferSize is gocloud's word for [storage.Writer.ChunkSize]: -1 is one request.
func bufferSize(size int64) int {
	if size > chunk {
		return chunk
	}
	return -1
}
