package conformance_test

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// all returns what a list yields.
func all[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var vs []T
	for v, err := range seq {
		if err != nil {
			return vs, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// relisted is a list of what change makes of all entries.
func (r *ref) relisted(change func(infos []info, o opts) []info) func(ctx context.Context, shelf string, o opts) list {
	return func(ctx context.Context, shelf string, o opts) list {
		return func(yield func(info, error) bool) {
			infos, err := all(r.Backend.List(ctx, shelf, o))
			for _, i := range change(infos, o) {
				if ctx.Err() != nil {
					yield(info{}, ctx.Err())
					return
				}
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(info{}, err)
			}
		}
	}
}

// byNumber pages by how many entries it has yielded, as LIMIT and OFFSET do.
func byNumber(r *ref) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		return numbered(o.Limit, func() list {
			o.Limit = 0
			return r.Backend.List(ctx, shelf, o)
		})
	}
}

// numbered yields page after page of what seq yields, each time counted from the first one that is left.
func numbered[T any](limit int, seq func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	const size = 32
	return func(yield func(T, error) bool) {
		for from := 0; ; from += size {
			var page []T
			n := 0
			for v, err := range seq() {
				if err != nil {
					yield(v, err)
					return
				}
				if n++; n > from && len(page) < size {
					page = append(page, v)
				}
			}
			for _, v := range page {
				if limit--; !yield(v, nil) || limit == 0 {
					return
				}
			}
			if len(page) < size {
				return
			}
		}
	}
}

var listMutants = []mutant{
	{law: "list/empty", did: "fails to list what was never written to", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				infos, err := all(r.Backend.List(ctx, shelf, o))
				if err == nil && len(infos) == 0 {
					yield(info{}, backend.Wrap("list", "ref", key{Shelf: shelf}, backend.ErrNotFound))
				}
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
	}},
	{law: "list/order", did: "lists in the order of a walk through directories", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			slices.SortFunc(infos, func(a, b info) int {
				return strings.Compare(strings.ReplaceAll(a.Key.Name, "/", "\x00"), strings.ReplaceAll(b.Key.Name, "/", "\x00"))
			})
			return infos
		})
	}},
	{law: "list/prefix", did: "takes a prefix for a directory", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, o opts) []info {
			dir := strings.TrimSuffix(o.Prefix, "/")
			return slices.DeleteFunc(infos, func(i info) bool {
				return dir != "" && i.Key.Name != dir && !strings.HasPrefix(i.Key.Name, dir+"/")
			})
		})
	}},
	{law: "list/after", did: "begins with After, as some services do", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			i, err := r.Backend.Stat(ctx, key{Shelf: shelf, Name: o.After})
			return func(yield func(info, error) bool) {
				if o.After != "" && err == nil && !yield(i, nil) {
					return
				}
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
	}},
	{law: "list/limit", did: "takes Limit for the size of a page", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Limit > 0 {
				o.Limit = 0
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "list/every-option", did: "counts the Limit before it looks at the Prefix", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			prefix := o.Prefix
			if o.Limit > 0 && o.Validate(shelf) == nil {
				o.Prefix = ""
			}
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if err == nil && !strings.HasPrefix(i.Key.Name, prefix) {
						continue
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "list/refused", did: "finds nothing under options that cannot be", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Validate(shelf) != nil {
				return func(func(info, error) bool) {}
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "list/refused", did: "goes on after its error", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if !yield(i, err) || err != nil && !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "list/info", did: "lists large values with the size of what points to them", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range infos {
				if infos[n].Size > 64<<10 {
					infos[n].Size = 40
				}
			}
			return infos
		})
	}},
	{law: "list/repeat", did: "can be ranged over once", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			used := false
			return func(yield func(info, error) bool) {
				if used {
					return
				}
				used = true
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
	}},
	{law: "list/many", did: "loses the entry between two pages", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			if len(infos) > 256 {
				infos = slices.Delete(infos, 256, 257)
			}
			return infos
		})
	}},
	{law: "list/many", did: "yields the entry between two pages twice", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			if len(infos) > 256 {
				infos = slices.Insert(infos, 256, infos[255])
			}
			return infos
		})
	}},
	{law: "list/resume", did: "resumes behind the next possible name", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if n := len(o.After); n > 0 && o.After[n-1] < '9' && o.After[n-1] >= '0' {
				o.After = o.After[:n-1] + string(o.After[n-1]+1)
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "list/break", did: "gives its connection back at the end of a list only", hangs: true, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				select {
				case r.place.slots <- struct{}{}:
				case <-ctx.Done():
					yield(info{}, backend.Wrap("list", "ref", key{Shelf: shelf}, ctx.Err()))
					return
				}
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if !yield(i, err) {
						return
					}
				}
				<-r.place.slots
			}
		}
	}},
	{law: "list/callback", did: "holds its lock while the loop body runs", hangs: true, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				r.place.lock.RLock()
				defer r.place.lock.RUnlock()
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.lock.Lock()
			defer r.place.lock.Unlock()
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "list/callback", did: "has one connection for lists and all else", hangs: true, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.Backend.Stat(ctx, k)
		}
	}},
	{law: "list/delete", did: "moves a live cursor over what is being deleted", breaks: byNumber},
	{law: "list/churn", did: "pages by number while others come and go", breaks: byNumber},
}

