package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

var cancelSiblings = []mutant{
	{law: "cancel/list", did: "lists to its end, whoever gave up", tier: law.Full, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if ctx.Err() == nil {
				ctx = context.WithoutCancel(ctx)
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "cancel/before", did: "says in words alone that the caller gave up", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if err := ctx.Err(); err != nil {
				return &backend.Error{Op: "delete", Backend: "ref", Key: k, Err: errors.New(err.Error())}
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
	{law: "cancel/before", did: "says canceled where a deadline passed", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, context.DeadlineExceeded) {
				err = &backend.Error{Op: "get", Backend: "ref", Key: k, Err: context.Canceled}
			}
			return b, i, err
		}
	}},
	{law: "error/typed", did: "does not look at the context of a batch", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			return r.Backend.PutBatch(context.WithoutCancel(ctx), items)
		}
	}},
	{law: "cancel/before", did: "fails once after a call that was cancelled", breaks: func(r *ref) {
		var broken atomic.Bool
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if broken.Swap(false) && ctx.Err() == nil {
				return nil, info{}, &backend.Error{Op: "get", Backend: "ref", Key: k, Err: errors.New("conn closed")}
			}
			b, i, err := r.Backend.Get(ctx, k)
			if ctx.Err() != nil {
				broken.Store(true)
			}
			return b, i, err
		}
	}},
	{law: "cancel/before", did: "deletes though it says that the caller gave up before it began", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			err := r.Backend.Delete(ctx, k)
			if ctx.Err() != nil && k.Validate() == nil {
				r.twin().Delete(context.Background(), k)
			}
			return err
		}
	}},
	{law: "leak/calls", did: "leaves a goroutine behind for each cancelled Put", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, context.Canceled) {
				go func() { select {} }()
			}
			return i, err
		}
	}},
}

var raceSiblings = []mutant{
	{law: "storm/one-key", did: "overwrites by deleting first", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if !o.IfAbsent && o.IfMatch == "" && ctx.Err() == nil {
				r.Backend.Delete(context.WithoutCancel(ctx), k)
				time.Sleep(moment / 8)
			}
			return text
		})
	}},
	{law: "if-absent/race", did: "names its temporary files by the name alone", breaks: func(r *ref) {
		r.puts(func(_ context.Context, k key, text string, _ *put) string {
			temp := key{Name: k.Name}
			r.place.mu.Lock()
			r.place.texts[temp] = text
			r.place.mu.Unlock()
			time.Sleep(moment / 16)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.place.texts[temp]
		})
	}},
	{law: "body/unfinished", did: "leaves an entry out of lists while it is overwritten", breaks: func(r *ref) {
		r.inOrder(func(_ context.Context, k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.marked[k] = true
			return nil
		}, func(k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			delete(r.place.marked, k)
			return nil
		})
		r.filtered(func(i info, _ opts) bool {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.place.marked[i.Key]
		})
	}},
	{law: "history/linear", did: "fails a Put that meets a Delete", breaks: func(r *ref) {
		r.inOrder(func(_ context.Context, k key) error {
			time.Sleep(moment / 16)
			return nil
		}, func(k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.marked[k] {
				delete(r.place.marked, k)
				return fs.ErrNotExist
			}
			return nil
		})
		r.doDelete = func(ctx context.Context, k key) error {
			r.place.mu.Lock()
			r.place.marked[k] = true
			r.place.mu.Unlock()
			time.Sleep(moment / 16)
			err := r.Backend.Delete(ctx, k)
			r.place.mu.Lock()
			delete(r.place.marked, k)
			r.place.mu.Unlock()
			return err
		}
	}},
	{law: "history/linear", did: "acknowledges the loser of two Puts that meet, with the winner's version", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			time.Sleep(moment / 8)
			if now, serr := r.Backend.Stat(ctx, k); err == nil && serr == nil {
				i.Version = now.Version
			}
			return i, err
		}
	}},
	{law: "storm/one-put", did: "lists sizes of one Put with times of another", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if err == nil && i.Size < 100_000 {
						time.Sleep(moment / 16)
						if now, serr := r.Backend.Stat(ctx, i.Key); serr == nil {
							i.Size = now.Size
						}
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
}

var errorSiblings = []mutant{
	{law: "get/absent", did: "has an ErrNotFound of its own that is no fs.ErrNotExist", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if errors.Is(err, backend.ErrNotFound) {
				err = &backend.Error{Op: "stat", Backend: "ref", Key: k, Err: onlyNotFound{}}
			}
			return i, err
		}
	}},
	{law: "error/typed", did: "names no method in errors of Delete", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			err := r.Backend.Delete(ctx, k)
			var e *backend.Error
			if errors.As(err, &e) {
				return &backend.Error{Backend: e.Backend, Key: e.Key, Err: e.Err}
			}
			return err
		}
	}},
	{law: "error/typed", did: "names the directory where it should name the key of a range", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			var e *backend.Error
			if errors.As(err, &e) {
				err = &backend.Error{Op: e.Op, Backend: e.Backend, Key: key{Shelf: k.Shelf}, Err: e.Err}
			}
			return b, i, err
		}
	}},
	{law: "error/typed", did: "names the method get where a range failed", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			var e *backend.Error
			if errors.As(err, &e) {
				err = &backend.Error{Op: "GetRange", Backend: e.Backend, Key: e.Key, Err: e.Err}
			}
			return b, i, err
		}
	}},
	{law: "key/refused", did: "says that a key is too large where its grammar is wrong", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, backend.ErrInvalidKey) {
				err = &backend.Error{Op: "get", Backend: "ref", Key: k, Err: backend.ErrTooLarge}
			}
			return b, i, err
		}
	}},
}

type onlyNotFound struct{}

func (onlyNotFound) Error() string        { return "not found" }
func (onlyNotFound) Is(target error) bool { return target == backend.ErrNotFound }
