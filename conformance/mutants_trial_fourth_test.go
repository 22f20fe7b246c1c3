package conformance_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// A fourth trial, of 164 backends broken in as many ways, written before anybody looked at the laws. These are of
// those that lived; the laws for them were made or sharpened after.
var fourthTrial = []mutant{
	{law: "put/bytes", did: "unpacks what is packed, as transports do on their way", breaks: func(r *ref) {
		r.gets(func(text string, i info) (io.Reader, info) {
			if z, err := gzip.NewReader(strings.NewReader(text)); err == nil {
				if plain, err := io.ReadAll(z); err == nil {
					text = string(plain)
				}
			}
			return strings.NewReader(text), i
		})
	}},
	{law: "put/meta", did: "decodes escapes of URLs in metadata", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for k, v := range m {
				if plain, err := url.PathUnescape(v); err == nil {
					m[k] = plain
				}
			}
		})
	}},
	{law: "put/meta", did: "takes two backslashes for one", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for k, v := range m {
				m[k] = strings.ReplaceAll(v, `\\`, `\`)
			}
		})
	}},
	{law: "put/meta", did: "cuts off the names of metadata after 128 bytes", breaks: func(r *ref) {
		r.metas(func(m backend.Meta, _ int64) {
			for k, v := range m {
				delete(m, k)
				m[k[:min(len(k), 128)]] = v
			}
		})
	}},
	{law: "put/meta", did: "refuses metadata that is too long once it is escaped", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			long := 0
			for _, v := range o.Meta {
				long += len(v) + 5*strings.Count(v, "<")
			}
			if long > 4096 && backend.CheckPut(k, o) == nil {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrTooLarge)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/meta-copied", did: "gives every list the same metadata", breaks: func(r *ref) {
		lent := map[string]backend.Meta{}
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n, i := range infos {
				if lent[i.Version] == nil {
					lent[i.Version] = i.Meta
				}
				infos[n].Meta = lent[i.Version]
			}
			return infos
		})
	}},
	{law: "body/short", did: "fills up the last block of a large value", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if text, err := slurp(b); err == nil && o.Size > 256<<10 && int64(len(text)) < o.Size && int64(len(text)) > o.Size-512 {
				b = strings.NewReader(text + strings.Repeat("\x00", int(o.Size)-len(text)))
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/kept", did: "keeps the last 32 MiB of values", breaks: func(r *ref) {
		var order []info
		var kept int64
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err != nil {
				return i, err
			}
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			order, kept = append(order, i), kept+i.Size
			for kept > 32<<20 {
				r.Backend.DeleteMatch(ctx, []backend.Seen{{Key: order[0].Key, Version: order[0].Version}})
				order, kept = order[1:], kept-order[0].Size
			}
			return i, nil
		}
	}},
	{law: "info/sizes", did: "loses the metadata of what is sent in parts", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Size > 1<<20 {
				o.Meta = nil
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "info/sizes", did: "cannot end an upload whose last part is full", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Size > 1<<20 && o.Size%(1<<20) == 0 {
				return info{}, backend.Wrap("put", "ref", k, errors.New("the last part is too small"))
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "info/modtime-overwrite", did: "moves the ModTime of what is read", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err == nil {
				r.place.mu.Lock()
				r.place.infos[k] = info{Version: i.Version, ModTime: time.Now()}
				r.place.mu.Unlock()
			}
			return b, i, err
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if read := r.place.infos[i.Key]; read.Version == i.Version {
				i.ModTime = read.ModTime
			}
			return i
		}
	}},
	{law: "info/modtime-overwrite", did: "leaves the ModTime where the same bytes are put again", breaks: func(r *ref) {
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old, ok := r.place.infos[i.Key]; ok && old.Digest == i.Digest {
				i.ModTime = old.ModTime
			}
			r.place.infos[i.Key] = i
			return i
		}
	}},
	{law: "if-absent/names", did: "ignores IfAbsent where a long name goes to another table", breaks: func(r *ref) {
		r.puts(func(_ context.Context, k key, text string, o *put) string {
			o.IfAbsent = o.IfAbsent && len(k.Name) <= 255
			return text
		})
	}},
	{law: "if-match/names", did: "ignores IfMatch where metadata is sent by a second call", breaks: func(r *ref) {
		r.puts(func(_ context.Context, _ key, text string, o *put) string {
			if len(o.Meta) > 8 {
				o.IfMatch = ""
			}
			return text
		})
	}},
	{law: "if-absent/failed", did: "keeps a key reserved by a Put that was cancelled", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			begun := o.IfAbsent && ctx.Err() == nil && backend.CheckPut(k, o) == nil
			r.place.mu.Lock()
			reserved := r.place.marked[k]
			r.place.mu.Unlock()
			if begun && reserved {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrExists)
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			if begun && err != nil && ctx.Err() != nil {
				r.place.mu.Lock()
				r.place.marked[k] = true
				r.place.mu.Unlock()
			}
			return i, err
		}
	}},
	{law: "if-match/wrong", did: "takes the beginning of a version for it", breaks: func(r *ref) {
		r.matched(strings.HasPrefix)
	}},
	{law: "if-match/wrong", did: "compares versions as numbers", breaks: func(r *ref) {
		r.matched(func(now, want string) bool { return strings.TrimLeft(want, "+0") == now })
	}},
	{law: "if-match/wrong", did: "takes a list for any of its versions", breaks: func(r *ref) {
		r.matched(func(now, want string) bool { return slices.Contains(strings.Split(want, ", "), now) })
	}},
	{law: "list/limit", did: "counts pages of deleted entries into the Limit", breaks: func(r *ref) {
		gone := 0
		r.doDelete = func(ctx context.Context, k key) error {
			gone++
			return r.Backend.Delete(ctx, k)
		}
		r.asked(func(o *opts) {
			if o.Limit > 0 && gone >= 20 {
				o.Limit = max(1, o.Limit-gone/20)
			}
		})
	}},
	{law: "list/prefix", did: "ends a prefix before zz", breaks: func(r *ref) {
		r.filtered(func(i info, o opts) bool { return o.Prefix != "" && i.Key.Name > o.Prefix+"zz" })
	}},
	{law: "storm/stays", did: "deletes and inserts where it overwrites a small value", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if !o.IfAbsent && o.IfMatch == "" && len(text) < 100 && ctx.Err() == nil {
				r.Backend.Delete(ctx, k)
				time.Sleep(20 * time.Microsecond) // as between two statements
			}
			return text
		})
	}},
	{law: "key/neighbours", did: "writes metadata beside the value, under a name that is another's", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			beside := key{Shelf: k.Shelf, Name: k.Name + ".attrs"}
			if _, serr := r.Backend.Stat(ctx, beside); err == nil && serr == nil {
				r.honest(ctx, beside, "{}", put{})
			}
			return i, err
		}
	}},
	{law: "shelves/repeat", did: "takes the names of shelves when it is called, not when it is ranged over", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] { return early(r.Backend.Shelves(ctx, o)) }
	}},
	{law: "shelves/empty", did: "counts a conditional overwrite as one more entry", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil && o.IfMatch != "" {
				r.place.mu.Lock()
				r.place.marked[key{Shelf: k.Shelf}] = true
				r.place.mu.Unlock()
			}
			return i, err
		}
		r.listMarked()
	}},
	{law: "scan/repeat", did: "takes the entries of a Scan when it is called, not when it is ranged over", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return early(r.Backend.Scan(ctx, shelf, o))
		}
	}},
	{law: "scan/like-list", did: "delivers the first megabyte of what is scanned", breaks: func(r *ref) {
		r.rescanned(func(entries []backend.Entry) []backend.Entry {
			for n, e := range entries {
				entries[n].Body = io.LimitReader(e.Body, 1<<20)
			}
			return entries
		})
	}},
	{law: "scan/delete", did: "scans pages by number, of which deletions take entries away", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return numbered(o.Limit, func() iter.Seq2[backend.Entry, error] {
				o.Limit = 0
				return r.Backend.Scan(ctx, shelf, o)
			})
		}
	}},
	{law: "shelves/delete", did: "lists shelves by page numbers, of which deletions take some away", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			return numbered(o.Limit, func() iter.Seq2[string, error] {
				o.Limit = 0
				return r.Backend.Shelves(ctx, o)
			})
		}
	}},
	{law: "list/long-names", did: "keeps 255 bytes of the position of a page", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Validate(shelf) != nil {
				return r.Backend.List(ctx, shelf, o)
			}
			return func(yield func(info, error) bool) {
				for left := o.Limit; ; {
					n := 0
					for i, err := range r.Backend.List(ctx, shelf, opts{Prefix: o.Prefix, After: o.After, Limit: 100}) {
						if n, left = n+1, left-1; !yield(i, err) || err != nil || left == 0 {
							return
						}
						if o.After = i.Key.Name; len(o.After) > 255 {
							o.After = o.After[:255] + "z"
						}
					}
					if n < 100 {
						return
					}
				}
			}
		}
	}},
}