var shelvesMutants = []mutant{
	{law: "shelves/order", did: "yields shelves as they come", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				names, _ := all(r.Backend.Shelves(ctx, o))
				slices.Reverse(names)
				for _, name := range names {
					if !yield(name, nil) {
						return
					}
				}
			}
		}
	}},
	{law: "shelves/empty", did: "keeps the file of a shelf whose last entry is gone", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.marked[key{Shelf: k.Shelf}] = true
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				var names []string
				r.place.mu.Lock()
				for k := range r.place.marked {
					names = append(names, k.Shelf)
				}
				r.place.mu.Unlock()
				slices.Sort(names)
				for _, name := range names {
					if !yield(name, nil) {
						return
					}
				}
			}
		}
	}},
	{law: "shelves/only", did: "takes a directory of its own for a shelf", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				if yield("_tmp", nil) {
					r.Backend.Shelves(ctx, o)(yield)
				}
			}
		}
	}},
	{law: "shelves/callback", did: "holds its lock while the loop body runs", hangs: true, breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				r.place.lock.RLock()
				defer r.place.lock.RUnlock()
				r.Backend.Shelves(ctx, o)(yield)
			}
		}
		r.doDelete = func(ctx context.Context, k key) error {
			r.place.lock.Lock()
			defer r.place.lock.Unlock()
			return r.Backend.Delete(ctx, k)
		}
	}},
	{law: "shelves/prefix", did: "yields all shelves of a page that holds one with the prefix", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			return slices.DeleteFunc(shelves, func(s string) bool { return s < o.Prefix })
		})
	}},
	{law: "shelves/prefix", did: "takes the prefix for a whole word", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			return slices.DeleteFunc(shelves, func(s string) bool {
				rest, ok := strings.CutPrefix(s, o.Prefix)
				return !ok || rest != "" && o.Prefix != "" && strings.Trim(o.Prefix[len(o.Prefix)-1:], "-._=") != "" && !strings.HasPrefix(rest, "-")
			})
		})
	}},
	{law: "shelves/after", did: "yields the position itself again", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			return slices.DeleteFunc(shelves, func(s string) bool { return s < o.After || !strings.HasPrefix(s, o.Prefix) })
		})
	}},
	{law: "shelves/after", did: "looks for the position among folders, where a-b/ is before a/", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			return slices.DeleteFunc(shelves, func(s string) bool {
				return o.After != "" && s+"/" <= o.After+"/" || !strings.HasPrefix(s, o.Prefix)
			})
		})
	}},
	{law: "shelves/limit", did: "ignores the limit", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			o.Limit = 0
			return r.Backend.Shelves(ctx, o)
		}
	}},
	{law: "shelves/pages", did: "resumes among folders, and loses those that are in another order there", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			shelves = slices.DeleteFunc(shelves, func(s string) bool {
				return o.After != "" && o.Limit > 0 && s+"/" <= o.After+"/" || s <= o.After || !strings.HasPrefix(s, o.Prefix)
			})
			if o.Limit > 0 && len(shelves) > o.Limit {
				shelves = shelves[:o.Limit]
			}
			return shelves
		})
	}},
	{law: "shelves/refused", did: "finds nothing where the options are not valid", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			if o.ValidateShelves() != nil {
				return func(func(string, error) bool) {}
			}
			return r.Backend.Shelves(ctx, o)
		}
	}},
}

// reshelved is a list of what choose takes of all shelves.
func (r *ref) reshelved(choose func(shelves []string, o opts) []string) func(ctx context.Context, o opts) iter.Seq2[string, error] {
	return func(ctx context.Context, o opts) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			if err := o.ValidateShelves(); err != nil {
				yield("", backend.Wrap("shelves", "ref", key{}, err))
				return
			}
			names, err := all(r.Backend.Shelves(ctx, opts{}))
			for _, name := range choose(names, o) {
				if !yield(name, nil) {
					return
				}
			}
			if err != nil {
				yield("", err)
			}
		}
	}
}
