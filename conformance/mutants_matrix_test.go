package conformance_test

import (
	"context"
	"io"
	"iter"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// Mutants that go wrong where two things meet: a way to store or to remove, and a state of the key, a size, a name, or what is
// open meanwhile. Laws about one thing at a time let them live.
var matrixMutants = []mutant{
	{law: "matrix/stored", did: "keeps the old metadata where a batch puts a draft over a value", breaks: func(r *ref) {
		r.batched(func(ctx context.Context, it *backend.Item) func(*info) {
			old, err := r.Backend.Stat(ctx, it.Key)
			if _, ok := it.Body.(*refDraft); !ok || err != nil {
				return nil
			}
			said := maps.Clone(it.Meta)
			it.Meta = old.Meta
			return func(i *info) { i.Meta = said }
		})
	}},
	{law: "matrix/stored", did: "removes more than was named where DeleteMatch finds one absent and one as it was seen", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			err := r.Backend.DeleteMatch(ctx, seen)
			for i, s := range seen {
				if backend.ItemError(err, i) == nil && i > 1 && strings.HasSuffix(s.Key.Name, "/b") {
					r.Backend.Delete(ctx, key{Shelf: s.Key.Shelf, Name: strings.TrimSuffix(s.Key.Name, "/b")})
				}
			}
			return err
		}
	}},
	{law: "matrix/open", did: "delivers zeros for the rest of a range of a value that DeleteMatch removed", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil {
				return b, i, err
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				n, err := b.Read(p)
				if r.isMarked(key{Name: i.Version}) {
					clear(p[:n])
				}
				return n, err
			})}, i, nil
		}
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			err := r.Backend.DeleteMatch(ctx, seen)
			for i, s := range seen {
				if backend.ItemError(err, i) == nil {
					r.mark(key{Name: s.Version})
				}
			}
			return err
		}
	}},
	{law: "matrix/any", did: "finds no ranges by Version of values under names beyond 300 bytes", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if len(k.Name) > 300 && version != "" && off > 0 {
				return nil, info{}, backend.Wrap("get range", "ref", k, backend.ErrChanged)
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "matrix/any", did: "forgets the metadata of an empty value that a batch stores", breaks: func(r *ref) {
		r.batched(func(_ context.Context, it *backend.Item) func(*info) {
			if it.Size > 0 || len(it.Meta) < 3 {
				return nil
			}
			said := maps.Clone(it.Meta)
			it.Meta = nil
			return func(i *info) { i.Meta = said }
		})
	}},
	{law: "matrix/crowd", did: "lets batches that are under way at once share the metadata of their items", breaks: func(r *ref) {
		var mu sync.Mutex
		var last backend.Meta
		r.batched(func(_ context.Context, it *backend.Item) func(*info) {
			if len(it.Meta) == 0 {
				return nil
			}
			said := maps.Clone(it.Meta)
			mu.Lock()
			last = said
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			it.Meta = maps.Clone(last)
			return func(i *info) { i.Meta = said }
		})
	}},
	{law: "find/any", did: "holds numbers as float32", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			q.Where = valued(q.Where, func(v any) any {
				if f, ok := v.(float64); ok {
					return float64(float32(f))
				}
				return v
			})
			return q
		})
	}},
	{law: "find/any", did: "compares the first 255 bytes of texts", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			q.Where = valued(q.Where, func(v any) any {
				if s, ok := v.(string); ok && len(s) > 300 {
					return s[:300]
				}
				return v
			})
			return q
		})
	}},
	{law: "find/any", did: "compares versions without case", breaks: func(r *ref) {
		r.seesAs(func(d component.Description) component.Description { d.Version = strings.ToLower(d.Version); return d })
	}},
	{law: "find/any", did: "knows the first three inputs of a component alone", breaks: func(r *ref) {
		r.seesAs(func(d component.Description) component.Description {
			d.Inputs = d.Inputs[:min(3, len(d.Inputs))]
			return d
		})
	}},
	{law: "find/cancel", did: "ends a search whose ctx ended as if it had found all", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if ctx.Err() != nil || !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "delete-match/many", did: "removes by their versions the first 256 keys of many", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			return r.Backend.DeleteMatch(ctx, seen[:min(256, len(seen))])
		}
	}},
	{law: "lease/any", did: "gives a lease up when an entry of its name is deleted", breaks: func(r *ref) {
		r.remembersLeases()
		r.doDelete = func(ctx context.Context, k key) error {
			r.place.mu.Lock()
			if l := r.place.leases[k.Name]; l != nil {
				l.Release(ctx)
			}
			r.place.mu.Unlock()
			return r.Backend.Delete(ctx, k)
		}
	}},
	{law: "stage/any", did: "seeks in drafts beyond 64 KiB from their ends, where it should from where they stand", breaks: func(r *ref) {
		r.doStage = func(ctx context.Context) (backend.Draft, error) {
			_, err := all(r.Backend.Shelves(ctx, opts{Limit: 1})) // is it open?
			return draftThatJumps{&refDraft{}}, err
		}
	}},
}

// draftThatJumps takes one whence for another.
type draftThatJumps struct{ *refDraft }

func (d draftThatJumps) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekCurrent && len(d.text) > 64<<10 {
		whence = io.SeekEnd
	}
	return d.refDraft.Seek(off, whence)
}

// batched stores the items of a batch one by one, each as change leaves it, and tells of each what the function says that it returns.
func (r *ref) batched(change func(ctx context.Context, it *backend.Item) func(*info)) {
	r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
		infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
		for n, it := range items {
			tell := change(ctx, &it)
			if infos[n], errs[n] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions); errs[n] != nil {
				infos[n] = info{}
			} else if tell != nil {
				tell(&infos[n])
			}
		}
		return infos, errs.OrNil()
	}
}

// valued is c with every value changed.
func valued(c component.Condition, change func(v any) any) component.Condition {
	if list, ok := c.Value.([]any); ok && c.Op == component.In {
		var all []any
		for _, v := range list {
			all = append(all, change(v))
		}
		c.Value = all
	} else {
		c.Value = change(c.Value)
	}
	var of []component.Condition
	for _, sub := range c.Of {
		of = append(of, valued(sub, change))
	}
	c.Of = of
	return c
}

// mark remembers a key of the place.
func (r *ref) mark(k key) {
	r.place.mu.Lock()
	defer r.place.mu.Unlock()
	r.place.marked[k] = true
}

func (r *ref) isMarked(k key) bool {
	r.place.mu.Lock()
	defer r.place.mu.Unlock()
	return r.place.marked[k]
}

// seesAs searches descriptions as an index holds them.
func (r *ref) seesAs(index func(component.Description) component.Description) {
	r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
		return func(yield func(component.Description, error) bool) {
			n := 0
			for d, err := range backend.Find(ctx, r.Backend, component.Query{After: q.After}, decode) {
				if err == nil && !q.Match(index(d), nil) {
					continue
				}
				if n++; !yield(d, err) || n == q.Limit {
					return
				}
			}
		}
	}
}
