package conformance_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
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
		r.doShelves = r.reshelved(func(shelves []string, _ opts) []string {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for k := range r.place.marked {
				shelves = append(shelves, k.Shelf)
			}
			slices.Sort(shelves)
			return slices.Compact(shelves)
		})
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
	{law: "get/reader", did: "takes a Read of nothing for the end", breaks: func(r *ref) {
		r.gets(func(text string, i info) (io.Reader, info) {
			b := strings.NewReader(text)
			return readFunc(func(p []byte) (int, error) {
				if len(p) == 0 {
					return 0, io.EOF
				}
				return b.Read(p)
			}), i
		})
	}},
	{law: "range/parts", did: "takes a length below -1 for a range from the end", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			if i, err := r.Backend.Stat(ctx, k); err == nil && n < -1 && n > math.MinInt64 && off >= 0 {
				off = max(0, i.Size+n)
			}
			return r.Backend.GetRange(ctx, k, version, off, n)
		}
	}},
	{law: "handle/close-body", did: "ends a range when its handle is closed", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil {
				return b, i, err
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if _, err := r.Backend.Stat(context.Background(), k); errors.Is(err, backend.ErrClosed) {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, nil
		}
	}},
	{law: "handle/close-others", did: "counts a second Close as that of another handle", breaks: func(r *ref) {
		r.place.mu.Lock()
		r.place.count++
		r.place.mu.Unlock()
		r.doClose = func() error {
			r.place.mu.Lock()
			r.place.count--
			r.place.mu.Unlock()
			return r.Backend.Close()
		}
		r.before = func(context.Context, string) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.count <= 0 {
				return &backend.Error{Op: "get", Backend: "ref", Err: backend.ErrClosed}
			}
			return nil
		}
	}},
	{law: "handle/close-others", did: "removes what Puts are about to store when it is opened", breaks: func(r *ref) {
		r.place.mu.Lock()
		r.place.count++
		r.place.mu.Unlock()
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			opened := r.place.count
			r.place.mu.Unlock()
			text, err := slurp(b)
			r.place.mu.Lock()
			tidied := r.place.count > opened
			r.place.mu.Unlock()
			if err == nil && tidied {
				return info{}, backend.Wrap("put", "ref", k, errors.New("no such file"))
			}
			return r.Backend.Put(ctx, k, struct{ io.ReadSeeker }{strings.NewReader(text)}, o)
		}
	}},
	{law: "handle/last-close", did: "goes on counting versions after the greatest that it finds when it is opened", breaks: func(r *ref) {
		lasts(r)
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		if len(r.place.handles) == 1 {
			r.place.count = 0
			for shelf := range r.Backend.Shelves(context.Background(), opts{}) {
				for i := range r.Backend.List(context.Background(), shelf, opts{}) {
					r.place.count = max(r.place.count, len(r.place.infos[key{Name: i.Version}].Version))
				}
			}
		}
		r.doClose = func() error {
			r.place.mu.Lock()
			r.place.handles = slices.DeleteFunc(r.place.handles, func(h *ref) bool { return h == r })
			r.place.mu.Unlock()
			return r.Backend.Close()
		}
		r.tells = func(i info) info { // the version is so many x
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			told, ok := r.place.infos[key{Name: i.Version}]
			if !ok {
				r.place.count++
				told.Version = strings.Repeat("x", r.place.count)
				r.place.infos[key{Name: i.Version}] = told
			}
			i.Version = told.Version
			return i
		}
	}},
	{law: "batch/put-told", did: "remembers what Stat said across a batch", breaks: func(r *ref) {
		r.rememberStat(func(forget func(key)) {
			r.doDelete = func(ctx context.Context, k key) error {
				defer forget(k)
				return r.Backend.Delete(ctx, k)
			}
			r.doDelBatch = func(ctx context.Context, keys []key) error {
				err := r.Backend.DeleteBatch(ctx, keys)
				for _, k := range keys {
					forget(k)
				}
				return err
			}
		})
	}},
	{law: "batch/delete-told", did: "remembers what Stat said across the deletion of many", breaks: func(r *ref) {
		r.rememberStat(func(forget func(key)) {
			r.doDelete = func(ctx context.Context, k key) error {
				defer forget(k)
				return r.Backend.Delete(ctx, k)
			}
			r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
				infos, err := r.Backend.PutBatch(ctx, items)
				for _, it := range items {
					forget(it.Key)
				}
				return infos, err
			}
		})
	}},
	{law: "batch/put", did: "keeps the metadata of a batch where its caller has it", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for n, i := range infos {
				r.place.infos[key{Name: i.Version}] = info{Meta: items[n].Meta}
			}
			return infos, err
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if mine := r.place.infos[key{Name: i.Version}].Meta; mine != nil {
				i.Meta = maps.Clone(mine)
			}
			return i
		}
	}},
	{law: "batch/put-race", did: "checks IfMatch ahead of a batch", breaks: func(r *ref) {
		r.batches(func(ctx context.Context, _ int, it backend.Item) (info, error) {
			if i, err := r.Backend.Stat(ctx, it.Key); err == nil && it.IfMatch == i.Version {
				it.IfMatch = ""
				time.Sleep(50 * time.Microsecond)
			}
			return r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
		})
	}},
	{law: "delete-match/told", did: "still lists a shelf whose last entry DeleteMatch removed", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			err := r.Backend.DeleteMatch(ctx, seen)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for n, s := range seen {
				r.place.marked[s.Key] = backend.ItemError(err, n) == nil
			}
			return err
		}
		r.doShelves = r.reshelved(func(shelves []string, _ opts) []string {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for k := range r.place.marked {
				shelves = append(shelves, k.Shelf)
			}
			slices.Sort(shelves)
			return slices.Compact(shelves)
		})
	}},
	{law: "delete-match/told", did: "counts the versions of a key anew once DeleteMatch removed it", breaks: func(r *ref) {
		told := map[string]string{}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if told[i.Version] == "" {
				now := r.place.infos[i.Key]
				now.Version += "x"
				r.place.infos[i.Key] = now
				told[i.Version] = now.Version
			}
			i.Version = told[i.Version]
			return i
		}
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			errs := make(backend.BatchError, len(seen))
			for n, s := range seen {
				errs[n] = r.Backend.Delete(ctx, s.Key)
				r.place.mu.Lock()
				delete(r.place.infos, s.Key)
				r.place.mu.Unlock()
			}
			return errs.OrNil()
		}
	}},
	{law: "delete-match/seen", did: "removes a key once though it is named twice", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			errs, done := make(backend.BatchError, len(seen)), map[backend.Seen]error{}
			for n, s := range seen {
				if _, ok := done[s]; !ok {
					done[s] = backend.ItemError(r.Backend.DeleteMatch(ctx, []backend.Seen{s}), 0)
				}
				errs[n] = done[s]
			}
			return errs.OrNil()
		}
	}},
	{law: "handle/closed", did: "goes on with DeleteMatch when it is closed", breaks: func(r *ref) {
		r.doDelMatch = r.twin().DeleteMatch
	}},
	{law: "cancel/before", did: "says why the caller gave up in place of that it did", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if ctx.Err() != nil {
				return nil, info{}, backend.Wrap("get", "ref", k, context.Cause(ctx))
			}
			return r.Backend.Get(ctx, k)
		}
	}},
	{law: "cancel/put", did: "leaves a Put that was cancelled to go on by itself", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			type result struct {
				info
				err error
			}
			done := make(chan result, 1)
			go func() {
				i, err := r.Backend.Put(ctx, k, b, o)
				done <- result{i, err}
			}()
			select {
			case got := <-done:
				return got.info, got.err
			case <-ctx.Done():
				return info{}, backend.Wrap("put", "ref", k, ctx.Err())
			}
		}
	}},
	{law: "cancel/body", did: "ends a body at its deadline as if it were whole", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err != nil {
				return b, i, err
			}
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, nil
		}
	}},
	{law: "lease/exclusive", did: "grants a very long lease for no time", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			if now := time.Now().UnixNano(); ttl > math.MaxInt64-time.Duration(now) {
				ttl = 1
			}
			return r.Backend.Acquire(ctx, name, ttl)
		}
	}},
	{law: "lease/not-early", did: "counts a ttl in whole seconds", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, max(1, ttl.Truncate(time.Second)))
		}
	}},
	{law: "lease/long", did: "renews for a second at most", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			at := key{Name: name}
			if end := r.place.infos[at].ModTime; !end.IsZero() && time.Now().After(end) {
				r.place.leases[name].Release(ctx)
			}
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			r.place.leases = map[string]backend.Lease{name: l}
			return lease{Lease: l, renew: func(ctx context.Context) error {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				r.place.infos[at] = info{ModTime: time.Now().Add(min(ttl, time.Second))}
				return l.Renew(ctx)
			}}, nil
		}
	}},
	{law: "lease/renewed", did: "adds a ttl to the end of the lease at each Renew", hangs: true, breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, 100*ttl)
		}
	}},
	{law: "lease/beside", did: "loses its leases with the connection that a cancelled call closes", breaks: func(r *ref) {
		var mu sync.Mutex
		var held []backend.Lease
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if err == nil {
				mu.Lock()
				held = append(held, l)
				mu.Unlock()
			}
			return l, err
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			mu.Lock()
			defer mu.Unlock()
			for _, l := range held {
				if ctx.Err() != nil {
					l.Release(context.Background())
				}
			}
			return i, err
		}
	}},
	{law: "sweep/spares", did: "removes empty values in a dry run", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			for shelf := range r.Backend.Shelves(ctx, opts{}) {
				for i := range r.Backend.List(ctx, shelf, opts{}) {
					if o.DryRun && i.Size == 0 {
						r.Backend.Delete(ctx, i.Key)
					}
				}
			}
			return found{}, nil
		}
	}},
	{law: "find/repeat", did: "looks when Find is called, not when it is ranged over", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return early(backend.Find(ctx, r.Backend, q, decode))
		}
	}},
	{law: "find/stored-again", did: "says of a description when it was first stored", breaks: func(r *ref) {
		first := map[string]time.Time{}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if _, ok := first[d.Key]; !ok {
						first[d.Key] = d.Stored
					}
					d.Stored = first[d.Key]
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
}

// matched decides IfMatch by same, which is given the present version and the one that is wanted.
func (r *ref) matched(same func(now, want string) bool) {
	r.puts(func(ctx context.Context, k key, text string, o *put) string {
		if i, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch != "" && same(i.Version, o.IfMatch) {
			o.IfMatch = i.Version
		}
		return text
	})
}

// early is all of seq, taken now.
func early[T any](seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	vs, err := all(seq)
	return func(yield func(T, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// rememberStat answers Stat from memory. Put forgets its key; what else does is for others to say.
func (r *ref) rememberStat(others func(forget func(key))) {
	forget := func(k key) {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		delete(r.place.infos, k)
	}
	r.doStat = func(ctx context.Context, k key) (info, error) {
		r.place.mu.Lock()
		defer r.place.mu.Unlock()
		if i, ok := r.place.infos[k]; ok && ctx.Err() == nil {
			return i, nil
		}
		i, err := r.Backend.Stat(ctx, k)
		if err == nil {
			r.place.infos[k] = i
		}
		return i, err
	}
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		defer forget(k)
		return r.Backend.Put(ctx, k, b, o)
	}
	others(forget)
}
