package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// The rest of the second trial; see trialMutants.
var trialOfListsAndTheRest = []mutant{
	{law: "key/neighbours", did: "lists punctuation last, as a locale does", breaks: func(r *ref) {
		plain := strings.NewReplacer("-", "", "_", "", ".", "")
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			slices.SortStableFunc(infos, func(a, b info) int {
				return strings.Compare(plain.Replace(a.Key.Name), plain.Replace(b.Key.Name))
			})
			return infos
		})
	}},
	{law: "key/neighbours", did: "takes a plus in a name for a blank", breaks: func(r *ref) {
		r.renamed(func(name string) string { return strings.ReplaceAll(name, "=", "-") })
	}},
	{law: "key/neighbours", did: "cannot keep con, nul and aux, as Windows cannot", breaks: func(r *ref) {
		r.renamed(func(name string) string {
			switch strings.ToLower(name) {
			case "con", "nul", "aux":
				return "reserved"
			}
			return name
		})
	}},
	{law: "key/longest", did: "keeps 255 bytes of a name", breaks: func(r *ref) {
		r.renamed(func(name string) string { return name[:min(255, len(name))] })
	}},
	{law: "list/after", did: "skips one entry where After is no name of its own", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				skip := false
				if o.After != "" && o.Validate(shelf) == nil {
					_, err := r.Backend.Stat(ctx, key{Shelf: shelf, Name: o.After})
					skip = errors.Is(err, backend.ErrNotFound)
				}
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if skip && err == nil {
						skip = false
						continue
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "list/borders", did: "lists two halves one after the other, where there are many", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, o opts) []info {
			if o.Limit > 0 || len(infos) < 300 {
				return infos
			}
			var even, odd []info
			for n, i := range infos {
				if n%2 == 0 {
					even = append(even, i)
				} else {
					odd = append(odd, i)
				}
			}
			return append(even, odd...)
		})
	}},
	{law: "list/borders", did: "yields a shelf again for each page of its entries", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for s, err := range r.Backend.Shelves(ctx, o) {
					if !yield(s, err) {
						return
					}
					n := 0
					for range r.Backend.List(ctx, s, opts{}) {
						n++
					}
					if n > 500 && !yield(s, err) {
						return
					}
				}
			}
		}
	}},
	{law: "range/parts", did: "begins a range at a border of blocks", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if off > 1<<16 {
				off &^= 4095
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/parts", did: "ends a range a byte late where it ends at a border of blocks", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if n > 0 && (off+n)%4096 == 0 {
				n++
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/refused", did: "says ErrChanged of a range of what was deleted", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if errors.Is(err, backend.ErrNotFound) && version != "" {
				return nil, info{}, backend.Wrap("get range", "ref", k, backend.ErrChanged)
			}
			return b, i, err
		}
	}},
	{law: "batch/put-order", did: "keeps the first of two items with one key", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			turned := slices.Clone(items)
			slices.Reverse(turned)
			infos, err := r.Backend.PutBatch(ctx, turned)
			slices.Reverse(infos)
			if err != nil {
				return r.Backend.PutBatch(ctx, items)
			}
			return infos, nil
		}
	}},
	{law: "batch/put-many", did: "tells the Infos of a large batch in the order of their names", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			if err == nil && len(infos) > 50 {
				slices.SortFunc(infos, func(a, b info) int { return strings.Compare(a.Key.Name, b.Key.Name) })
			}
			return infos, err
		}
	}},
	{law: "batch/put-if", did: "acknowledges a whole batch that was cancelled midway", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			if ctx.Err() != nil {
				return r.Backend.PutBatch(ctx, items)
			}
			infos := make([]info, len(items))
			var failed error
			for n, it := range items {
				i, err := r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
				if err != nil && ctx.Err() == nil {
					failed = err
				}
				infos[n] = i
			}
			if failed != nil {
				return r.Backend.PutBatch(ctx, items)
			}
			return infos, nil
		}
	}},
	{law: "batch/put-many", did: "fails an empty batch", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			if len(items) == 0 {
				return nil, errors.New("ref: nothing to put")
			}
			return r.Backend.PutBatch(ctx, items)
		}
	}},
	{law: "batch/delete", did: "fails to delete a key twice in one batch", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			seen := map[key]bool{}
			for _, k := range keys {
				if seen[k] {
					return backend.Wrap("delete batch", "ref", k, errors.New("no such key"))
				}
				seen[k] = true
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "sweep/beside", did: "cannot sweep where nothing was stored yet", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			for range r.Backend.Shelves(ctx, opts{Limit: 1}) {
				return found{}, nil
			}
			return found{}, errors.New("ref: sweep: no such table")
		}
	}},
	{law: "lease/refused", did: "takes leases of a/b and a-b for one", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, strings.ReplaceAll(name, "/", "-"), ttl)
		}
	}},
	{law: "lease/refused", did: "takes leases whose names differ in case for one", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, strings.ToLower(name), ttl)
		}
	}},
	{law: "lease/names", did: "cuts names of leases at 64 bytes", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name[:min(64, len(name))], ttl)
		}
	}},
	{law: "find/queries", did: "finds everything where a list to be in is empty", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if list, ok := c.Value.([]any); ok && c.Op == component.In && len(list) == 0 {
				c.Op = component.Exists
			}
			return c
		})
	}},
	{law: "find/queries", did: "compares numbers as float64", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if n, ok := c.Value.(int64); ok {
				c.Value = int64(float64(n))
			}
			return c
		})
	}},
	{law: "find/queries", did: "takes null for not there", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if c.Op == component.Exists && c.Field == component.FieldParam {
				c = component.Condition{Op: component.All, Of: []component.Condition{c, {Op: component.Not, Of: []component.Condition{{Op: component.Equal, Field: c.Field, Path: c.Path}}}}}
			}
			return c
		})
	}},
	{law: "find/queries", did: "finds prefixes without their last letter", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if text, ok := c.Value.(string); ok && c.Op == component.HasPrefix && text != "" {
				c.Value = text[:len(text)-1]
			}
			return c
		})
	}},
	{law: "find/queries", did: "takes less for less or equal", breaks: func(r *ref) {
		r.searched(func(c component.Condition) component.Condition {
			if c.Op == component.Less {
				c.Op = component.LessEqual
			}
			return c
		})
	}},
	{law: "delete/gone", did: "deletes a moment after it said so", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if ctx.Err() != nil || k.Validate() != nil {
				return r.Backend.Delete(ctx, k)
			}
			twin := r.twin()
			go func() {
				time.Sleep(time.Millisecond)
				_ = twin.Delete(context.Background(), k)
				twin.Close()
			}()
			return nil
		}
	}},
	{law: "delete/gone", did: "falls back to an older value when the newest one is deleted", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, _ *put) string {
			was, _, err := r.load(ctx, k)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if err == nil && was != "" {
				r.place.texts[k] = was
			} else {
				delete(r.place.texts, k)
			}
			return text
		})
		r.doDelete = func(ctx context.Context, k key) error {
			r.place.mu.Lock()
			was, ok := r.place.texts[k]
			delete(r.place.texts, k)
			r.place.mu.Unlock()
			if !ok {
				return r.Backend.Delete(ctx, k)
			}
			_, err := r.honest(ctx, k, was, put{})
			return err
		}
	}},
	{law: "handle/shared", did: "does not find what another handle stored until it looks again", breaks: func(r *ref) {
		var mu sync.Mutex
		missing := map[key]bool{}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			mu.Lock()
			defer mu.Unlock()
			i, err := r.Backend.Stat(ctx, k)
			if missing[k] && err == nil {
				delete(missing, k)
				return info{}, backend.Wrap("stat", "ref", k, backend.ErrNotFound)
			}
			missing[k] = errors.Is(err, backend.ErrNotFound)
			return i, err
		}
	}},
}
