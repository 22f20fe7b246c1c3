package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

const (
	// wholeSize bounds what Get reads into memory at once: its connection is free again before
	// the caller begins to decode.
	wholeSize = 1 << 20

	// readPart is the part of a large value that one request fetches. Four of 4 MiB at a time
	// keep a loopback and a 10 Gbit/s link with 5 ms to the first byte busy, for 16 MiB of memory.
	readPart = 4 << 20
)

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	c, err := b.begin(ctx)
	if err != nil {
		return backend.Info{}, backend.Wrap("stat", b.scheme, key, err)
	}
	info, err := b.stat(c.ctx, key)
	return info, c.end("stat", key, err)
}

func (b *Backend) stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if err := key.Validate(); err != nil {
		return backend.Info{}, err
	}
	o, err := b.bucket.Head(ctx, b.object(key))
	if err != nil {
		return backend.Info{}, err
	}
	info, _, err := describe(key, o)
	return info, err
}

// Get implements [backend.Backend]: one request; for a large value, where the link is slow, several
// at a time, that all ask for the same version.
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	return b.open(ctx, "get", key, "", 0, -1)
}

// GetRange implements [backend.RangeGetter].
func (b *Backend) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	return b.open(ctx, "get range", key, version, off, n)
}

func (b *Backend) open(ctx context.Context, op string, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	c, err := b.begin(ctx)
	if err != nil {
		return nil, backend.Info{}, backend.Wrap(op, b.scheme, key, err)
	}
	body, info, err := b.read(c.ctx, key, version, off, n)
	if err != nil {
		return nil, backend.Info{}, c.end(op, key, err)
	}
	b.calls.End() // Close does not wait for readers
	if whole, ok := body.(*backend.Body); ok {
		c.stop()
		return whole, info, nil
	}
	return &openBody{body, c, op, key}, info, nil
}

// openBody is a body that the caller reads at leisure.
type openBody struct {
	body io.ReadCloser
	c    *call
	op   string
	key  backend.Key
}

func (r *openBody) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && err != io.EOF {
		err = r.c.wrap(r.op, r.key, err)
	}
	return n, err
}

func (r *openBody) Close() error {
	r.c.stop()
	return r.c.wrap(r.op, r.key, r.body.Close())
}

// read opens [off, off+n) of a value; n < 0 is all from off on.
func (b *Backend) read(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	switch {
	case key.Validate() != nil:
		return nil, backend.Info{}, key.Validate()
	case off < 0:
		return nil, backend.Info{}, fmt.Errorf("offset %d is negative", off)
	case n == 0:
		return b.nothing(ctx, key, version)
	case n > math.MaxInt64-off:
		n = -1
	}
	// Everything is asked for at once, since only the answer says how large the value is, and an empty
	// one has no first byte to ask for. A large one may be cut off and fetched in parts after all.
	stream, o, err := b.bucket.Get(ctx, b.object(key), version, off, n)
	if errors.Is(err, driver.ErrRange) {
		body, info, err := b.nothing(ctx, key, version)
		if err == nil && off < info.Size {
			return nil, backend.Info{}, fmt.Errorf("%w: the value was overwritten by a longer one while it was read", backend.ErrUnavailable)
		}
		return body, info, err
	}
	if err != nil {
		return nil, backend.Info{}, err
	}
	info, _, err := describe(key, o)
	if err == nil && version != "" && o.Version != version {
		err = backend.ErrChanged // some services take no condition on a read
	}
	if err != nil {
		stream.Close()
		return nil, backend.Info{}, err
	}
	end := o.Size
	if n >= 0 {
		end = min(end, off+n)
	}
	r := &resumed{ctx: ctx, bucket: b.bucket, object: o, body: stream, off: off, end: end}
	switch {
	case end-off <= wholeSize:
		defer r.Close()
		all := make([]byte, end-off)
		if _, err := io.ReadFull(r, all); err != nil {
			return nil, backend.Info{}, err
		}
		return backend.NewBody(all), info, nil
	case b.oneStream || end-off <= readPart:
		return r, info, nil
	}
	return newParallel(ctx, b, r), info, nil
}

// nothing is the answer to a range of no bytes.
func (b *Backend) nothing(ctx context.Context, key backend.Key, version string) (io.ReadCloser, backend.Info, error) {
	info, err := b.stat(ctx, key)
	if err == nil && version != "" && info.Version != version {
		err = backend.ErrChanged
	}
	if err != nil {
		return nil, backend.Info{}, err
	}
	return backend.NewBody(nil), info, nil
}

// resumeTries bounds how often a body breaks off without a single byte between.
const resumeTries = 3

// resumed reads a range of one version of an object, and takes up where it was cut
// off when a connection breaks.
type resumed struct {
	ctx    context.Context
	bucket driver.Bucket
	object driver.Object
	body   io.ReadCloser
	off    int64 // next byte
	end    int64
	failed int // breaks since the last byte
}

func (r *resumed) Read(p []byte) (int, error) {
	for {
		if r.off == r.end {
			return 0, io.EOF
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.off)])
		r.off += int64(n)
		if n > 0 {
			r.failed = 0
			return n, nil // an error will come again
		}
		if err == nil {
			continue
		}
		if err := r.resume(err); err != nil {
			return 0, err
		}
	}
}

func (r *resumed) resume(cause error) error {
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	if r.failed++; r.failed > resumeTries || r.object.Version == "" {
		return fmt.Errorf("%w: reading broke off at byte %d of %d: %v", backend.ErrUnavailable, r.off, r.object.Size, cause)
	}
	if r.failed > 1 {
		if err := driver.Pause(r.ctx, time.Duration(r.failed)*50*time.Millisecond); err != nil {
			return err
		}
	}
	r.body.Close()
	body, err := fetch(r.ctx, r.bucket, r.object, r.off, r.end-r.off)
	if err != nil {
		r.body = io.NopCloser(bytes.NewReader(nil))
		return err
	}
	r.body = body
	return nil
}

func (r *resumed) Close() error { return r.body.Close() }

// fetch opens a range of the version of an object that is being read already.
func fetch(ctx context.Context, bucket driver.Bucket, o driver.Object, off, n int64) (io.ReadCloser, error) {
	body, found, err := bucket.Get(ctx, o.Name, o.Version, off, n)
	if err == nil && found.Version != o.Version {
		body.Close()
		err = backend.ErrChanged
	}
	if errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrNotFound) || errors.Is(err, driver.ErrRange) {
		return nil, fmt.Errorf("%w: the value was overwritten or deleted while it was read", backend.ErrUnavailable)
	}
	return body, err
}
