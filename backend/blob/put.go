package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// Put implements [backend.Backend]: one request, or several for the parts of a large
// value. ModTime is zero where the bucket does not return it to a writer.
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	c, err := b.begin(ctx)
	if err != nil {
		return backend.Info{}, backend.Wrap("put", b.scheme, key, err)
	}
	info, err := b.put(c.ctx, key, body, opts)
	return info, c.end("put", key, err)
}

func (b *Backend) put(ctx context.Context, key backend.Key, src io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if err := backend.CheckPut(key, opts); err != nil {
		return backend.Info{}, err
	}
	if opts.IfAbsent && !b.limits.AtomicIfAbsent || opts.IfMatch != "" && !b.limits.AtomicIfMatch {
		return backend.Info{}, fmt.Errorf("%w: conditional writes are not promised by this service, or switched off by its URL", errors.ErrUnsupported)
	}
	if limit := b.limits.MaxValue; limit > 0 && opts.Size > limit {
		return backend.Info{}, fmt.Errorf("%w: the value has %d bytes, %d are allowed", backend.ErrTooLarge, opts.Size, limit)
	}
	mine := stamp{size: opts.Size, digest: opts.Digest, sum: opts.Sum, key: keyCheck(key), nonce: rand.Text()}
	meta, err := encodeMeta(mine, opts.Meta)
	if err != nil {
		return backend.Info{}, err
	}
	body, err := driver.NewBody(src, opts.Size)
	if err != nil {
		return backend.Info{}, err
	}
	defer body.Finish()

	o, err := b.bucket.Put(ctx, b.object(key), body, driver.PutOptions{
		SHA256: opts.Digest, CRC32C: opts.Sum, Meta: meta, IfAbsent: opts.IfAbsent, IfMatch: opts.IfMatch,
	})
	var unclear *driver.Unclear
	switch {
	case err == nil:
	case body.Err() != nil:
		return backend.Info{}, body.Err()
	case errors.As(err, &unclear) && ctx.Err() == nil:
		if o, err = b.lookAgain(ctx, key, mine, opts, unclear); err != nil {
			return backend.Info{}, err
		}
	default:
		return backend.Info{}, err
	}
	return backend.Info{
		Key: key, Size: opts.Size, Digest: opts.Digest, Sum: opts.Sum,
		Version: o.Version, ModTime: o.ModTime, Meta: maps.Clone(opts.Meta),
	}, nil
}

// lookAgain finds out what became of a Put whose answer was lost: the nonce shows whether
// the object that is there now is ours.
func (b *Backend) lookAgain(ctx context.Context, key backend.Key, mine stamp, opts backend.PutOptions, u *driver.Unclear) (driver.Object, error) {
	o, err := b.bucket.Head(ctx, b.object(key))
	absent := errors.Is(err, backend.ErrNotFound)
	if err != nil && !absent && err.Error() == u.Err.Error() {
		return driver.Object{}, u.Err
	}
	if err != nil && !absent {
		return driver.Object{}, fmt.Errorf("%w (and then: %v)", u.Err, err)
	}
	if found, err := parseStamp(o.Meta[metaStamp]); err == nil && !absent && found.nonce == mine.nonce {
		return o, nil
	}
	switch {
	case u.Sent:
		// It may have been stored, and overwritten or deleted since.
		return driver.Object{}, fmt.Errorf("%w: a response was lost, and whether the value was stored meanwhile is unknown: %v", backend.ErrUnavailable, u.Err)
	case opts.IfAbsent && !absent:
		return driver.Object{}, backend.ErrExists
	case opts.IfMatch != "" && o.Version != opts.IfMatch:
		return driver.Object{}, backend.ErrChanged
	}
	return driver.Object{}, u.Err
}

// PutBatch implements [backend.BatchPutter]: there are no fewer requests, but several at a
// time, so that a value and its description take no longer than the value alone.
func (b *Backend) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos := make([]backend.Info, len(items))
	errs := make(backend.BatchError, len(items))
	byKey := map[backend.Key][]int{} // Puts of one key keep their order
	for i, it := range items {
		byKey[it.Key] = append(byKey[it.Key], i)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, b.concurrency)
	for _, indexes := range byKey {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			for _, i := range indexes {
				infos[i], errs[i] = b.Put(ctx, items[i].Key, items[i].Body, items[i].PutOptions)
			}
		}()
	}
	wg.Wait()
	return infos, errs.OrNil()
}
