package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

var getMutants = []mutant{
	{law: "get/absent", did: "takes a directory for an empty value", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, backend.ErrNotFound) {
				for range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name + "/", Limit: 1}) {
					return io.NopCloser(strings.NewReader("")), info{Key: k}, nil
				}
			}
			return b, i, err
		}
	}},
	{law: "get/reader", did: "loses what does not fit into a small read", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				chunk := make([]byte, 512)
				n, err := b.Read(chunk)
				return copy(p, chunk[:n]), err
			})}, i, err
		}
	}},
	{law: "get/closed-early", did: "gives a connection back only at the end of a body", hangs: true, breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			select {
			case r.place.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, info{}, backend.Wrap("get", "ref", k, ctx.Err())
			}
			b, i, err := r.Backend.Get(ctx, k)
			free := func() { <-r.place.slots }
			if err != nil {
				free()
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				n, err := b.Read(p)
				if err == io.EOF && free != nil {
					free()
					free = nil
				}
				return n, err
			})}, i, err
		}
	}},
	{law: "get/close-twice", did: "gives a buffer back to its pool at each Close", breaks: func(r *ref) {
		var pool [][]byte
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			var buf []byte
			if n := len(pool); n > 0 {
				buf, pool = pool[n-1], pool[:n-1]
			}
			buf = append(buf[:0], text...)
			return hooked{bytes.NewReader(buf), func() error { pool = append(pool, buf); return nil }}, i, nil
		}
	}},
	{law: "get/many-open", did: "has one connection for bodies", breaks: func(r *ref) {
		var busy atomic.Bool
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if !busy.CompareAndSwap(false, true) {
				return nil, info{}, &backend.Error{Op: "get", Backend: "ref", Key: k, Err: errors.New("conn busy")}
			}
			b, i, err := r.Backend.Get(ctx, k)
			if err != nil {
				busy.Store(false)
			}
			return hooked{b, func() error { busy.Store(false); return nil }}, i, err
		}
	}},
	{law: "get/owned", did: "gives its own memory away", breaks: func(r *ref) {
		kept := map[string]*[]byte{}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			if kept[i.Version] == nil {
				b := []byte(text)
				kept[i.Version] = &b
			}
			return backend.NewBody(*kept[i.Version]), i, nil
		}
	}},
	{law: "get/snapshot-overwrite", did: "reads on in whatever is there now", breaks: lazyBodies},
	{law: "get/snapshot-delete", did: "ends a body early when its key is deleted", breaks: lazyBodies},
}

// lazyBodies reads each part of a body when it is asked for.
func lazyBodies(r *ref) {
	r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
		i, err := r.Backend.Stat(ctx, k)
		off := int64(0)
		return hooked{Reader: readFunc(func(p []byte) (int, error) {
			part, _, err := r.Backend.GetRange(ctx, k, "", off, int64(len(p)))
			if errors.Is(err, backend.ErrNotFound) {
				return 0, io.EOF
			}
			if err != nil {
				return 0, err
			}
			n, err := part.Read(p)
			off += int64(n)
			return n, err
		})}, i, err
	}
}

var infoMutants = []mutant{
	{law: "info/overwrite", did: "remembers what it said, as long as the size stays", breaks: func(r *ref) {
		said := map[key]info{}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old, ok := said[k]; ok && err == nil && old.Size == i.Size {
				return old, nil
			}
			said[k] = i
			return i, err
		}
	}},
	{law: "info/equal", did: "leaves metadata out of Stat", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			i.Meta = nil
			return i, err
		}
	}},
	{law: "info/equal", did: "returns another digest", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			i.Digest[31]++
			return i, err
		}
	}},
	{law: "info/version", did: "makes versions from times in milliseconds", breaks: func(r *ref) {
		r.tells = func(i info) info {
			i.Version = fmt.Sprint(i.ModTime.UnixMilli())
			return i
		}
	}},
	{law: "info/modtime", did: "lists times of another zone", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					i.ModTime = i.ModTime.Add(2 * time.Hour)
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "info/modtime-clock", did: "tells naive local times", breaks: func(r *ref) {
		r.tells = func(i info) info {
			i.ModTime = i.ModTime.Add(time.Hour)
			return i
		}
	}},
	{law: "info/modtime-overwrite", did: "tells when a key was first used", breaks: func(r *ref) {
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if first, ok := r.place.infos[i.Key]; ok {
				i.ModTime = first.ModTime
			} else {
				r.place.infos[i.Key] = i
			}
			return i
		}
	}},
}
