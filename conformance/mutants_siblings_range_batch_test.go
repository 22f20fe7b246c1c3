package conformance_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

var rangeSiblings = []mutant{
	{law: "range/parts", did: "reads to the end where nothing is asked for", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if n == 0 {
				n = -1
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/parts", did: "overflows where a range ends beyond all numbers", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if off+n < 0 && n > 0 {
				n = 0
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/parts", did: "tells the size of the range", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err == nil && n >= 0 {
				i.Size = min(n, max(0, i.Size-off))
			}
			return b, i, err
		}
	}},
	{law: "range/parts", did: "returns all where a range begins at the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && off == i.Size {
				off = 0
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/version", did: "looks at the version of ranges that begin in the midst only", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if off == 0 {
				version = ""
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "range/body", did: "reads a range on in what is there now", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil || n < 0 {
				return b, i, err
			}
			b.Close()
			at, end := off, off+min(n, i.Size)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				part, _, err := r.Backend.GetRange(ctx, k, "", at, min(int64(len(p)), end-at))
				if err != nil {
					return 0, err
				}
				m, err := part.Read(p)
				at += int64(m)
				return m, err
			})}, i, nil
		}
	}},
	{law: "range/body", did: "ends a range early when its context ends", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if ctx.Err() != nil {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, err
		}
	}},
	{law: "range/body", did: "gives a connection back at the end of a range only", hangs: true, breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			select {
			case r.place.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, info{}, backend.Wrap("get range", "ref", k, ctx.Err())
			}
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			free := sync.OnceFunc(func() { <-r.place.slots })
			if err != nil {
				free()
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				m, err := b.Read(p)
				if err == io.EOF {
					free()
				}
				return m, err
			})}, i, err
		}
	}},
	{law: "range/body", did: "gives its own memory away in ranges", breaks: func(r *ref) {
		kept := map[string][]byte{}
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil {
				return b, i, err
			}
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if kept[i.Version] == nil {
				text, _, _ := r.load(ctx, k)
				kept[i.Version] = []byte(text)
			}
			part := kept[i.Version][min(off, i.Size):]
			if n >= 0 {
				part = part[:min(n, int64(len(part)))]
			}
			return backend.NewBody(part), i, nil
		}
	}},
}

var batchSiblings = []mutant{
	{law: "batch/put", did: "leaves empty items of a batch out", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if it.Size == 0 {
				return info{Key: it.Key, Version: "0", Digest: it.Digest, Sum: it.Sum}, nil
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "batch/put-fails", did: "tells Infos of items that failed", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			i, err := r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			if err != nil {
				i = info{Key: it.Key, Size: it.Size}
			}
			return i, err
		})
	}},
	{law: "batch/put-if", did: "decides all conditions of a batch by what was there before it", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			before := map[key]info{}
			for _, it := range items {
				before[it.Key], _ = r.Backend.Stat(ctx, it.Key)
			}
			for n, it := range items {
				if it.IfAbsent && before[it.Key].Version == "" {
					it.IfAbsent = false
				}
				infos[n], errs[n] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "batch/put", did: "drops the metadata of items", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if it.Meta.Validate() == nil {
				it.Meta = nil
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "batch/put", did: "takes items of one name on two shelves for one", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			last := map[string]int{}
			for n, it := range items {
				last[it.Key.Name] = n
			}
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			for n, it := range items {
				it.Key.Shelf = items[last[it.Key.Name]].Key.Shelf
				if infos[n], errs[n] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions); errs[n] == nil {
					infos[n].Key = items[n].Key
				}
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "batch/put", did: "stores the second half of a batch a moment later", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			half := (len(items) + 1) / 2
			infos, err := r.Backend.PutBatch(ctx, items[:half])
			for _, it := range items[half:] {
				text, rerr := slurp(it.Body)
				if rerr != nil || backend.CheckPut(it.Key, it.PutOptions) != nil {
					return r.Backend.PutBatch(ctx, items)
				}
				i, _ := r.honest(ctx, key{Shelf: "later", Name: "a"}, text, it.PutOptions)
				i.Key = it.Key
				infos = append(infos, i)
				it.Meta = maps.Clone(it.Meta) // the caller may change it
				time.AfterFunc(5*moment, func() { r.honest(context.WithoutCancel(ctx), it.Key, text, it.PutOptions) })
			}
			return infos, err
		}
	}},
	{law: "batch/delete-exact", did: "deletes all that begins with a key of a batch", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			for _, k := range keys {
				if k.Validate() != nil {
					continue
				}
				for i := range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name}) {
					r.Backend.Delete(ctx, i.Key)
				}
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "batch/delete-exact", did: "deletes names of a batch on every shelf of it", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			for _, a := range keys {
				for _, b := range keys {
					if len(keys) < 40 && a.Validate() == nil && b.Validate() == nil {
						r.Backend.Delete(ctx, key{Shelf: a.Shelf, Name: b.Name})
					}
				}
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "list/borders", did: "loses the last item where there are exactly 1,000", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			if len(keys) == 1000 {
				keys = keys[:999]
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "batch/put-bodies", did: "closes the bodies of a batch", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if c, ok := it.Body.(io.Closer); ok {
				defer c.Close()
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "batch/put-bodies", did: "keeps the memory behind the bodies of a batch", breaks: func(r *ref) {
		kept := map[key][]byte{}
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if w, ok := it.Body.(*bytes.Reader); ok {
				it.Body.Seek(0, io.SeekStart)
				w.WriteTo(keeper{func(p []byte) { kept[it.Key] = p }})
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if p, ok := kept[k]; ok {
				b = io.NopCloser(bytes.NewReader(p))
			}
			return b, i, err
		}
	}},
	{law: "batch/put-bodies", did: "reads the bodies of a batch under its lock", hangs: true, breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			r.place.lock.Lock()
			defer r.place.lock.Unlock()
			return r.Backend.PutBatch(ctx, items)
		}
		r.inOrder(func(context.Context, key) error { r.place.lock.RLock(); return nil }, func(key) error { r.place.lock.RUnlock(); return nil })
	}},
}
