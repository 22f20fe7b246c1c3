package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// A third trial, after the laws that the second one asked for: 14 of 20 were caught.
var thirdTrial = []mutant{
	{law: "range/parts", did: "fails where a range reaches beyond the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err == nil && n > 0 && off < i.Size && off+n > i.Size+1000 {
				b.Close()
				return nil, info{}, backend.Wrap("get range", "ref", k, io.ErrUnexpectedEOF)
			}
			return b, i, err
		}
	}},
	{law: "list/info", did: "lists each entry with the version of the one before", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := len(infos) - 1; n > 0; n-- {
				infos[n].Version = infos[n-1].Version
			}
			return infos
		})
	}},
	{law: "batch/put-many", did: "drops the metadata of items after the hundredth", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, n int, it backend.Item) (info, error) {
			i, err := r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			if n > 100 && err == nil && len(it.Meta) > 0 {
				it.Meta = nil
				return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			}
			return i, err
		})
	}},
	{law: "lease/epoch", did: "gives the first holder the token 0", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			return token{l, l.Epoch() - 1}, nil
		}
	}},
	{law: "list/limit", did: "counts an entry that was deleted into the Limit", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			err := r.Backend.Delete(ctx, k)
			if err == nil && k.Validate() == nil {
				r.place.mu.Lock()
				r.place.marked[k] = true
				r.place.mu.Unlock()
			}
			return err
		}
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Limit > 1 && o.Validate(shelf) == nil {
				r.place.mu.Lock()
				for k := range r.place.marked {
					if k.Shelf == shelf && strings.HasPrefix(k.Name, o.Prefix) && k.Name > o.After && o.Limit > 1 {
						o.Limit--
					}
				}
				r.place.mu.Unlock()
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "scan/like-list", did: "scans empty values with the body before", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				last := ""
				for e, err := range r.Backend.Scan(ctx, shelf, o) {
					if err == nil {
						text, _ := io.ReadAll(e.Body)
						if len(text) > 0 {
							last = string(text)
						}
						e.Body = strings.NewReader(last)
					}
					if !yield(e, err) {
						return
					}
				}
			}
		}
	}},
	{law: "put/bad-meta", did: "calls metadata that is too long invalid", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrTooLarge) && len(o.Meta) > 0 {
				return info{}, &backend.Error{Op: "put", Backend: "ref", Key: k, Err: backend.ErrInvalidKey}
			}
			return i, err
		}
	}},
	{law: "body/short", did: "stores nothing, and well, where a body has no bytes at all", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err == nil && text == "" && o.Size > 0 && backend.CheckPut(k, o) == nil && !o.IfAbsent && o.IfMatch == "" {
				return r.honest(ctx, k, "", o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "range/parts", did: "reads from the beginning where a range begins beyond 2^62", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if off >= 1<<62 {
				off = 0
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "find/limit", did: "looks for After among the first Limit that fit", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			after := q.After
			if q.Limit > 0 {
				q.After = ""
			}
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if err == nil && d.Key <= after {
						continue
					}
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "key/longest", did: "refuses a prefix that is longer than any name", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if len(o.Prefix) > 200 && o.Validate(shelf) == nil {
				return func(yield func(info, error) bool) {
					yield(info{}, &backend.Error{Op: "list", Backend: "ref", Key: key{Shelf: shelf}, Err: backend.ErrInvalidKey})
				}
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "if-absent/apart", did: "creates one key of a shelf at a time, and refuses the others", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if !o.IfAbsent || backend.CheckPut(k, o) != nil || ctx.Err() != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			select {
			case r.place.slots <- struct{}{}:
			default:
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			defer func() { <-r.place.slots }()
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "list/info", did: "returns the size of the value that it overwrites", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			was, werr := r.Backend.Stat(ctx, k)
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil && werr == nil {
				i.Size = was.Size
			}
			return i, err
		}
	}},
	{law: "handle/shared", did: "remembers for a moment that a key held nothing", breaks: func(r *ref) {
		var mu sync.Mutex
		absent := map[key]time.Time{}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			mu.Lock()
			at, ok := absent[k]
			mu.Unlock()
			if ok && time.Since(at) < 20*time.Millisecond && ctx.Err() == nil {
				return nil, info{}, backend.Wrap("get", "ref", k, backend.ErrNotFound)
			}
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, backend.ErrNotFound) {
				mu.Lock()
				absent[k] = time.Now()
				mu.Unlock()
			}
			return b, i, err
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			mu.Lock()
			delete(absent, k)
			mu.Unlock()
			return i, err
		}
	}},
	{law: "batch/delete", did: "fails to delete from a shelf that is not there", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			errs := make(backend.BatchError, len(keys))
			for n, k := range keys {
				some := k.Validate() != nil
				for range r.Backend.List(ctx, k.Shelf, opts{Limit: 1}) {
					some = true
				}
				if errs[n] = r.Backend.Delete(ctx, k); !some && errs[n] == nil {
					errs[n] = backend.Wrap("delete", "ref", k, errors.New("no such table"))
				}
			}
			return errs.OrNil()
		}
	}},
	{law: "info/modtime", did: "gives large values the time when their upload was asked for", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range infos {
				if infos[n].Size > 10_000 {
					infos[n].ModTime = infos[n].ModTime.Add(-time.Hour)
				}
			}
			return infos
		})
	}},
	{law: "lease/long", did: "grants leases for a second at most", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, min(ttl, time.Second))
		}
	}},
	{law: "lease/beside", did: "renews with another token", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			return &renewed{Lease: l}, nil
		}
	}},
	{law: "key/neighbours", did: "reads names that end in a number as versions of one", breaks: func(r *ref) {
		r.renamed(func(name string) string {
			if base := strings.TrimRight(name, "0123456789"); base != "" && strings.HasSuffix(base, "-v") {
				return base
			}
			return name
		})
	}},
	{law: "key/longest", did: "takes names of sixty segments for fifty", breaks: func(r *ref) {
		r.renamed(func(name string) string {
			if parts := strings.Split(name, "/"); len(parts) > 50 {
				return strings.Join(parts[:50], "/")
			}
			return name
		})
	}},
}

// token is a lease with another epoch.
type token struct {
	backend.Lease
	epoch uint64
}

func (t token) Epoch() uint64 { return t.epoch }

// renewed is a lease whose epoch grows with each renewal.
type renewed struct {
	backend.Lease
	times atomic.Uint64
}

func (l *renewed) Epoch() uint64 { return l.Lease.Epoch() + l.times.Load() }

func (l *renewed) Renew(ctx context.Context) error {
	l.times.Add(1)
	return l.Lease.Renew(ctx)
}
