package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/conformance/law"
)

var sweepSiblings = []mutant{
	{law: "sweep/spares", did: "gives values new times when it compacts", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			if o.Compact && !o.DryRun {
				r.place.mu.Lock()
				r.place.count++
				r.place.mu.Unlock()
			}
			return found{}, nil
		}
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if i.Version != "" && r.place.count > 0 {
				i.Version += "c"
			}
			return i
		}
	}},
	{law: "sweep/spares", did: "loses metadata when it compacts", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			if o.Compact && !o.DryRun {
				for shelf := range r.Backend.Shelves(ctx, opts{}) {
					for i := range r.Backend.List(ctx, shelf, opts{}) {
						text, _, err := r.load(ctx, i.Key)
						if err == nil {
							r.honest(ctx, i.Key, text, put{Digest: i.Digest, Sum: i.Sum, IfMatch: i.Version})
						}
					}
				}
			}
			return found{}, nil
		}
	}},
	{law: "sweep/keeps", did: "cuts bodies that are open when it sweeps", breaks: func(r *ref) {
		var sweeps atomic.Int64
		r.doSweep = func(context.Context, sweep) (found, error) { sweeps.Add(1); return found{}, nil }
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			before := sweeps.Load()
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if sweeps.Load() != before {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, err
		}
	}},
	{law: "lease/beside", did: "sweeps the leases that nobody holds, with their epochs", breaks: func(r *ref) {
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.count = 1 << 20
			return found{}, nil
		}
		r.leased(func(l *lease) {
			under := l.Lease
			r.place.mu.Lock()
			base := uint64(r.place.count)
			r.place.mu.Unlock()
			l.epoch = func() uint64 {
				if base > 0 {
					return 1
				}
				return under.Epoch()
			}
		})
	}},
	{law: "sweep/dry-run", did: "compacts in a dry run", breaks: func(r *ref) {
		r.doSweep = func(_ context.Context, o sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			report := found{Orphans: r.place.litter}
			if !o.DryRun {
				r.place.litter = 0
			}
			if o.DryRun {
				report.Compacted = 4096
			}
			return report, nil
		}
	}},
	{law: "sweep/keeps", did: "brings back what was deleted", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			text, i, err := r.load(ctx, k)
			if err == nil {
				r.place.mu.Lock()
				r.place.texts[k], r.place.infos[k] = text, i
				r.place.mu.Unlock()
			}
			return r.Backend.Delete(ctx, k)
		}
		r.doSweep = func(ctx context.Context, _ sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for k, text := range r.place.texts {
				i := r.place.infos[k]
				r.honest(ctx, k, text, put{Digest: i.Digest, Sum: i.Sum, Meta: i.Meta, IfAbsent: true})
			}
			return found{}, nil
		}
	}},
	{law: "sweep/keeps", did: "brings back what was overwritten", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, old, lerr := r.load(ctx, k)
			i, err := r.Backend.Put(ctx, k, b, o)
			if lerr == nil && err == nil && o.Size > 100_000 {
				r.place.mu.Lock()
				r.place.texts[k], r.place.infos[k] = text, old
				r.place.mu.Unlock()
			}
			return i, err
		}
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for k, text := range r.place.texts {
				if now, err := r.Backend.Stat(ctx, k); err == nil && o.Compact {
					i := r.place.infos[k]
					r.honest(ctx, k, text, put{Digest: i.Digest, Sum: i.Sum, Meta: i.Meta, IfMatch: now.Version})
				}
			}
			return found{}, nil
		}
	}},
}

