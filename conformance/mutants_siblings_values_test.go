package conformance_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"maps"
	"strings"

	"github.com/larder-store/larder/backend"
)

var versionSiblings = []mutant{
	{law: "info/version", did: "makes versions of size and second", breaks: func(r *ref) {
		r.named(func(i info) string { return fmt.Sprintf("%d-%d", i.Size, i.ModTime.Unix()) })
	}},
	{law: "info/equal", did: "marks versions of large values as weak in Stat", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if i.Size > 10_000 {
				i.Version = "W/" + i.Version
			}
			return i, err
		}
	}},
	{law: "info/equal", did: "lists the version before the present one", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range infos {
				infos[n].Version += "-old"
			}
			return infos
		})
	}},
	{law: "info/version-unique", did: "tells no version after a batch", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			for n := range infos {
				infos[n].Version = ""
			}
			return infos, err
		}
	}},
	{law: "info/version", did: "takes the bytes of a counter for a version", breaks: func(r *ref) {
		r.named(func(i info) string {
			var n int
			fmt.Sscan(i.Version, &n)
			return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		})
	}},
	{law: "info/equal", did: "has no version for empty values", breaks: func(r *ref) {
		r.named(func(i info) string {
			if i.Size == 0 {
				return ""
			}
			return i.Version
		})
	}},
}

var bodySiblings = []mutant{
	{law: "body/long", did: "does not look behind a body of whole pages", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err == nil && o.Size > 0 && o.Size%4096 == 0 && int64(len(text)) > o.Size {
				return r.honest(ctx, k, text[:o.Size], o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/types", did: "fills short large bodies up with zeros", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if missing := o.Size - int64(len(text)); err == nil && o.Size > 64<<10 && missing > 0 {
				return r.honest(ctx, k, text+strings.Repeat("\x00", int(missing)), o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/reader", did: "takes an empty read for the end", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			b.Seek(0, io.SeekStart)
			var text []byte
			for buf := make([]byte, 4096); ; {
				n, err := b.Read(buf)
				text = append(text, buf[:n]...)
				if n == 0 || err != nil {
					break
				}
			}
			if int64(len(text)) < o.Size && o.Size == 1000 {
				return info{}, backend.Wrap("put", "ref", k, io.ErrUnexpectedEOF)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/fails", did: "does not ask whether a body ends where it should, for an error", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Size < 0 || backend.CheckPut(k, o) != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			if _, err := b.Seek(0, io.SeekStart); err != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			text := make([]byte, o.Size)
			if _, err := io.ReadFull(b, text); err != nil {
				return r.Backend.Put(ctx, k, b, o)
			}
			if n, err := b.Read(make([]byte, 1)); n == 0 && err != nil && err != io.EOF {
				return r.honest(ctx, k, string(text), o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/long", did: "does not read the body of an empty value", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Size == 0 {
				b = strings.NewReader("")
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/fails", did: "does not look whether it could rewind", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := b.Seek(0, io.SeekStart); err != nil {
				text, _ := io.ReadAll(b)
				return r.honest(ctx, k, string(text), o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/unfinished", did: "tells the new Info while it still reads the body", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if backend.CheckPut(k, o) == nil {
				r.place.mu.Lock()
				r.place.infos[k] = info{Key: k, Size: o.Size, Digest: o.Digest, Sum: o.Sum, Meta: maps.Clone(o.Meta)}
				r.place.mu.Unlock()
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			delete(r.place.infos, k)
			r.place.mu.Unlock()
			return i, err
		}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if coming, ok := r.place.infos[k]; ok && err == nil {
				coming.Version, coming.ModTime = i.Version, i.ModTime
				return coming, nil
			}
			return i, err
		}
	}},
	{law: "put/bytes", did: "ends a body at its first zero byte, as strings of C do", breaks: func(r *ref) {
		r.gets(func(text string, i info) (io.Reader, info) {
			if len(text) < 1000 {
				text, _, _ = strings.Cut(text, "\x00")
			}
			return strings.NewReader(text), i
		})
	}},
	{law: "body/reader", did: "fails where a body gives its last bytes with io.EOF", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if _, err := b.Seek(0, io.SeekStart); err == nil && o.Size > 0 && o.Size < 100_000 {
				text := make([]byte, o.Size)
				for n := 0; n < len(text); {
					m, err := b.Read(text[n:])
					if n += m; err != nil && n == len(text) {
						return info{}, backend.Wrap("put", "ref", k, io.ErrUnexpectedEOF)
					}
					if err != nil {
						break
					}
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/rewound", did: "sends the rest of a body again when it is asked to try again", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if text, err := slurp(b); err == nil && o.Size == 80_000 && int64(len(text)) == o.Size && r.place.puts.Add(1)%3 == 0 {
				return r.honest(ctx, k, text[o.Size/2:]+text[o.Size/2:], o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
}

var metaSiblings = []mutant{
	{law: "put/meta", did: "drops metadata without a value", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) { maps.DeleteFunc(m, func(_, v string) bool { return v == "" }) })
	}},
	{law: "put/overwrite-info", did: "writes dashes for underscores in names of metadata", breaks: func(r *ref) {
		r.tells = func(i info) info {
			m := backend.Meta{}
			for name, v := range i.Meta {
				m[strings.ReplaceAll(name, "_", "-")] = v
			}
			i.Meta = m
			return i
		}
	}},
	{law: "put/meta", did: "makes one blank of two", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for name, v := range m {
				m[name] = strings.ReplaceAll(v, "  ", " ")
			}
		})
	}},
	{law: "info/equal", did: "has no room for the metadata of large values", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, size int64) {
			if size > 64<<10 {
				clear(m)
			}
		})
	}},
	{law: "put/meta", did: "cuts metadata at 1,024 bytes", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for name, v := range m {
				m[name] = strings.TrimSpace(v[:min(len(v), 1024)])
			}
		})
	}},
	{law: "put/overwrite-info", did: "writes nothing where the bytes are there already", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && i.Digest == o.Digest && !o.IfAbsent && o.IfMatch == "" && o.Size == i.Size {
				return i, nil
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "list/info", did: "lists the metadata of its neighbour", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range len(infos) - 1 {
				infos[n].Meta = infos[n+1].Meta
			}
			return infos
		})
	}},
	{law: "put/meta", did: "escapes metadata for a web page", breaks: func(r *ref) {
		r.tells = func(i info) info {
			for name, v := range i.Meta {
				i.Meta[name] = html.EscapeString(v)
			}
			return i
		}
	}},
	{law: "put/overwrite-info", did: "keeps metadata of a key when it is overwritten with none", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if i, err := r.Backend.Stat(ctx, k); err == nil && len(o.Meta) == 0 {
				o.Meta = i.Meta
			}
			return text
		})
	}},
	{law: "put/meta", did: "takes a percent sign in metadata for a code", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for name, v := range m {
				m[name] = strings.ReplaceAll(v, "%41", "A")
			}
		})
	}},
}
