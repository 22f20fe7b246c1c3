package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// These mutants were written before anybody looked whether a law catches them, after what stores and
// engines were reported to do. The law is the one that does, or was made for them.

// puts replaces Put by one that changes options or body first.
func (r *ref) puts(change func(ctx context.Context, k key, text string, o *put) string) {
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		text, err := slurp(b)
		if err != nil || int64(len(text)) != o.Size || backend.CheckPut(k, o) != nil {
			return r.Backend.Put(ctx, k, b, o)
		}
		return r.honest(ctx, k, change(ctx, k, text, &o), o)
	}
}

// metas changes the Meta of what is stored.
func (r *ref) metas(change func(m backend.Meta, size int64)) {
	r.puts(func(_ context.Context, _ key, text string, o *put) string {
		o.Meta = maps.Clone(o.Meta)
		change(o.Meta, int64(len(text)))
		return text
	})
}

// gets replaces the body of Get.
func (r *ref) gets(change func(text string, i info) (io.Reader, info)) {
	r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
		text, i, err := r.load(ctx, k)
		if err != nil {
			return nil, i, err
		}
		body, i := change(text, i)
		return io.NopCloser(body), i, nil
	}
}

// filtered lists without the entries that drop wants away.
func (r *ref) filtered(drop func(i info, o opts) bool) {
	r.doList = r.relisted(func(infos []info, o opts) []info {
		return slices.DeleteFunc(infos, func(i info) bool { return drop(i, o) })
	})
}

// asked changes the options of lists that are valid.
func (r *ref) asked(change func(o *opts)) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		if o.Validate(shelf) == nil {
			change(&o)
		}
		return r.Backend.List(ctx, shelf, o)
	}
}

// batches puts the items one by one, by put.
func (r *ref) batches(put func(ctx context.Context, n int, it backend.Item) (info, error)) {
	r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
		infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
		for n, it := range items {
			infos[n], errs[n] = put(ctx, n, it)
		}
		return infos, errs.OrNil()
	}
}

var conditionSiblings = []mutant{
	{law: "if-absent/exists", did: "takes an empty value for none, where IfAbsent asks", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if i, err := r.Backend.Stat(ctx, k); err == nil && i.Size == 0 {
				o.IfAbsent = false
			}
			return text
		})
	}},
	{law: "if-absent/creates", did: "says that a exists where a/b does", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.IfAbsent && o.IfMatch == "" {
				for range r.Backend.List(ctx, k.Shelf, opts{Prefix: k.Name + "/", Limit: 1}) {
					return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
				}
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "if-match/wrong", did: "takes the beginning of a version for the version", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if i, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch != "" && strings.HasPrefix(o.IfMatch, i.Version) {
				o.IfMatch = i.Version
			}
			return text
		})
	}},
	{law: "if-match/wrong", did: "strips quotes and blanks from IfMatch", breaks: func(r *ref) {
		r.puts(func(_ context.Context, _ key, text string, o *put) string {
			if o.IfMatch != "" {
				o.IfMatch = strings.Trim(o.IfMatch, `" `) + ""
			}
			return text
		})
	}},
	{law: "if-absent/exists", did: "stores what it refuses, where only metadata differs", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrExists) {
				if now, serr := r.Backend.Stat(ctx, k); serr == nil && now.Digest == o.Digest {
					o.IfAbsent = false
					r.Backend.Put(ctx, k, b, o)
				}
			}
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "gives a value a new version when it refuses to replace it", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, backend.ErrChanged) {
				if text, now, lerr := r.load(ctx, k); lerr == nil {
					r.honest(ctx, k, text, put{Digest: now.Digest, Sum: now.Sum, Meta: now.Meta})
				}
			}
			return i, err
		}
	}},
	{law: "if-absent/failed", did: "keeps a key reserved when a Put with IfAbsent failed", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			reserved := r.place.marked[k]
			r.place.mu.Unlock()
			if o.IfAbsent && reserved {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if o.IfAbsent && backend.CheckPut(k, o) == nil && err != nil && !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrClosed) {
				r.place.marked[k] = true
			}
			return i, err
		}
	}},
	{law: "if-absent/apart", did: "reserves names, whatever their shelves", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if !o.IfAbsent || o.IfMatch != "" {
				return r.Backend.Put(ctx, k, b, o)
			}
			busy := key{Name: k.Name}
			r.place.mu.Lock()
			taken := r.place.marked[busy]
			r.place.marked[busy] = true
			r.place.mu.Unlock()
			if taken {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			time.Sleep(moment / 4)
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			delete(r.place.marked, busy)
			r.place.mu.Unlock()
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "is met by the version of any value on the shelf", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if o.IfMatch == "" {
				return text
			}
			for i := range r.Backend.List(ctx, k.Shelf, opts{}) {
				if now, err := r.Backend.Stat(ctx, k); err == nil && i.Version == o.IfMatch {
					o.IfMatch = now.Version
				}
			}
			return text
		})
	}},
	{law: "if-absent/creates", did: "says ErrExists to its own retry after a slow answer", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil && o.IfAbsent && o.Size > 70_000 {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			return i, err
		}
	}},
	{law: "if-match/refused", did: "refuses a condition when it has stored the body of an overwrite", breaks: func(r *ref) {
		refusing(r)
		no := r.doPut
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := no(ctx, k, b, o)
			if errors.Is(err, errUnsupported) && o.IfMatch != "" {
				if _, serr := r.Backend.Stat(ctx, k); serr == nil {
					o.IfMatch = ""
					r.Backend.Put(ctx, k, b, o)
				}
			}
			return i, err
		}
	}},
}

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
