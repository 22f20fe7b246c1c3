package law

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// A steady handle asks again where the backend says [backend.ErrUnavailable], as a caller should: a
// bucket that throttles now and then is not broken. Every handle of an experiment is one.
//
// It has every ability, by the fallbacks of package backend where the handle below lacks it; [has]
// shows what the handle itself can do.
type steady struct {
	below backend.Backend
	// unknown counts the Puts, and the deletions of what was seen, that failed so and may have taken effect all the same.
	unknown *atomic.Int64
}

var _ backend.Backend = steady{}

// has reports whether a handle has an ability of its own.
func has[T any](b backend.Backend) bool {
	_, ok := backend.As[T](bare(b))
	return ok
}

// bare returns what is below a steady handle.
func bare(b backend.Backend) backend.Backend {
	if s, ok := b.(steady); ok {
		return s.below
	}
	return b
}

// patiently calls f until it succeeds or fails for good: at most some times, with growing pauses, and
// without them where ctx has ended.
func patiently(ctx context.Context, f func() error) error {
	const times = 8
	for n, wait := 1, time.Millisecond; ; n, wait = n+1, 2*wait {
		err := f()
		if !errors.Is(err, backend.ErrUnavailable) || n == times {
			return err
		}
		if ctx.Err() == nil {
			time.Sleep(wait)
		}
	}
}

func (s steady) Limits() backend.Limits { return backend.LimitsOf(s.below) }

func (s steady) Close() error { return s.below.Close() }

func (s steady) Get(ctx context.Context, key backend.Key) (body io.ReadCloser, info backend.Info, err error) {
	err = patiently(ctx, func() error {
		body, info, err = s.below.Get(ctx, key)
		return err
	})
	return body, info, err
}

func (s steady) Stat(ctx context.Context, key backend.Key) (info backend.Info, err error) {
	err = patiently(ctx, func() error {
		info, err = s.below.Stat(ctx, key)
		return err
	})
	return info, err
}

// Put looks what became of a conditional Put that may have taken effect.
func (s steady) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (info backend.Info, err error) {
	err = patiently(ctx, func() error {
		info, err = s.below.Put(ctx, key, body, opts)
		if !errors.Is(err, backend.ErrUnavailable) {
			return err
		}
		if !opts.IfAbsent && opts.IfMatch == "" {
			s.unknown.Add(1)
			return err
		}
		now, serr := s.Stat(ctx, key)
		if serr == nil && now.Digest == opts.Digest && maps.Equal(now.Meta, opts.Meta) {
			info, err = now, nil
			return nil
		}
		s.unknown.Add(1)
		return err
	})
	return info, err
}

func (s steady) Delete(ctx context.Context, key backend.Key) error {
	return patiently(ctx, func() error { return s.below.Delete(ctx, key) })
}

func (s steady) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return resumed(ctx, opts, func(opts backend.ListOptions) iter.Seq2[backend.Info, error] {
		return s.below.List(ctx, shelf, opts)
	}, func(i backend.Info) string { return i.Key.Name })
}

func (s steady) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return resumed(ctx, opts, func(opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
		return backend.Scan(ctx, s.below, shelf, opts)
	}, func(e backend.Entry) string { return e.Key.Name })
}

func (s steady) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return resumed(ctx, opts, func(opts backend.ListOptions) iter.Seq2[string, error] {
		return s.below.Shelves(ctx, opts)
	}, func(shelf string) string { return shelf })
}

// resumed is a list that goes on where it was interrupted.
func resumed[T any](ctx context.Context, opts backend.ListOptions, list func(backend.ListOptions) iter.Seq2[T, error], name func(T) string) iter.Seq2[T, error] {
	first := list(opts)
	return func(yield func(T, error) bool) {
		seq, n, ended, opts := first, 0, false, opts
		limit := opts.Limit
		err := patiently(ctx, func() error {
			for v, err := range seq {
				if errors.Is(err, backend.ErrUnavailable) {
					if limit > 0 {
						if n >= limit {
							return nil
						}
						opts.Limit = limit - n
					}
					seq = list(opts)
					return err
				}
				if ended = !yield(v, err); ended {
					return nil
				}
				if n++; err == nil {
					opts.After = name(v)
				}
			}
			return nil
		})
		if err != nil && !ended {
			var zero T
			yield(zero, err)
		}
	}
}

func (s steady) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (body io.ReadCloser, info backend.Info, err error) {
	err = patiently(ctx, func() error {
		body, info, err = backend.GetRange(ctx, s.below, key, version, off, n)
		return err
	})
	return body, info, err
}

// Stage makes a draft of the handle below, which a Put hands on as it is.
func (s steady) Stage(ctx context.Context) (d backend.Draft, err error) {
	err = patiently(ctx, func() error {
		d, err = backend.Stage(ctx, s.below, "")
		return err
	})
	return d, err
}

// PutBatch puts again what was unavailable, and what came after it under the same key.
func (s steady) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, err := backend.PutBatch(ctx, s.below, items)
	if !errors.Is(err, backend.ErrUnavailable) {
		return infos, err
	}
	errs, again := make(backend.BatchError, len(items)), map[backend.Key]bool{}
	infos = append(infos, make([]backend.Info, len(items)-len(infos))...)
	for i, it := range items {
		errs[i] = backend.ItemError(err, i)
		conditional := it.IfAbsent || it.IfMatch != ""
		if errors.Is(errs[i], backend.ErrUnavailable) || again[it.Key] && errs[i] == nil && !conditional {
			again[it.Key] = true
			infos[i], errs[i] = s.Put(ctx, it.Key, it.Body, it.PutOptions)
		}
	}
	return infos, errs.OrNil()
}

func (s steady) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	return patiently(ctx, func() error { return backend.DeleteBatch(ctx, s.below, keys) })
}

// DeleteMatch deletes again what was unavailable: what is gone then may be what the first attempt deleted.
func (s steady) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	err := backend.DeleteMatch(ctx, s.below, seen)
	if !errors.Is(err, backend.ErrUnavailable) {
		return err
	}
	errs := make(backend.BatchError, len(seen))
	for i := range seen {
		if errs[i] = backend.ItemError(err, i); errors.Is(errs[i], backend.ErrUnavailable) {
			_, found := s.Stat(ctx, seen[i].Key)
			errs[i] = patiently(ctx, func() error { return backend.ItemError(backend.DeleteMatch(ctx, s.below, seen[i:i+1]), 0) })
			if errors.Is(found, backend.ErrNotFound) && errors.Is(errs[i], backend.ErrChanged) {
				s.unknown.Add(1)
				errs[i] = nil
			}
		}
	}
	return errs.OrNil()
}

func (s steady) Acquire(ctx context.Context, name string, ttl time.Duration) (lease backend.Lease, err error) {
	leaser, ok := backend.As[backend.Leaser](s.below)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	err = patiently(ctx, func() error {
		lease, err = leaser.Acquire(ctx, name, ttl)
		return err
	})
	return lease, err
}

func (s steady) Sweep(ctx context.Context, opts backend.SweepOptions) (report backend.SweepReport, err error) {
	err = patiently(ctx, func() error {
		report, err = backend.Sweep(ctx, s.below, opts)
		return err
	})
	return report, err
}

func (s steady) Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
	finder, ok := backend.As[backend.Finder](s.below)
	if !ok {
		return func(yield func(component.Description, error) bool) {
			yield(component.Description{}, errors.ErrUnsupported)
		}
	}
	return finder.Find(ctx, q)
}