var leaseSiblings = []mutant{
	{law: "lease/lost", did: "releases by name when a lease is released again", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			r.place.mu.Lock()
			if r.place.leases == nil {
				r.place.leases = map[string]backend.Lease{}
			}
			r.place.leases[name] = under
			r.place.mu.Unlock()
			released := false
			return lease{Lease: under, release: func(ctx context.Context) error {
				if !released {
					released = true
					return under.Release(ctx)
				}
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				return r.place.leases[name].Release(ctx)
			}}, nil
		}
	}},
	{law: "lease/exclusive", did: "waits for a lease that is held", hangs: true, breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			for {
				l, err := r.Backend.Acquire(ctx, name, ttl)
				if !errors.Is(err, backend.ErrLocked) {
					return l, err
				}
				time.Sleep(moment)
			}
		}
	}},
	{law: "lease/exclusive", did: "lets a handle take a lease twice", breaks: func(r *ref) {
		var mu sync.Mutex
		held := map[string]backend.Lease{}
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, backend.ErrLocked) && held[name] != nil && held[name].Renew(ctx) == nil {
				return held[name], nil
			}
			if err == nil {
				held[name] = l
			}
			return l, err
		}
	}},
	{law: "cancel/before", did: "does not look at the context of Acquire", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(context.WithoutCancel(ctx), name, ttl)
		}
	}},
	{law: "lease/lost", did: "renews what was released", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			released := false
			return lease{Lease: under,
				release: func(ctx context.Context) error { released = true; return under.Release(ctx) },
				renew: func(ctx context.Context) error {
					if released {
						return nil
					}
					return under.Renew(ctx)
				}}, nil
		}
	}},
	{law: "lease/beside", did: "frees the leases of a handle when any of its bodies is closed", breaks: func(r *ref) {
		var held []backend.Lease
		var mu sync.Mutex
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				held = append(held, l)
			}
			return l, err
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			return hooked{b, func() error {
				mu.Lock()
				defer mu.Unlock()
				for _, l := range held {
					l.Release(context.Background())
				}
				return nil
			}}, i, err
		}
	}},
	{law: "lease/not-early", did: "renews for what is left of the ttl", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			end := time.Now().Add(ttl)
			return lease{Lease: under, renew: func(ctx context.Context) error {
				if time.Now().After(end) {
					return backend.Wrap("renew", "ref", key{}, backend.ErrChanged)
				}
				return nil
			}}, nil
		}
	}},
	{law: "lease/epoch", did: "counts epochs of all names in one, and forgets them when a lease expires", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			under, err := r.Backend.Acquire(ctx, name, ttl)
			if err != nil {
				return nil, err
			}
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old := r.place.infos[key{Name: "lease " + name}]; old.Size > 0 && time.Now().After(old.ModTime) {
				r.place.count = 0 // it was not released
			}
			r.place.count++
			n := uint64(r.place.count)
			r.place.infos[key{Name: "lease " + name}] = info{Size: 1, ModTime: time.Now().Add(ttl)}
			return lease{Lease: under, epoch: func() uint64 { return n }, release: func(ctx context.Context) error {
				r.place.mu.Lock()
				delete(r.place.infos, key{Name: "lease " + name})
				r.place.mu.Unlock()
				return under.Release(ctx)
			}}, nil
		}
	}},
	{law: "lease/exclusive", did: "says ErrUnavailable where another holds the lease", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			l, err := r.Backend.Acquire(ctx, name, ttl)
			if errors.Is(err, backend.ErrLocked) {
				return nil, backend.Wrap("acquire", "ref", key{}, backend.ErrUnavailable)
			}
			return l, err
		}
	}},
}

// finds replaces Find by one that changes the query.
func (r *ref) finds(change func(q component.Query) component.Query) {
	r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
		return backend.Find(ctx, r.Backend, change(q), decode)
	}
}

