package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// finds replaces Find by one that changes the query.
func (r *ref) finds(change func(q component.Query) component.Query) {
	r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
		return backend.Find(ctx, r.Backend, change(q), decode)
	}
}

var findSiblings = []mutant{
	{law: "find/queries", did: "does not resume a search", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query { q.After = ""; return q })
	}},
	{law: "find/queries", did: "finds in the order of storing", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				ds, err := all(backend.Find(ctx, r.Backend, q, decode))
				slices.SortStableFunc(ds, func(a, b component.Description) int { return a.Stored.Compare(b.Stored) })
				for _, d := range ds {
					if !yield(d, nil) {
						return
					}
				}
				if err != nil {
					yield(component.Description{}, err)
				}
			}
		}
	}},
	{law: "find/queries", did: "takes not equal for not there", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			q.Where, _ = q.Where.Map(func(c component.Condition) (component.Condition, error) {
				if c.Op == component.NotEqual {
					c.Op = component.Exists
					c.Value = nil
				}
				return c, nil
			})
			return q
		})
	}},
	{law: "find/changes", did: "searches in an index that batches do not reach", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for _, it := range items {
				r.place.marked[it.Key] = true
			}
			return infos, err
		}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					r.place.mu.Lock()
					hidden := r.place.marked[key{Shelf: backend.ShelfComponents, Name: d.Key}]
					r.place.mu.Unlock()
					if !hidden && !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/queries", did: "tells the inputs in order of their keys", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					slices.Sort(d.Inputs)
					slices.Reverse(d.Inputs)
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
}

var timeSiblings = []mutant{
	{law: "info/modtime", did: "tells no times in Stat", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			i.ModTime = time.Time{}
			return i, err
		}
	}},
	{law: "info/modtime", did: "tells in Put when the body began to be read", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil {
				i.ModTime = i.ModTime.Add(-time.Minute)
			}
			return i, err
		}
	}},
	{law: "info/modtime-clock", did: "stores times as seconds since 1970 in milliseconds", breaks: func(r *ref) {
		r.tells = func(i info) info { i.ModTime = time.UnixMilli(i.ModTime.Unix()); return i }
	}},
	{law: "info/modtime-overwrite", did: "keeps the time of a value that is overwritten by as many bytes", breaks: func(r *ref) {
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old, ok := r.place.infos[i.Key]; ok && old.Size == i.Size {
				i.ModTime = old.ModTime
			} else {
				r.place.infos[i.Key] = i
			}
			return i
		}
	}},
	{law: "info/modtime-overwrite", did: "lists the times of the list", breaks: func(r *ref) {
		begin := time.Now()
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range infos {
				infos[n].ModTime = begin
			}
			return infos
		})
	}},
}

var handleSiblings = []mutant{
	{law: "handle/shared", did: "lists what another handle deleted, until it stores something", breaks: func(r *ref) {
		stale := map[opts][]info{}
		r.doList = r.relisted(func(infos []info, o opts) []info {
			if len(infos) < len(stale[o]) {
				return stale[o]
			}
			stale[o] = infos
			return infos
		})
		r.doDelete = func(ctx context.Context, k key) error { clear(stale); return r.Backend.Delete(ctx, k) }
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			clear(stale)
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "handle/last-close", did: "loses metadata when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, text string) {
			r.twin().Put(ctx, i.Key, strings.NewReader(text), put{Size: i.Size, Digest: i.Digest, Sum: i.Sum})
		})
	}},
	{law: "handle/last-close", did: "loses nested names when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, _ string) {
			if strings.Contains(i.Key.Name, "/") {
				r.twin().Delete(ctx, i.Key)
			}
		})
	}},
	{law: "handle/last-close", did: "loses empty values when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, _ string) {
			if i.Size == 0 {
				r.twin().Delete(ctx, i.Key)
			}
		})
	}},
	{law: "handle/limits", did: "promises nothing when it is closed and opened again", breaks: func(r *ref) {
		r.place.mu.Lock()
		opened := len(r.place.handles)
		r.place.mu.Unlock()
		r.doLimits = func() backend.Limits {
			l := r.Backend.Limits()
			l.Durable = opened > 1
			return l
		}
	}},
	{law: "handle/close-others", did: "cancels what others do in the place when a handle is closed", breaks: func(r *ref) {
		r.doClose = func() error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.count++
			return r.Backend.Close()
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			before := r.place.count
			r.place.mu.Unlock()
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if err == nil && r.place.count != before {
				return info{}, backend.Wrap("put", "ref", k, errors.New("the pool was closed"))
			}
			return i, err
		}
	}},
	{law: "handle/closed", did: "panics when it is used after Close", breaks: func(r *ref) {
		var shut atomic.Bool
		r.doClose = func() error { shut.Store(true); return r.Backend.Close() }
		r.doDelete = func(ctx context.Context, k key) error {
			if shut.Load() {
				var none []string
				return errors.New(none[0])
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
}

// atLastClose promises that values last, and does something to each when the last handle is closed.
func (r *ref) atLastClose(do func(ctx context.Context, i info, text string)) {
	lasts(r)
	r.doClose = func() error {
		ctx := context.Background()
		r.place.mu.Lock()
		r.place.handles = slices.DeleteFunc(r.place.handles, func(h *ref) bool { return h == r })
		last := len(r.place.handles) == 0
		r.place.mu.Unlock()
		for shelf := range r.twin().Shelves(ctx, opts{}) {
			for i := range r.twin().List(ctx, shelf, opts{}) {
				if body, _, err := r.twin().Get(ctx, i.Key); err == nil && last {
					text, _ := io.ReadAll(body)
					do(ctx, i, string(text))
				}
			}
		}
		return r.Backend.Close()
	}
}
