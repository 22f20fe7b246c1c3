// Package blob keeps values as objects of a bucket: one object a value, and beside it
// nothing. What a value needs to be understood and checked is in the object's own metadata.
//
// The package holds what all buckets have in common. To use one, import one of the packages below it, each of
// which registers its scheme: s3, gcs, azure, file. Another kind of bucket implements
// the interface of internal/driver, within this module; outside, it implements [backend.Backend].
package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/driver"
)

var (
	_ backend.Backend      = (*Backend)(nil)
	_ backend.RangeGetter  = (*Backend)(nil)
	_ backend.BatchPutter  = (*Backend)(nil)
	_ backend.BatchDeleter = (*Backend)(nil)
	_ backend.MatchDeleter = (*Backend)(nil)
	_ backend.Sweeper      = (*Backend)(nil)
	_ backend.Describer    = (*Backend)(nil)
	_ backend.Stager       = (*Backend)(nil)
	_ backend.Mapper       = (*Backend)(nil)
)

// Options say how a Backend uses its bucket.
type Options struct {
	// Scheme names the backend in errors.
	Scheme string
	// Prefix is put before every name, with a slash between. At most 300 bytes.
	Prefix string
	// Concurrency is how many requests one call makes at a time, for the parts of a
	// large value that is read and for the values of a batch; 0 is 4.
	Concurrency int
	// OneStream reads large values as one stream too: of a local disk nothing is gained by several.
	OneStream bool
}

// Backend keeps values in a bucket.
type Backend struct {
	bucket      driver.Bucket
	scheme      string
	prefix      string // empty, or with a slash at its end
	concurrency int
	oneStream   bool
	limits      backend.Limits

	calls *calls.Counter
}

// Open returns a Backend over a bucket, which it closes when it is closed. The packages below call it.
func Open(bucket driver.Bucket, opts Options) (*Backend, error) {
	prefix, err := checkPrefix(opts.Prefix)
	if err != nil {
		return nil, err
	}
	b := &Backend{bucket: bucket, scheme: opts.Scheme, prefix: prefix, concurrency: opts.Concurrency, oneStream: opts.OneStream, limits: bucket.Limits(), calls: calls.New()}
	if b.concurrency <= 0 {
		b.concurrency = 4
	}
	b.oneStream = b.oneStream || b.concurrency == 1
	return b, nil
}

// Limits implements [backend.Describer].
func (b *Backend) Limits() backend.Limits { return b.limits }

// Close implements [backend.Backend]: calls in progress, and bodies that are still read, fail.
func (b *Backend) Close() error {
	if !b.calls.Close() {
		return nil
	}
	return backend.Wrap("close", b.scheme, backend.Key{}, b.bucket.Close())
}

// call is one call of a method, or a body that outlives it.
type call struct {
	b    *Backend
	ctx  context.Context
	stop func() // releases ctx
}

// begin starts a call. Its context ends with the caller's, and when b is closed.
func (b *Backend) begin(ctx context.Context) (*call, error) {
	calling, stop, err := b.calls.BeginContext(ctx)
	if err != nil {
		return nil, err
	}
	return &call{b: b, ctx: calling, stop: stop}, nil
}

// end ends a call and makes its error one for the caller.
func (c *call) end(op string, key backend.Key, err error) error {
	err = c.wrap(op, key, err)
	c.stop()
	c.b.calls.End()
	return err
}

// wrap makes an error one for the caller. What failed because the backend was closed,
// or the caller gave up, says so, whatever the engine made of it.
func (c *call) wrap(op string, key backend.Key, err error) error {
	if err == nil {
		return nil
	}
	switch cause := context.Cause(c.ctx); {
	case cause == nil:
	case errors.Is(cause, backend.ErrClosed):
		err = cause
	case !errors.Is(err, c.ctx.Err()):
		err = fmt.Errorf("%w (%v)", c.ctx.Err(), err)
	}
	return backend.Wrap(op, c.b.scheme, key, err)
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	return backend.ItemError(b.delete(ctx, "delete", []backend.Key{key}, nil), 0)
}

// DeleteBatch implements [backend.BatchDeleter].
func (b *Backend) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	return b.delete(ctx, "delete batch", keys, nil)
}

// DeleteMatch implements [backend.MatchDeleter].
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	keys, versions := make([]backend.Key, len(seen)), make([]string, len(seen))
	for i, s := range seen {
		keys[i], versions[i] = s.Key, s.Version
	}
	return b.delete(ctx, "delete", keys, versions)
}

// delete deletes objects; where versions are given, those that have them.
func (b *Backend) delete(ctx context.Context, op string, keys []backend.Key, versions []string) error {
	c, err := b.begin(ctx)
	if err != nil {
		return backend.Wrap(op, b.scheme, first(keys), err)
	}
	errs := make(backend.BatchError, len(keys))
	var names, wanted []string
	var at []int // the index in keys of each name
	named := map[backend.Seen]bool{}
	for i, key := range keys {
		err := key.Validate()
		if err == nil && versions != nil {
			seen := backend.Seen{Key: key, Version: versions[i]}
			if seen.Version == "" || named[seen] { // no entry has it; or it is gone, or was another one the first time
				err = backend.ErrChanged
			}
			named[seen] = true
		}
		if err != nil {
			errs[i] = backend.Wrap(op, b.scheme, key, err)
			continue
		}
		names, at = append(names, b.object(key)), append(at, i)
		if versions != nil {
			wanted = append(wanted, versions[i])
		}
	}
	switch {
	case len(names) == 0:
	case versions != nil:
		err = b.bucket.DeleteMatch(c.ctx, names, wanted)
	default:
		err = b.bucket.Delete(c.ctx, names)
	}
	for k, i := range at {
		errs[i] = c.wrap(op, keys[i], backend.ItemError(err, k))
	}
	c.end(op, backend.Key{}, nil)
	return errs.OrNil()
}

// first returns the one key that an error may name, if it is one.
func first(keys []backend.Key) backend.Key {
	if len(keys) == 1 {
		return keys[0]
	}
	return backend.Key{}
}

// Sweep implements [backend.Sweeper].
func (b *Backend) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	c, err := b.begin(ctx)
	if err != nil {
		return backend.SweepReport{}, backend.Wrap("sweep", b.scheme, backend.Key{}, err)
	}
	var report backend.SweepReport
	if s, ok := b.bucket.(driver.Sweeper); ok {
		report, err = s.Sweep(c.ctx, b.prefix, opts)
	}
	return report, c.end("sweep", backend.Key{}, err)
}