var findSiblings = []mutant{
	{law: "find/queries", did: "does not resume a search", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query { q.After = ""; return q })
	}},
	{law: "find/queries", did: "finds in the order of storing", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				ds, err := all(backend.Find(ctx, r.Backend, q, decode))
				slices.SortStableFunc(ds, func(a, b component.Description) int { return a.Stored.Compare(b.Stored) })
				for _, d := range ds {
					if !yield(d, nil) {
						return
					}
				}
				if err != nil {
					yield(component.Description{}, err)
				}
			}
		}
	}},
	{law: "find/queries", did: "takes not equal for not there", breaks: func(r *ref) {
		r.finds(func(q component.Query) component.Query {
			q.Where, _ = q.Where.Map(func(c component.Condition) (component.Condition, error) {
				if c.Op == component.NotEqual {
					c.Op = component.Exists
					c.Value = nil
				}
				return c, nil
			})
			return q
		})
	}},
	{law: "find/changes", did: "searches in an index that batches do not reach", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			for _, it := range items {
				r.place.marked[it.Key] = true
			}
			return infos, err
		}
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					r.place.mu.Lock()
					hidden := r.place.marked[key{Shelf: backend.ShelfComponents, Name: d.Key}]
					r.place.mu.Unlock()
					if !hidden && !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/queries", did: "tells the inputs in order of their keys", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					slices.Sort(d.Inputs)
					slices.Reverse(d.Inputs)
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
}

var timeSiblings = []mutant{
	{law: "info/modtime", did: "tells no times in Stat", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			i.ModTime = time.Time{}
			return i, err
		}
	}},
	{law: "info/modtime", did: "tells in Put when the body began to be read", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if err == nil {
				i.ModTime = i.ModTime.Add(-time.Minute)
			}
			return i, err
		}
	}},
	{law: "info/modtime-clock", did: "stores times as seconds since 1970 in milliseconds", breaks: func(r *ref) {
		r.tells = func(i info) info { i.ModTime = time.UnixMilli(i.ModTime.Unix()); return i }
	}},
	{law: "info/modtime-overwrite", did: "keeps the time of a value that is overwritten by as many bytes", breaks: func(r *ref) {
		r.tells = func(i info) info {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if old, ok := r.place.infos[i.Key]; ok && old.Size == i.Size {
				i.ModTime = old.ModTime
			} else {
				r.place.infos[i.Key] = i
			}
			return i
		}
	}},
	{law: "info/modtime-overwrite", did: "lists the times of the list", breaks: func(r *ref) {
		begin := time.Now()
		r.doList = r.relisted(func(infos []info, _ opts) []info {
			for n := range infos {
				infos[n].ModTime = begin
			}
			return infos
		})
	}},
}

