package conformance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// named gives values other versions: what name makes of an Info.
func (r *ref) named(name func(info) string) {
	r.tells = func(i info) info {
		if i.Version != "" {
			i.Version = name(i)
		}
		return i
	}
	// real is the version behind the one that a caller gave.
	real := func(ctx context.Context, k key, version string) string {
		if i, err := r.Backend.Stat(ctx, k); err == nil && name(i) == version {
			return i.Version
		}
		return "none"
	}
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		if o.IfMatch != "" {
			o.IfMatch = real(ctx, k, o.IfMatch)
		}
		return r.Backend.Put(ctx, k, b, o)
	}
	r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
		infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
		for n, it := range items {
			infos[n], errs[n] = r.Put(ctx, it.Key, it.Body, it.PutOptions)
		}
		return infos, errs.OrNil()
	}
	r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
		return func(yield func(backend.Entry, error) bool) {
			for e, err := range r.Backend.Scan(ctx, shelf, o) {
				if e.Info, err = r.told(e.Info, err); !yield(e, err) {
					return
				}
			}
		}
	}
	r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
		if version != "" {
			version = real(ctx, k, version)
		}
		b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
		i, err = r.told(i, err)
		return b, i, err
	}
}

// above passes over conditions where the body is larger than n.
func above(n int64, forget func(*put)) func(*ref) {
	return func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if o.Size > n && backend.CheckPut(k, o) == nil {
				forget(&o)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}
}

// standing reads bodies of one type from where they stand.
func standing[T body](r *ref) {
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		if _, ok := b.(T); !ok {
			return r.Backend.Put(ctx, k, b, o)
		}
		text, err := io.ReadAll(b)
		if err != nil {
			return info{}, err
		}
		return r.honest(ctx, k, string(text), o)
	}
}

// paged lists in pages of 1,000: next makes of the last name of a page, and of what was asked, what the
// next page is asked for.
func (r *ref) paged(next func(last string, o opts) opts) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		return func(yield func(info, error) bool) {
			const page = 1000
			for left := o.Limit; ; {
				o.Limit = page
				if left > 0 {
					o.Limit = min(left, page)
				}
				n, last := 0, ""
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if !yield(i, err) || err != nil {
						return
					}
					n, last = n+1, i.Key.Name
				}
				if n < page || left == n {
					return
				}
				if left > 0 {
					left -= n
				}
				o.After = last
				o = next(last, o)
			}
		}
	}
}

// swept is a sweep that first removes the entries that match.
func (r *ref) swept(match func(i info) bool) {
	r.doSweep = func(ctx context.Context, o sweep) (found, error) {
		var report found
		for shelf := range r.Backend.Shelves(ctx, opts{}) {
			for i := range r.Backend.List(ctx, shelf, opts{}) {
				if match(i) {
					report.Orphans++
					if !o.DryRun {
						r.Backend.Delete(ctx, i.Key)
					}
				}
			}
		}
		return report, nil
	}
}

// inOrder does a Put's work on its body between begin and end.
func (r *ref) inOrder(begin func(ctx context.Context, k key) error, end func(k key) error) {
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		if err := begin(ctx, k); err != nil {
			return info{}, backend.Wrap("put", "ref", k, err)
		}
		i, err := r.Backend.Put(ctx, k, b, o)
		if eerr := end(k); err == nil && eerr != nil {
			return info{}, backend.Wrap("put", "ref", k, eerr)
		}
		return i, err
	}
}

