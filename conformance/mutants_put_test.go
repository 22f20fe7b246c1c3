package conformance_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

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