var handleSiblings = []mutant{
	{law: "handle/shared", did: "lists what another handle deleted, until it stores something", breaks: func(r *ref) {
		stale := map[opts][]info{}
		r.doList = r.relisted(func(infos []info, o opts) []info {
			if len(infos) < len(stale[o]) {
				return stale[o]
			}
			stale[o] = infos
			return infos
		})
		r.doDelete = func(ctx context.Context, k key) error { clear(stale); return r.Backend.Delete(ctx, k) }
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			clear(stale)
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "handle/last-close", did: "loses metadata when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, text string) {
			r.twin().Put(ctx, i.Key, strings.NewReader(text), put{Size: i.Size, Digest: i.Digest, Sum: i.Sum})
		})
	}},
	{law: "handle/last-close", did: "loses nested names when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, _ string) {
			if strings.Contains(i.Key.Name, "/") {
				r.twin().Delete(ctx, i.Key)
			}
		})
	}},
	{law: "handle/last-close", did: "loses empty values when its last handle is closed", breaks: func(r *ref) {
		r.atLastClose(func(ctx context.Context, i info, _ string) {
			if i.Size == 0 {
				r.twin().Delete(ctx, i.Key)
			}
		})
	}},
	{law: "handle/limits", did: "promises nothing when it is closed and opened again", breaks: func(r *ref) {
		r.place.mu.Lock()
		opened := len(r.place.handles)
		r.place.mu.Unlock()
		r.doLimits = func() backend.Limits {
			l := r.Backend.Limits()
			l.Durable = opened > 1
			return l
		}
	}},
	{law: "handle/close-others", did: "cancels what others do in the place when a handle is closed", breaks: func(r *ref) {
		r.doClose = func() error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.count++
			return r.Backend.Close()
		}
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			before := r.place.count
			r.place.mu.Unlock()
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if err == nil && r.place.count != before {
				return info{}, backend.Wrap("put", "ref", k, errors.New("the pool was closed"))
			}
			return i, err
		}
	}},
	{law: "handle/closed", did: "panics when it is used after Close", breaks: func(r *ref) {
		var shut atomic.Bool
		r.doClose = func() error { shut.Store(true); return r.Backend.Close() }
		r.doDelete = func(ctx context.Context, k key) error {
			if shut.Load() {
				var none []string
				return errors.New(none[0])
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
}

// atLastClose promises that values last, and does something to each when the last handle is closed.
func (r *ref) atLastClose(do func(ctx context.Context, i info, text string)) {
	lasts(r)
	r.doClose = func() error {
		ctx := context.Background()
		r.place.mu.Lock()
		r.place.handles = slices.DeleteFunc(r.place.handles, func(h *ref) bool { return h == r })
		last := len(r.place.handles) == 0
		r.place.mu.Unlock()
		for shelf := range r.twin().Shelves(ctx, opts{}) {
			for i := range r.twin().List(ctx, shelf, opts{}) {
				if body, _, err := r.twin().Get(ctx, i.Key); err == nil && last {
					text, _ := io.ReadAll(body)
					do(ctx, i, string(text))
				}
			}
		}
		return r.Backend.Close()
	}
}

var cancelSiblings = []mutant{
	{law: "cancel/list", did: "lists to its end, whoever gave up", tier: law.Full, breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			if ctx.Err() == nil {
				ctx = context.WithoutCancel(ctx)
			}
			return r.Backend.List(ctx, shelf, o)
		}
	}},
	{law: "cancel/before", did: "says in words alone that the caller gave up", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if err := ctx.Err(); err != nil {
				return &backend.Error{Op: "delete", Backend: "ref", Key: k, Err: errors.New(err.Error())}
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
	{law: "cancel/before", did: "says canceled where a deadline passed", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, context.DeadlineExceeded) {
				err = &backend.Error{Op: "get", Backend: "ref", Key: k, Err: context.Canceled}
			}
			return b, i, err
		}
	}},
	{law: "error/typed", did: "does not look at the context of a batch", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			return r.Backend.PutBatch(context.WithoutCancel(ctx), items)
		}
	}},
	{law: "cancel/before", did: "fails once after a call that was cancelled", breaks: func(r *ref) {
		var broken atomic.Bool
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if broken.Swap(false) && ctx.Err() == nil {
				return nil, info{}, &backend.Error{Op: "get", Backend: "ref", Key: k, Err: errors.New("conn closed")}
			}
			b, i, err := r.Backend.Get(ctx, k)
			if ctx.Err() != nil {
				broken.Store(true)
			}
			return b, i, err
		}
	}},
	{law: "cancel/before", did: "deletes though it says that the caller gave up before it began", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			err := r.Backend.Delete(ctx, k)
			if ctx.Err() != nil && k.Validate() == nil {
				r.twin().Delete(context.Background(), k)
			}
			return err
		}
	}},
	{law: "leak/calls", did: "leaves a goroutine behind for each cancelled Put", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, context.Canceled) {
				go func() { select {} }()
			}
			return i, err
		}
	}},
}

