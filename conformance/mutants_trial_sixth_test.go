package conformance_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/conformance/law"
)

// A sixth trial, of 202 backends broken in as many ways, written before anybody looked at the laws. These are
// those that lived, and two that were caught by luck; the laws for them were made or sharpened after.
var sixthTrial = []mutant{
	{law: "if-absent/seen", did: "puts without IfAbsent what it found absent before", breaks: func(r *ref) {
		var absent sync.Map
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			absent.Store(k, errors.Is(err, backend.ErrNotFound))
			return i, err
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if known, _ := absent.Swap(k, false); known == true {
				o.IfAbsent = false
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-absent/waits", did: "reserves the key for an IfAbsent that is still reading its body", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if !o.IfAbsent {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.place.mu.Lock()
			taken := r.place.marked[k]
			r.place.marked[k] = true
			r.place.mu.Unlock()
			if taken {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			defer func() {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				delete(r.place.marked, k)
			}()
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/meta", did: "keeps the first of the values of metadata that commas separate", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for k, v := range m {
				m[k], _, _ = strings.Cut(v, ", ")
			}
		})
	}},
	{law: "info/modtime-overwrite", did: "lists with every entry the time when its shelf last changed", tier: law.Full, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				var last time.Time
				for i := range r.Backend.List(ctx, shelf, opts{}) {
					if i.ModTime.After(last) {
						last = i.ModTime
					}
				}
				for i, err := range r.Backend.List(ctx, shelf, o) {
					i.ModTime = last
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "list/info", did: "lists the packed sizes of values", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if text, _, gone := r.load(ctx, i.Key); err == nil && gone == nil {
						var packed bytes.Buffer
						z, _ := flate.NewWriter(&packed, flate.BestSpeed)
						io.WriteString(z, text)
						z.Close()
						i.Size = min(i.Size, int64(packed.Len()))
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "key/shelves", did: "joins shelf and name by a dot", breaks: func(r *ref) {
		r.understands = func(k key) key {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			first, taken := r.place.infos[key{Name: k.Shelf + "." + k.Name}]
			if !taken {
				first.Key = k
				r.place.infos[key{Name: k.Shelf + "." + k.Name}] = first
			}
			return first.Key
		}
	}},
	{law: "shelves/order", did: "hides the shelves that begin as Larder's own do", breaks: func(r *ref) {
		r.doShelves = r.reshelved(func(shelves []string, o opts) []string {
			shelves = slices.DeleteFunc(shelves, func(s string) bool {
				return strings.HasPrefix(s, backend.OwnShelves) || !strings.HasPrefix(s, o.Prefix) || s <= o.After
			})
			if o.Limit > 0 {
				shelves = shelves[:min(o.Limit, len(shelves))]
			}
			return shelves
		})
	}},
	{law: "range/version", did: "asks nobody about the version of a range of no bytes", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if n == 0 {
				version = ""
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/body", did: "gives away parts of a value that it caches", breaks: func(r *ref) {
		var cache sync.Map
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			body, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil || n < 0 || off >= i.Size {
				return body, i, err
			}
			text, now, err := r.load(ctx, k)
			if err != nil || now.Version != i.Version {
				return body, i, nil
			}
			kept, _ := cache.LoadOrStore(k.String()+i.Version, []byte(text))
			return backend.NewBody(kept.([]byte)[off:min(off+n, i.Size)]), i, nil
		}
	}},
	{law: "range/told", did: "reads small ranges from a cache of values, which its own Puts and Deletes alone clear", breaks: func(r *ref) {
		var cache sync.Map
		type value struct {
			text string
			info info
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			defer cache.Delete(k)
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doDelete = func(ctx context.Context, k key) error {
			defer cache.Delete(k)
			return r.Backend.Delete(ctx, k)
		}
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if kept, ok := cache.Load(k); ok {
				text, i, err = kept.(value).text, kept.(value).info, nil
			}
			if err != nil || version != "" || off < 0 || n < 0 || n > 4096 {
				return r.Backend.GetRange(ctx, k, version, off, n)
			}
			cache.Store(k, value{text, i})
			off = min(off, i.Size)
			return backend.NewBody([]byte(text[off:min(off+n, i.Size)])), i, nil
		}
	}},
	{law: "batch/put-order", did: "tells for all items of a batch under one key the version of the last", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			last := map[key]string{}
			for _, i := range infos {
				last[i.Key] = i.Version
			}
			for n := range infos {
				infos[n].Version = last[infos[n].Key]
			}
			return infos, err
		}
	}},
	{law: "batch/put-bodies", did: "reads the bodies of a batch again after it returned", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			go func() {
				for _, it := range items {
					if _, ok := it.Body.(io.Closer); ok { // the others are nobody's to look at: that would be a race
						it.Body.Seek(0, io.SeekCurrent)
					}
				}
			}()
			return infos, err
		}
	}},
	{law: "batch/put-many", did: "counts the failures of each 100 items of a batch from 0", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			var errs backend.BatchError
			if !errors.As(err, &errs) {
				return infos, err
			}
			moved := make(backend.BatchError, len(errs))
			for i, err := range errs {
				if err != nil {
					moved[i%100] = err
				}
			}
			return infos, moved
		}
	}},
	{law: "cancel/batch", did: "leaves a batch where its context ends, and reports no failure of what is left", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			for i, it := range items {
				if i > 0 && ctx.Err() != nil {
					break
				}
				infos[i], errs[i] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "delete/again", did: "leaves metadata behind, which the next Put without any inherits", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if i, err := r.Backend.Stat(ctx, k); err == nil {
				r.place.mu.Lock()
				r.place.infos[k] = i
				r.place.mu.Unlock()
			}
			return r.Backend.Delete(ctx, k)
		}
		r.puts(func(_ context.Context, k key, text string, o *put) string {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if len(o.Meta) == 0 {
				o.Meta = r.place.infos[k].Meta
			}
			return text
		})
	}},
	{law: "delete-match/seen", did: "compares in DeleteMatch with the version that the handle saw last", breaks: func(r *ref) {
		var last sync.Map
		r.tells = func(i info) info {
			last.Store(i.Key, i.Version)
			return i
		}
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			seen = slices.Clone(seen)
			for n, s := range seen {
				now, err := r.Backend.Stat(ctx, s.Key)
				if version, ok := last.Load(s.Key); ok && err == nil && version == s.Version {
					seen[n].Version = now.Version
				}
			}
			return r.Backend.DeleteMatch(ctx, seen)
		}
	}},
	{law: "delete-match/seen", did: "removes what has one of the versions, under whatever key", breaks: func(r *ref) {
		r.named(func(i info) string { return fmt.Sprintf("%x", i.Digest) })
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			errs := make(backend.BatchError, len(seen))
			for n, s := range seen {
				now, err := r.Stat(ctx, s.Key)
				if errors.Is(err, backend.ErrNotFound) || err == nil && now.Version != s.Version {
					err = backend.Wrap("delete", "ref", s.Key, backend.ErrChanged)
				}
				if errs[n] = err; err != nil {
					continue
				}
				for i := range r.List(ctx, s.Key.Shelf, opts{}) {
					if i.Version == s.Version {
						r.Backend.Delete(ctx, i.Key)
					}
				}
			}
			return errs.OrNil()
		}
	}},
	{law: "sweep/spares", did: "sweeps what is called like a temporary file", breaks: func(r *ref) {
		r.swept(func(i info) bool { return strings.HasSuffix(i.Key.Name, ".tmp") })
	}},
	{law: "sweep/spares", did: "stamps all values anew when it compacts", tier: law.Full, breaks: func(r *ref) {
		r.doSweep = func(_ context.Context, o sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if o.Compact && !o.DryRun {
				r.place.infos[key{}] = info{ModTime: time.Now()}
			}
			return found{}, nil
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if at := r.place.infos[key{}].ModTime; i.ModTime.Before(at) {
				i.ModTime = at
			}
			return i
		}
	}},
	{law: "sweep/unfinished", did: "takes the data of a Put under way for an orphan, where Grace is short", breaks: func(r *ref) {
		r.doSweep = func(_ context.Context, o sweep) (found, error) {
			if 0 < o.Grace && o.Grace < time.Second {
				r.place.puts.Add(1)
			}
			return found{}, nil
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			before := r.place.puts.Load()
			i, err := r.Backend.Put(ctx, k, b, o)
			if before != r.place.puts.Load() {
				r.Backend.Delete(ctx, k)
			}
			return i, err
		}
	}},
	{law: "sweep/keeps", did: "sweeps what is still read, and was overwritten, which then ends", breaks: func(r *ref) {
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.puts.Add(1)
			return found{}, nil
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			body, i, err := r.Backend.Get(ctx, k)
			if err != nil {
				return nil, i, err
			}
			swept := r.place.puts.Load()
			return hooked{readFunc(func(p []byte) (int, error) {
				now, err := r.Backend.Stat(ctx, k)
				if r.place.puts.Load() != swept && (err != nil || now.Version != i.Version) {
					return 0, io.EOF
				}
				return body.Read(p)
			}), body.Close}, i, nil
		}
	}},
	{law: "lease/context", did: "renews a lease in spite of a context that has ended", breaks: func(r *ref) {
		r.leased(func(l *lease) {
			l.renew = func(ctx context.Context) error { return l.Lease.Renew(context.WithoutCancel(ctx)) }
		})
	}},
	{law: "find/queries", did: "forgets After where the query names the beginning of keys", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			if _, ok := q.Where.Fixed(component.FieldKey, component.HasPrefix); ok {
				q.After = ""
			}
			return q
		})
	}},
	{law: "find/queries", did: "orders texts as a collation does that knows no case", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			v, _ := component.Lookup(d.Parameters, c.Path)
			text, ok := v.(string)
			bound, comparable := c.Value.(string)
			if c.Field != component.FieldParam || c.Op != component.Less || !ok || !comparable {
				return c.Match(d, nil)
			}
			return strings.ToLower(text) < strings.ToLower(bound)
		})
	}},
	{law: "find/queries", did: "takes bytes for text", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			v, _ := component.Lookup(d.Parameters, c.Path)
			if raw, ok := v.([]byte); ok && c.Field == component.FieldParam && c.Op == component.Equal {
				return c.Match(d, nil) || c.Value == string(raw)
			}
			return c.Match(d, nil)
		})
	}},
	{law: "find/queries", did: "finds no parameter whose name holds a dot", breaks: func(r *ref) {
		r.foundBy(func(c component.Condition, d component.Description) bool {
			params, _ := d.Parameters.(map[any]any)
			for name := range params {
				if name, ok := name.(string); ok && strings.Contains(name, ".") && strings.HasPrefix(c.Path, name) {
					return false
				}
			}
			return c.Match(d, nil)
		})
	}},
	{law: "handle/closed", did: "yields nothing after Close from a list that was made before", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			_, before := r.Backend.Stat(ctx, key{Shelf: "s", Name: "a"})
			return func(yield func(info, error) bool) {
				_, now := r.Backend.Stat(ctx, key{Shelf: "s", Name: "a"})
				if errors.Is(now, backend.ErrClosed) && !errors.Is(before, backend.ErrClosed) {
					return
				}
				r.Backend.List(ctx, shelf, o)(yield)
			}
		}
	}},
	{law: "handle/closed", did: "still knows after Close what is absent", breaks: func(r *ref) {
		var absent sync.Map
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if known, _ := absent.Load(k); known == true && errors.Is(err, backend.ErrClosed) {
				err = backend.Wrap("stat", "ref", k, backend.ErrNotFound)
			}
			absent.Store(k, errors.Is(err, backend.ErrNotFound))
			return i, err
		}
	}},
	{law: "stage/places", did: "measures a draft by the blocks of it that are written out", breaks: func(r *ref) {
		r.staged(func(d *refDraft) backend.Draft { return draftInBlocks{d} })
	}},
	{law: "scan/whole", did: "scans what was removed meanwhile with an empty body", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				infos, err := all(r.Backend.List(ctx, shelf, o))
				for _, i := range infos {
					text, now, gone := r.load(ctx, i.Key)
					if gone == nil {
						i = now
					}
					if !yield(backend.Entry{Info: i, Body: strings.NewReader(text)}, nil) {
						return
					}
				}
				if err != nil {
					yield(backend.Entry{}, err)
				}
			}
		}
	}},
	{law: "storm/own-keys", did: "reads the Info of all Stats into one variable of the handle", breaks: func(r *ref) {
		var mu sync.Mutex
		var last info
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if err != nil {
				return i, err
			}
			mu.Lock()
			last = i
			mu.Unlock()
			time.Sleep(10 * time.Microsecond)
			mu.Lock()
			defer mu.Unlock()
			return last, nil
		}
	}},
}

// draftInBlocks ends where its last whole block does.
type draftInBlocks struct{ *refDraft }

func (d draftInBlocks) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		off, whence = off+int64(len(d.text))/4096*4096, io.SeekStart
	}
	return d.refDraft.Seek(off, whence)
}
