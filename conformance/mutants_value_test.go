package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// slurp reads a body as one should.
func slurp(b body) (string, error) {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(b)
	return string(text), err
}

// honest stores text in place of what was given.
func (r *ref) honest(ctx context.Context, k key, text string, o put) (info, error) {
	o.Size = int64(len(text))
	return r.Backend.Put(ctx, k, strings.NewReader(text), o)
}

// load reads the value of k.
func (r *ref) load(ctx context.Context, k key) (string, info, error) {
	b, i, err := r.Backend.Get(ctx, k)
	if err != nil {
		return "", i, err
	}
	text, err := io.ReadAll(b)
	return string(text), i, err
}

// hooked is a body of a Get with another Read or Close.
type hooked struct {
	io.Reader
	close func() error
}

func (h hooked) Close() error {
	if h.close != nil {
		return h.close()
	}
	return nil
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

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
	{law: "handle/limits", did: "learns what it promises from its first Put", breaks: func(r *ref) {
		r.doLimits = func() backend.Limits {
			l := r.Backend.Limits()
			for range r.twin().Shelves(context.Background()) {
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

var putMutants = []mutant{
	{law: "put/roundtrip", did: "returns from Put before the value can be seen", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			time.AfterFunc(20*time.Millisecond, func() { r.honest(ctx, k, text, o) })
			return info{Key: k, Size: o.Size, Digest: o.Digest, Sum: o.Sum, Version: "1"}, nil
		}
	}},
	{law: "put/empty", did: "takes an empty value for none", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil && o.Size == 0 {
				err = r.Backend.Delete(ctx, k)
			}
			return i, err
		}
	}},
	{law: "put/bytes", did: "takes values for text and mends their line ends", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			return r.honest(ctx, k, strings.ReplaceAll(text, "\r\n", "\n"), o)
		}
	}},
	{law: "put/sizes", did: "loses the last byte of whole pages", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err == nil && i.Size > 0 && i.Size%4096 == 0 {
				b = io.NopCloser(io.LimitReader(b, i.Size-1))
			}
			return b, i, err
		}
	}},
	{law: "put/large", did: "keeps 16 MiB of a value", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err == nil {
				b = io.NopCloser(io.LimitReader(b, 16<<20))
			}
			return b, i, err
		}
	}},
	{law: "put/max-value", did: "stores what it says is too large", breaks: func(r *ref) {
		r.doLimits = func() backend.Limits {
			l := r.Backend.Limits()
			l.MaxValue = 1 << 20
			return l
		}
	}},
	{law: "put/overwrite", did: "overwrites in place and leaves the tail", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			if old, _, err := r.load(ctx, k); err == nil && len(old) > len(text) {
				text += old[len(text):]
			}
			return r.honest(ctx, k, text, o)
		}
	}},
	{law: "put/overwrite-info", did: "adds new metadata to the old", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if old, err := r.Backend.Stat(ctx, k); err == nil && old.Meta != nil {
				maps.Copy(old.Meta, o.Meta)
				o.Meta = old.Meta
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/options", did: "passes over IfAbsent where there is an IfMatch", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			o.IfAbsent = o.IfAbsent && o.IfMatch == ""
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/meta", did: "folds metadata as headers are", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			o.Meta = maps.Clone(o.Meta)
			for name, v := range o.Meta {
				o.Meta[name] = strings.ToLower(v)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/bad-meta", did: "leaves out metadata that it cannot keep", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Meta.Validate() != nil {
				o.Meta = nil
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/meta-copied", did: "keeps the caller's map", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.infos[k] = info{Meta: o.Meta}
			return i, err
		}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			i.Meta = r.place.infos[k].Meta
			return i, err
		}
	}},
	{law: "put/meta-copied", did: "gives its own map away", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if own, ok := r.place.infos[k]; ok {
				return own, err
			}
			r.place.infos[k] = i
			return i, err
		}
	}},
}

var bodyMutants = []mutant{
	{law: "body/rewound", did: "reads the body from where it stands", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := io.ReadAll(b)
			if err != nil {
				return info{}, err
			}
			return r.honest(ctx, k, string(text), o)
		}
	}},
	{law: "body/short", did: "stores what it got of a body that ended early", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil || int64(len(text)) >= o.Size {
				return r.Backend.Put(ctx, k, b, o)
			}
			return r.honest(ctx, k, text, o)
		}
	}},
	{law: "body/short", did: "removes the old value before it reads the new one", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.Backend.Delete(ctx, k)
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/long", did: "stores the first Size bytes of a longer body", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil || int64(len(text)) <= o.Size {
				return r.Backend.Put(ctx, k, b, o)
			}
			return r.honest(ctx, k, text[:o.Size], o)
		}
	}},
	{law: "body/fails", did: "stores what was written when its writer is closed on an error path", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err == nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			r.honest(ctx, k, text, o)
			return info{}, backend.Wrap("put", "ref", k, err)
		}
	}},
	{law: "body/reader", did: "reads a body with one Read", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			b.Seek(0, io.SeekStart)
			text := make([]byte, o.Size)
			n, _ := b.Read(text)
			return r.honest(ctx, k, string(text[:n]), o)
		}
	}},
	{law: "body/left-open", did: "closes the body", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if c, ok := b.(io.Closer); ok {
				defer c.Close()
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/left-open", did: "rewinds the body in the background", breaks: func(r *ref) {
		var late sync.WaitGroup
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			late.Go(func() {
				time.Sleep(5 * moment)
				b.Seek(0, io.SeekStart)
			})
			return i, err
		}
		r.doClose = func() error { late.Wait(); return r.Backend.Close() }
	}},
	{law: "body/memory", did: "keeps the caller's memory", breaks: func(r *ref) {
		kept := map[key][]byte{}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if w, ok := b.(*bytes.Reader); ok {
				b.Seek(0, io.SeekStart)
				w.WriteTo(keeper{func(p []byte) { kept[k] = p }})
			}
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if p, ok := kept[k]; ok {
				b = io.NopCloser(bytes.NewReader(p))
			}
			return b, i, err
		}
	}},
	{law: "body/unfinished", did: "makes the entry first and fills it then", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				r.honest(ctx, k, "", o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/unfinished", did: "lists its temporary files", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			temp := key{Shelf: k.Shelf, Name: k.Name + ".tmp"}
			r.honest(ctx, temp, "", put{})
			defer r.Backend.Delete(ctx, temp)
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/other-keys", did: "reads bodies under its lock", hangs: true, breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.lock.Lock()
			defer r.place.lock.Unlock()
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
}

// keeper is a writer that does what writers must not: it keeps what it is given.
type keeper struct{ keep func([]byte) }

func (k keeper) Write(p []byte) (int, error) {
	k.keep(p)
	return len(p), nil
}

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