var raceSiblings = []mutant{
	{law: "storm/one-key", did: "overwrites by deleting first", breaks: func(r *ref) {
		r.puts(func(ctx context.Context, k key, text string, o *put) string {
			if !o.IfAbsent && o.IfMatch == "" && ctx.Err() == nil {
				r.Backend.Delete(context.WithoutCancel(ctx), k)
				time.Sleep(moment / 8)
			}
			return text
		})
	}},
	{law: "if-absent/race", did: "names its temporary files by the name alone", breaks: func(r *ref) {
		r.puts(func(_ context.Context, k key, text string, _ *put) string {
			temp := key{Name: k.Name}
			r.place.mu.Lock()
			r.place.texts[temp] = text
			r.place.mu.Unlock()
			time.Sleep(moment / 16)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.place.texts[temp]
		})
	}},
	{law: "body/unfinished", did: "leaves an entry out of lists while it is overwritten", breaks: func(r *ref) {
		r.inOrder(func(_ context.Context, k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.marked[k] = true
			return nil
		}, func(k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			delete(r.place.marked, k)
			return nil
		})
		r.filtered(func(i info, _ opts) bool {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.place.marked[i.Key]
		})
	}},
	{law: "history/linear", did: "fails a Put that meets a Delete", breaks: func(r *ref) {
		r.inOrder(func(_ context.Context, k key) error {
			time.Sleep(moment / 16)
			return nil
		}, func(k key) error {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.marked[k] {
				delete(r.place.marked, k)
				return fs.ErrNotExist
			}
			return nil
		})
		r.doDelete = func(ctx context.Context, k key) error {
			r.place.mu.Lock()
			r.place.marked[k] = true
			r.place.mu.Unlock()
			time.Sleep(moment / 16)
			err := r.Backend.Delete(ctx, k)
			r.place.mu.Lock()
			delete(r.place.marked, k)
			r.place.mu.Unlock()
			return err
		}
	}},
	{law: "history/linear", did: "acknowledges the loser of two Puts that meet, with the winner's version", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			time.Sleep(moment / 8)
			if now, serr := r.Backend.Stat(ctx, k); err == nil && serr == nil {
				i.Version = now.Version
			}
			return i, err
		}
	}},
	{law: "storm/one-put", did: "lists sizes of one Put with times of another", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if err == nil && i.Size < 100_000 {
						time.Sleep(moment / 16)
						if now, serr := r.Backend.Stat(ctx, i.Key); serr == nil {
							i.Size = now.Size
						}
					}
					if !yield(i, err) {
						return
					}
				}
			}
		}
	}},
}

var errorSiblings = []mutant{
	{law: "get/absent", did: "has an ErrNotFound of its own that is no fs.ErrNotExist", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if errors.Is(err, backend.ErrNotFound) {
				err = &backend.Error{Op: "stat", Backend: "ref", Key: k, Err: onlyNotFound{}}
			}
			return i, err
		}
	}},
	{law: "error/typed", did: "names no method in errors of Delete", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			err := r.Backend.Delete(ctx, k)
			var e *backend.Error
			if errors.As(err, &e) {
				return &backend.Error{Backend: e.Backend, Key: e.Key, Err: e.Err}
			}
			return err
		}
	}},
	{law: "error/typed", did: "names the directory where it should name the key of a range", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			var e *backend.Error
			if errors.As(err, &e) {
				err = &backend.Error{Op: e.Op, Backend: e.Backend, Key: key{Shelf: k.Shelf}, Err: e.Err}
			}
			return b, i, err
		}
	}},
	{law: "error/typed", did: "names the method get where a range failed", breaks: func(r *ref) {
		r.doRange = func(ctx context.Context, k key, version string, off, n int64) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.GetRange(ctx, k, version, off, n)
			var e *backend.Error
			if errors.As(err, &e) {
				err = &backend.Error{Op: "GetRange", Backend: e.Backend, Key: e.Key, Err: e.Err}
			}
			return b, i, err
		}
	}},
	{law: "key/refused", did: "says that a key is too large where its grammar is wrong", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			if errors.Is(err, backend.ErrInvalidKey) {
				err = &backend.Error{Op: "get", Backend: "ref", Key: k, Err: backend.ErrTooLarge}
			}
			return b, i, err
		}
	}},
}

type onlyNotFound struct{}

func (onlyNotFound) Error() string        { return "not found" }
func (onlyNotFound) Is(target error) bool { return target == backend.ErrNotFound }

// siblings are all of these.
func siblings() []mutant {
	return slices.Concat(conditionSiblings, versionSiblings, bodySiblings, metaSiblings, listSiblings, rangeSiblings, batchSiblings,
		sweepSiblings, leaseSiblings, findSiblings, timeSiblings, handleSiblings, cancelSiblings, raceSiblings, errorSiblings)
}
