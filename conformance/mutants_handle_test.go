package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// lasts lets the reference promise what it keeps as long as the process lives.
func lasts(r *ref) {
	r.doLimits = func() backend.Limits {
		l := r.Backend.Limits()
		l.Lasting = true
		return l
	}
}

// renewals distinguishes one opening from every other.
var renewals atomic.Int64

var handleMutants = []mutant{
	{law: "handle/shared", did: "answers from a cache of its own", breaks: func(r *ref) {
		cache := map[key]string{}
		infos := map[key]info{}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if text, ok := cache[k]; ok {
				return io.NopCloser(strings.NewReader(text)), infos[k], nil
			}
			text, i, err := r.load(ctx, k)
			if err == nil {
				cache[k], infos[k] = text, i
			}
			return io.NopCloser(strings.NewReader(text)), i, err
		}
	}},
	{law: "handle/reopen", did: "loses what it had not flushed when it is closed", breaks: func(r *ref) {
		var last key
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			last = k
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doClose = func() error {
			r.Backend.Delete(context.Background(), last)
			return r.Backend.Close()
		}
	}},
	{law: "handle/last-close", did: "loses everything when its last handle is closed", breaks: func(r *ref) {
		lasts(r)
		r.doClose = func() error {
			ctx := context.Background()
			r.place.mu.Lock()
			r.place.handles = slices.DeleteFunc(r.place.handles, func(h *ref) bool { return h == r })
			last := len(r.place.handles) == 0
			r.place.mu.Unlock()
			for shelf := range r.twin().Shelves(ctx, opts{}) {
				for i := range r.twin().List(ctx, shelf, opts{}) {
					if last {
						r.twin().Delete(ctx, i.Key)
					}
				}
			}
			return r.Backend.Close()
		}
	}},
	{law: "handle/last-close", did: "gives all values new versions when it is opened", breaks: func(r *ref) {
		lasts(r)
		n := renewals.Add(1)
		r.tells = func(i info) info {
			if i.Version != "" {
				i.Version = fmt.Sprint(i.Version, "-", n)
			}
			return i
		}
	}},
	{law: "handle/limits", did: "learns what it promises from its first Put", breaks: func(r *ref) {
		r.doLimits = func() backend.Limits {
			l := r.Backend.Limits()
			for range r.twin().Shelves(context.Background(), opts{}) {
				l.MaxValue = 1 << 30
			}
			return l
		}
	}},
	{law: "handle/close-twice", did: "fails when it is closed again", breaks: func(r *ref) {
		done := false
		r.doClose = func() error {
			if done {
				return errors.New("close of a closed file")
			}
			done = true
			return r.Backend.Close()
		}
	}},
	{law: "handle/closed", did: "still answers Stat when it is closed", breaks: func(r *ref) {
		twin := r.twin()
		r.doStat = twin.Stat
	}},
	{law: "handle/close-others", did: "closes what all handles share", breaks: func(r *ref) {
		r.doClose = func() error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for _, h := range r.place.handles {
				h.Backend.Close()
			}
			return nil
		}
	}},
	{law: "handle/close-busy", did: "acknowledges what comes while it is closed", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrClosed) {
				err = nil
			}
			return i, err
		}
	}},
	{law: "handle/close-list", did: "ends a list at its last page when it is closed", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if errors.Is(err, backend.ErrClosed) || !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "handle/close-body", did: "gives no more of a body when it is closed, and no error", breaks: func(r *ref) {
		var shut atomic.Bool
		r.doClose = func() error { shut.Store(true); return r.Backend.Close() }
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if shut.Load() {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, err
		}
	}},
	{law: "error/typed", did: "returns a bare sentinel", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if errors.Is(err, backend.ErrNotFound) {
				err = backend.ErrNotFound
			}
			return i, err
		}
	}},
	{law: "error/typed", did: "wraps errors at two borders", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if err != nil {
				err = &backend.Error{Op: "stat", Backend: "ref", Key: k, Err: err}
			}
			return i, err
		}
	}},
	{law: "url/unknown-parameter", did: "passes over parameters that it does not know",
		open: func(ctx context.Context, loc string) (backend.Backend, error) {
			loc, _, _ = strings.Cut(loc, "?")
			return backend.Open(ctx, loc)
		}},
	{law: "url/credentials", did: "quotes its URL in errors",
		open: func(ctx context.Context, loc string) (backend.Backend, error) {
			b, err := backend.Open(ctx, loc)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", loc, err)
			}
			return b, nil
		}},
}

var keyMutants = []mutant{
	{law: "key/longest", did: "cuts names to what a file name may have", breaks: func(r *ref) {
		r.understands = func(k key) key {
			k.Name = k.Name[:min(len(k.Name), 255)]
			k.Name = strings.TrimRight(k.Name, "./")
			return k
		}
	}},
	{law: "key/refused", did: "folds keys to lower case", breaks: func(r *ref) {
		r.understands = func(k key) key {
			k.Name = strings.ToLower(k.Name)
			return k
		}
	}},
	{law: "key/nested", did: "cannot hold a file beside a directory of its name", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			for dir := k.Name; strings.Contains(dir, "/"); {
				dir = dir[:strings.LastIndex(dir, "/")]
				if _, err := r.Backend.Stat(ctx, key{Shelf: k.Shelf, Name: dir}); err == nil {
					return info{}, &backend.Error{Op: "put", Backend: "ref", Key: k, Err: errors.New("not a directory")}
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "key/neighbours", did: "hides names that look like its own side files", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if strings.HasSuffix(i.Key.Name, ".attrs") {
						continue
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "key/hashes", did: "names files by a short checksum of the key", breaks: func(r *ref) {
		r.understands = func(k key) key {
			if len(k.Name) > 64 {
				sum := 0
				for _, c := range []byte(k.Name) {
					sum += int(c)
				}
				k.Name = fmt.Sprintf("%d", sum%500)
			}
			return k
		}
	}},
	{law: "key/shelves", did: "writes dots and dashes of a shelf alike", breaks: func(r *ref) {
		r.understands = func(k key) key {
			k.Shelf = strings.ReplaceAll(k.Shelf, ".", "-")
			return k
		}
	}},
}
