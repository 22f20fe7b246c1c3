package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"net/url"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// An eighth trial, of 351 broken backends that were written before anybody looked at the laws, and met a suite that had the matrix. These are those
// that lived; the laws for them were made or sharpened after.
var eighthTrial = []mutant{
	{law: "batch/put-fails", did: "fails what follows an item whose body is too short", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			var broken error
			for i, it := range items {
				if errs[i] = broken; broken != nil {
					continue
				}
				infos[i], errs[i] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions)
				if errors.Is(errs[i], io.ErrUnexpectedEOF) && len(items) == 3 {
					broken = backend.Wrap("put", "ref", it.Key, io.ErrUnexpectedEOF)
				}
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "batch/put-many", did: "takes batches of 1.5 MiB at most", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			sum, errs := int64(0), make(backend.BatchError, len(items))
			for i, it := range items {
				sum += it.Size
				errs[i] = backend.Wrap("put", "ref", it.Key, backend.ErrTooLarge)
			}
			if sum > 3<<19 && len(items) > 1 {
				return make([]info, len(items)), errs
			}
			return r.Backend.PutBatch(ctx, items)
		}
	}},
	{law: "handle/close-others", did: "shares a connection for Stat, which one handle closes for all", breaks: func(r *ref) {
		r.place.mu.Lock()
		r.place.litter = 0 // is connected
		r.place.mu.Unlock()
		r.doStat = func(ctx context.Context, k key) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.litter > 0 {
				return info{}, backend.Wrap("stat", "ref", k, backend.ErrClosed)
			}
			return r.Backend.Stat(ctx, k)
		}
		r.doClose = func() error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.litter = 1
			return r.Backend.Close()
		}
	}},
	{law: "stage/draft", did: "loses of a Write to a draft what is beyond the first MiB", breaks: func(r *ref) {
		r.doStage = func(context.Context) (backend.Draft, error) { return &spilling{}, nil }
	}},
	{law: "url/credentials", did: "quotes its URL in the errors of Get", open: func(_ context.Context, loc string) (backend.Backend, error) {
		u, err := url.Parse(loc)
		if err != nil {
			return nil, errors.New("the URL is wrong")
		}
		u.User = nil
		r, err := openRef(u.String())
		if err != nil {
			return nil, err
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			var e *backend.Error
			if errors.As(err, &e) {
				e.Err = fmt.Errorf("GET %s: %w", loc, e.Err)
			}
			return b, i, err
		}
		return r, nil
	}},
	{law: "matrix/open", did: "reads a range without a Version in parts of whatever is there", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			if err != nil || version != "" || off > 0 || n >= 0 || i.Size <= 64<<10 {
				return b, i, err
			}
			at := int64(0)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if at == i.Size {
					return 0, io.EOF
				}
				part, _, err := r.Backend.GetRange(ctx, k, "", at, min(int64(len(p)), i.Size-at))
				if err != nil {
					return 0, err
				}
				got, err := io.ReadFull(part, p[:min(int64(len(p)), i.Size-at)])
				at += int64(got)
				return got, err
			})}, i, nil
		}
	}},
	{law: "lease/closed", did: "gives up the leases of a handle that is closed, as sessions do", breaks: func(r *ref) {
		giveUp := r.keepsLeases()
		r.doClose = func() error {
			giveUp()
			return r.Backend.Close()
		}
	}},
	{law: "list/removed-ahead", did: "takes a page of a hundred entries that are all gone for the end", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				gone := 0
				infos, err := all(r.Backend.List(ctx, shelf, o))
				for _, i := range infos {
					now, serr := r.Backend.Stat(ctx, i.Key)
					if errors.Is(serr, backend.ErrNotFound) {
						if gone++; gone == 100 {
							return
						}
						continue
					}
					if gone = 0; serr != nil {
						yield(info{}, serr)
						return
					}
					if !yield(now, nil) {
						return
					}
				}
				if err != nil {
					yield(info{}, err)
				}
			}
		}
	}},
	{law: "key/shelf-names", did: "keeps a folder of its own called temp", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if k.Shelf == "temp" {
				return info{}, backend.Wrap("put", "ref", k, backend.ErrInvalidKey)
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "cancel/list", did: "ends a Scan whose context ended as if that were all", breaks: func(r *ref) {
		r.doScan = func(ctx context.Context, shelf string, o opts) iter.Seq2[backend.Entry, error] {
			return func(yield func(backend.Entry, error) bool) {
				n := 0
				for entry, err := range r.Backend.Scan(ctx, shelf, o) {
					if n++; err != nil && n > 1 && ctx.Err() != nil || !yield(entry, err) {
						return
					}
				}
			}
		}
	}},
	{law: "info/version-unique", did: "takes four bytes of the digest for the version", breaks: func(r *ref) {
		r.named(func(i info) string { return fmt.Sprintf("%x", i.Digest[:4]) })
	}},
	{law: "handle/close-put", hangs: true, did: "keeps all calls waiting while Close waits for a Put, as a lock of readers and writers does", breaks: func(r *ref) {
		var mu sync.RWMutex
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			mu.RLock()
			defer mu.RUnlock()
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			mu.RLock()
			defer mu.RUnlock()
			return r.Backend.Stat(ctx, k)
		}
		r.doClose = func() error {
			mu.Lock()
			defer mu.Unlock()
			return r.Backend.Close()
		}
	}},
	{law: "list/callback", did: "keeps one cursor for all lists of a shelf", breaks: func(r *ref) {
		var mu sync.Mutex
		at := map[string]string{}
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if o.Validate(shelf) != nil {
				return r.Backend.List(ctx, shelf, o)
			}
			return func(yield func(info, error) bool) {
				move := func(to string) { mu.Lock(); at[shelf] = to; mu.Unlock() }
				move(o.After)
				for n := 0; o.Limit == 0 || n < o.Limit; n++ {
					mu.Lock()
					after := at[shelf]
					mu.Unlock()
					page, err := all(r.Backend.List(ctx, shelf, opts{Prefix: o.Prefix, After: after, Limit: 1}))
					if err != nil {
						yield(info{}, err)
						return
					}
					if len(page) == 0 {
						return
					}
					if move(page[0].Key.Name); !yield(page[0], nil) {
						return
					}
				}
			}
		}
	}},
	{law: "lease/names", did: "locks one of 256 stripes for a lease", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			h := fnv.New32a()
			h.Write([]byte(name))
			return r.Backend.Acquire(ctx, fmt.Sprint("stripe-", h.Sum32()%256), ttl)
		}
	}},
}

// spilling is a draft whose buffer holds a MiB, and which forgets what is left of the Write that filled it.
type spilling struct{ refDraft }

func (d *spilling) Write(p []byte) (int, error) {
	if room := 1<<20 - len(d.text); room > 0 && room < len(p) {
		_, err := d.refDraft.Write(p[:room])
		return len(p), err
	}
	return d.refDraft.Write(p)
}
