package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/larder-store/larder/backend"
)

var listSiblings = []mutant{
	{law: "list/prefix", did: "takes _ in a prefix for any letter, as LIKE does", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			prefix, limit := o.Prefix, o.Limit
			if o.Validate(shelf) != nil || !strings.Contains(prefix, "_") {
				return r.Backend.List(ctx, shelf, o)
			}
			o.Prefix, o.Limit = "", 0
			return func(yield func(info, error) bool) {
				n := 0
				for i, err := range r.Backend.List(ctx, shelf, o) {
					ok, _ := path.Match(strings.ReplaceAll(prefix, "_", "?"), i.Key.Name[:min(len(i.Key.Name), len(prefix))])
					if err == nil && !ok {
						continue
					}
					if n++; !yield(i, err) || n == limit {
						return
					}
				}
			}
		}
	}},
	{law: "list/order", did: "lists numbers by their worth", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			slices.SortStableFunc(infos, func(a, b info) int {
				var x, y int
				if n, _ := fmt.Sscan(a.Key.Name, &x); n == 0 {
					return 0
				}
				if n, _ := fmt.Sscan(b.Key.Name, &y); n == 0 {
					return 0
				}
				return x - y
			})
			return infos
		})
	}},
	{law: "key/shelves", did: "lists what begins with the shelf's name", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if !yield(i, err) {
						return
					}
				}
				if o.Limit == 0 && o.Validate(shelf) == nil {
					for other := range r.Backend.Shelves(ctx, opts{Prefix: shelf + "-x"}) {
						for i, err := range r.Backend.List(ctx, other, o) {
							if !yield(i, err) {
								return
							}
						}
					}
				}
			}
		}
	}},
	{law: "handle/shared", did: "answers lists from a cache until it stores something itself", breaks: func(r *ref) {
		type question struct {
			shelf string
			o     opts
		}
		var mu sync.Mutex
		cache := map[question][]info{}
		forget := func() { mu.Lock(); defer mu.Unlock(); clear(cache) }
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				mu.Lock()
				infos, ok := cache[question{shelf, o}]
				mu.Unlock()
				if !ok || ctx.Err() != nil {
					var err error
					if infos, err = all(r.Backend.List(ctx, shelf, o)); err != nil {
						yield(info{}, err)
						return
					}
					mu.Lock()
					cache[question{shelf, o}] = infos
					mu.Unlock()
				}
				for _, i := range infos {
					i.Meta = maps.Clone(i.Meta)
					if !yield(i, nil) {
						return
					}
				}
			}
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			defer forget()
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doDelete = func(ctx context.Context, k key) error { defer forget(); return r.Backend.Delete(ctx, k) }
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			defer forget()
			return r.Backend.PutBatch(ctx, items)
		}
		r.doDelBatch = func(ctx context.Context, keys []key) error { defer forget(); return r.Backend.DeleteBatch(ctx, keys) }
	}},
	{law: "list/prefix", did: "finds nothing where the prefix is a whole name", breaks: func(r *ref) {
		r.filtered(func(i info, o opts) bool { return o.Prefix != "" && i.Key.Name == o.Prefix })
	}},
	{law: "list/every-option", did: "begins anew where After is beyond the prefix", breaks: func(r *ref) {
		r.asked(func(o *opts) {
			if o.Prefix != "" && o.After > o.Prefix && !strings.HasPrefix(o.After, o.Prefix) {
				o.After = ""
			}
		})
	}},
	{law: "list/every-option", did: "seeks to After and no further, where it is before the prefix", breaks: func(r *ref) {
		r.asked(func(o *opts) {
			if o.After != "" && o.After < o.Prefix {
				o.Prefix = ""
			}
		})
	}},
	{law: "key/longest", did: "does not list names longer than 512 bytes", breaks: func(r *ref) {
		r.filtered(func(i info, _ opts) bool { return len(i.Key.Name) > 512 })
	}},
	{law: "put/empty", did: "does not list empty values", breaks: func(r *ref) {
		r.filtered(func(i info, _ opts) bool { return i.Size == 0 })
	}},
	{law: "key/longest", did: "does not list names of more than five segments", breaks: func(r *ref) {
		r.filtered(func(i info, _ opts) bool { return strings.Count(i.Key.Name, "/") > 4 })
	}},
	{law: "cancel/list", did: "yields its error and then ends well, with what it has", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if err != nil && ctx.Err() != nil {
						yield(info{}, backend.Wrap("list", "ref", key{Shelf: shelf}, errors.New("canceled")))
						return
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "shelves/order", did: "forgets shelves with nested names alone", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for shelf, err := range r.Backend.Shelves(ctx, o) {
					nested := err == nil
					for i := range r.Backend.List(ctx, shelf, opts{Limit: 1}) {
						nested = strings.Contains(i.Key.Name, "/")
					}
					if nested && err == nil {
						continue
					}
					if !yield(shelf, err) {
						return
					}
				}
			}
		}
	}},
	{law: "shelves/order", did: "forgets shelves with empty values alone", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for shelf, err := range r.Backend.Shelves(ctx, o) {
					size := int64(0)
					for i := range r.Backend.List(ctx, shelf, opts{}) {
						size += i.Size
					}
					if size == 0 && err == nil {
						continue
					}
					if !yield(shelf, err) {
						return
					}
				}
			}
		}
	}},
	{law: "list/churn", did: "moves an entry that is overwritten to the end of a list", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				infos, err := all(r.Backend.List(ctx, shelf, o))
				if err != nil {
					yield(info{}, err)
					return
				}
				var again []info
				for _, i := range infos {
					if now, err := r.Backend.Stat(ctx, i.Key); err == nil && now.Version != i.Version {
						again = append(again, now)
						continue
					}
					if !yield(i, nil) {
						return
					}
				}
				for _, i := range again {
					if !yield(i, nil) {
						return
					}
				}
			}
		}
	}},
}