var newerMutants = []mutant{
	{law: "put/as-given", did: "computes digests itself", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, backend.Wrap("put", "ref", k, err)
			}
			o.Digest = sha256.Sum256([]byte(text))
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "put/as-given", did: "refuses a body whose sum is false", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, _ := slurp(b)
			if int64(len(text)) == o.Size && o.Sum != crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)) {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrCorrupt)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "body/types", did: "sends files from where they stand", breaks: standing[*os.File]},
	{law: "body/types", did: "sends bytes from where they stand", breaks: standing[*bytes.Reader]},
	{law: "body/types", did: "sends sections from where they stand", breaks: standing[*io.SectionReader]},
	{law: "body/many-wait", did: "has sixteen seats for Puts that read their bodies", hangs: true, breaks: func(r *ref) {
		r.place.mu.Lock()
		if cap(r.place.slots) < 16 {
			r.place.slots = make(chan struct{}, 16)
		}
		r.place.mu.Unlock()
		r.inOrder(func(ctx context.Context, _ key) error {
			select {
			case r.place.slots <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, func(key) error { <-r.place.slots; return nil })
	}},
	{law: "body/many-wait", did: "locks a key while it reads the body", hangs: true, breaks: func(r *ref) {
		var locks sync.Map
		r.inOrder(func(ctx context.Context, k key) error {
			lock, _ := locks.LoadOrStore(k, make(chan struct{}, 1))
			select {
			case lock.(chan struct{}) <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, func(k key) error {
			lock, _ := locks.Load(k)
			<-lock.(chan struct{})
			return nil
		})
	}},
	{law: "get/rest", did: "writes a body from its beginning, whatever was read", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			text, i, err := r.load(ctx, k)
			if err != nil {
				return nil, i, err
			}
			return &rewriter{strings.NewReader(text), text}, i, nil
		}
	}},
	{law: "info/version-unique", did: "takes size and CRC for the version", breaks: func(r *ref) {
		r.named(func(i info) string { return fmt.Sprintf("%d-%08x", i.Size, i.Sum) })
	}},
	{law: "info/version-unique", did: "counts versions in one byte", breaks: func(r *ref) {
		r.named(func(i info) string {
			var n int
			fmt.Sscan(i.Version, &n)
			return fmt.Sprint(n % 256)
		})
	}},
	{law: "info/version-unique", did: "counts versions from one again after DeleteBatch", breaks: func(r *ref) {
		base := func(k key) int {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return len(r.place.texts[k])
		}
		r.named(func(i info) string {
			var n int
			fmt.Sscan(i.Version, &n)
			return fmt.Sprint(n - base(i.Key))
		})
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			for _, k := range keys {
				var n int
				i, _ := r.Backend.Stat(ctx, k)
				fmt.Sscan(i.Version, &n)
				r.place.mu.Lock()
				if n > 0 {
					r.place.texts[k] = strings.Repeat("x", n)
				}
				r.place.mu.Unlock()
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "if-absent/sizes", did: "knows no IfAbsent for what it sends in parts", breaks: above(512<<10, func(o *put) { o.IfAbsent = false })},
	{law: "if-match/sizes", did: "knows no IfMatch for what it sends in parts", breaks: above(512<<10, func(o *put) { o.IfMatch = "" })},
	{law: "if-match/equal-bytes", did: "compares what was stored instead of versions", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if now, err := r.Backend.Stat(ctx, k); err == nil && o.IfMatch != "" && r.place.infos[key{Name: o.IfMatch}].Digest == now.Digest {
				o.IfMatch = now.Version
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.infos[key{Name: i.Version}] = i
			return i, err
		}
	}},
	{law: "list/borders", did: "resumes behind all that is below the last name of a page", breaks: func(r *ref) {
		r.paged(func(last string, o opts) opts {
			o.After = last + "/~"
			if o.Validate("s") != nil {
				o.After = last + "/zzzz"
			}
			return o
		})
	}},
	{law: "list/borders", did: "holds the prefix on the first page only", breaks: func(r *ref) {
		r.paged(func(_ string, o opts) opts { o.Prefix = ""; return o })
	}},
	{law: "list/borders", did: "yields a page where more was asked for", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Limit > 1000 && o.Limit < 100_000 {
				o.Limit = 1000
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "list/borders", did: "takes a full page for the last one", breaks: func(r *ref) {
		r.doList = r.relisted(func(infos []info, o opts) []info {
			if len(infos) == 1000 && o.Limit == 0 {
				return infos[:999]
			}
			return infos
		})
	}},
	{law: "shelves/borders", did: "takes a full page of shelves for the last one", breaks: func(r *ref) {
		r.doShelves = func(ctx context.Context, o opts) iter.Seq2[string, error] {
			if o.Limit == 0 {
				o.Limit = 1000
			}
			return r.Backend.Shelves(ctx, o)
		}
	}},
	{law: "storm/one-put", did: "reads metadata after the body", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if err == nil {
				time.Sleep(moment)
				if now, err := r.Backend.Stat(ctx, k); err == nil {
					i.Meta = now.Meta
				}
			}
			return b, i, err
		}
	}},
	{law: "storm/one-put", did: "reads the version before the rest", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			old, err := r.Backend.Stat(ctx, k)
			if err != nil {
				return old, err
			}
			time.Sleep(moment)
			i, err := r.Backend.Stat(ctx, k)
			i.Version = old.Version
			return i, err
		}
	}},
	{law: "lease/lost-since", did: "renews what nobody holds, though another did", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			return lease{Lease: under, renew: func(ctx context.Context) error {
				err := under.Renew(ctx)
				if errors.Is(err, backend.ErrChanged) {
					if again, aerr := r.Backend.Acquire(ctx, name, ttl); aerr == nil {
						again.Release(ctx)
						return nil
					}
				}
				return err
			}}, nil
		}
	}},
	{law: "lease/lost-since", did: "knows a holder by his handle, which may have lost the lease and taken it again", breaks: func(r *ref) {
		var mu sync.Mutex
		held := map[string]backend.Lease{}
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			held[name] = under
			return lease{Lease: under, renew: func(ctx context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				return held[name].Renew(ctx)
			}}, nil
		}
	}},
	{law: "sweep/spares", did: "takes empty values for leftovers", breaks: func(r *ref) {
		r.swept(func(i info) bool { return i.Size == 0 })
	}},
	{law: "sweep/spares", did: "knows no names of three segments", breaks: func(r *ref) {
		r.swept(func(i info) bool { return strings.Count(i.Key.Name, "/") > 1 })
	}},
	{law: "sweep/spares", did: "knows results and sessions, and takes other shelves for leftovers", breaks: func(r *ref) {
		r.swept(func(i info) bool { return strings.HasPrefix(i.Key.Shelf, "t-") })
	}},
	{law: "sweep/unfinished", did: "takes what is being written for what was left", breaks: func(r *ref) {
		pending := func(k key) key { return key{Shelf: k.Shelf, Name: "pending " + k.Name} }
		mark := func(k key, on bool) (was bool) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			was = r.place.marked[pending(k)]
			r.place.marked[pending(k)] = on
			return was
		}
		r.inOrder(func(_ context.Context, k key) error { mark(k, true); return nil }, func(k key) error {
			if !mark(k, false) {
				return errors.New("the temporary file is gone")
			}
			return nil
		})
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for k := range r.place.marked {
				if strings.HasSuffix(k.Name, "old") || strings.HasSuffix(k.Name, "absent") {
					r.place.marked[k] = false
				}
			}
			return found{}, nil
		}
	}},
	{law: "sweep/unfinished", did: "lets nobody in while a sweep waits for those inside", hangs: true, breaks: func(r *ref) {
		r.inOrder(func(context.Context, key) error { r.place.lock.RLock(); return nil }, func(key) error { r.place.lock.RUnlock(); return nil })
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.lock.Lock()
			defer r.place.lock.Unlock()
			return found{}, nil
		}
	}},
}

// rewriter is a body with a WriteTo of its own.
type rewriter struct {
	*strings.Reader
	all string
}

func (w *rewriter) WriteTo(to io.Writer) (int64, error) {
	n, err := io.WriteString(to, w.all)
	w.Seek(0, io.SeekEnd)
	return int64(n), err
}

func (w *rewriter) Close() error { return nil }
