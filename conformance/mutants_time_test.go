package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
)

var cancelMutants = []mutant{
	{law: "cancel/before", did: "does not look at the context of Stat", breaks: func(r *ref) {
		r.doStat = func(ctx context.Context, k key) (info, error) { return r.Backend.Stat(context.WithoutCancel(ctx), k) }
	}},
	{law: "cancel/steps", did: "overwrites in two steps and may be cancelled between", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			if err := r.Backend.Delete(ctx, k); err != nil {
				return info{}, err
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "cancel/any-time", did: "leaves half a value when it is cancelled", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			r.honest(ctx, k, text[:len(text)/2], o)
			select {
			case <-time.After(moment):
			case <-ctx.Done():
			}
			return r.Backend.Put(ctx, k, b, o)
		}
	}},
	{law: "cancel/put", did: "says that the service is down when the caller gave up", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			i, err := r.Backend.Put(ctx, k, b, o)
			if errors.Is(err, context.Canceled) {
				err = backend.Wrap("put", "ref", k, backend.ErrUnavailable)
			}
			return i, err
		}
	}},
	{law: "cancel/list", did: "ends a cancelled list as if it were complete", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				for i, err := range r.Backend.List(ctx, shelf, o) {
					if errors.Is(err, context.Canceled) || !yield(i, err) {
						return
					}
				}
			}
		}
	}},
	{law: "cancel/body", did: "ends a body early when its context ends", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			b, i, err := r.Backend.Get(ctx, k)
			return hooked{Reader: readFunc(func(p []byte) (int, error) {
				if ctx.Err() != nil {
					return 0, io.EOF
				}
				return b.Read(p)
			})}, i, err
		}
	}},
	{law: "cancel/frees", did: "keeps the connection of a cancelled call", hangs: true, breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			select {
			case r.place.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, info{}, backend.Wrap("get", "ref", k, ctx.Err())
			}
			b, i, err := r.Backend.Get(ctx, k)
			if !errors.Is(err, context.Canceled) {
				<-r.place.slots
			}
			return b, i, err
		}
	}},
}

var stormMutants = []mutant{
	{law: "storm/own-keys", did: "has one buffer for all Puts", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			r.place.mu.Lock()
			r.place.texts[key{}] = text
			r.place.mu.Unlock()
			runtime.Gosched()
			r.place.mu.Lock()
			text = r.place.texts[key{}]
			r.place.mu.Unlock()
			return r.honest(ctx, k, text, o)
		}
	}},
	{law: "storm/last-entry", did: "removes a shelf a moment after it saw that it is empty", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if err := r.Backend.Delete(ctx, k); err != nil {
				return err
			}
			for range r.Backend.List(ctx, k.Shelf, opts{}) {
				return nil
			}
			time.Sleep(moment / 8)
			for i := range r.Backend.List(ctx, k.Shelf, opts{}) {
				r.Backend.Delete(ctx, i.Key)
			}
			return nil
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			time.Sleep(moment / 4) // so that a shelf is rarely empty
			return r.Backend.Get(ctx, k)
		}
	}},
	{law: "storm/one-key", did: "takes an Info first and its body later", breaks: func(r *ref) {
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			i, err := r.Backend.Stat(ctx, k)
			if err != nil {
				return nil, i, err
			}
			time.Sleep(moment / 4)
			b, _, err := r.Backend.Get(ctx, k)
			return b, i, err
		}
	}},
	{law: "storm/last-write", did: "tries a Put again whose answer was slow, and undoes a later one", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			text, err := slurp(b)
			if err != nil {
				return info{}, err
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			if r.place.puts.Add(1)%3 == 0 {
				time.AfterFunc(moment/2, func() { r.honest(context.WithoutCancel(ctx), k, text, o) })
			}
			return i, err
		}
	}},
	{law: "storm/handles", did: "writes back its whole map when it is closed", breaks: func(r *ref) {
		known := map[key]bool{}
		for shelf := range r.Backend.Shelves(context.Background(), opts{}) {
			for i := range r.Backend.List(context.Background(), shelf, opts{}) {
				known[i.Key] = true
			}
		}
		var mu sync.Mutex
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			mu.Lock()
			defer mu.Unlock()
			known[k] = true
			return r.Backend.Put(ctx, k, b, o)
		}
		r.doClose = func() error {
			mu.Lock()
			defer mu.Unlock()
			for shelf := range r.Backend.Shelves(context.Background(), opts{}) {
				for i := range r.Backend.List(context.Background(), shelf, opts{}) {
					if !known[i.Key] {
						r.Backend.Delete(context.Background(), i.Key)
					}
				}
			}
			return r.Backend.Close()
		}
	}},
}

// lease is a lease with some of its methods replaced.
type lease struct {
	backend.Lease
	epoch   func() uint64
	renew   func(ctx context.Context) error
	release func(ctx context.Context) error
}

func (l lease) Epoch() uint64 {
	if l.epoch != nil {
		return l.epoch()
	}
	return l.Lease.Epoch()
}

func (l lease) Renew(ctx context.Context) error {
	if l.renew != nil {
		return l.renew(ctx)
	}
	return l.Lease.Renew(ctx)
}

func (l lease) Release(ctx context.Context) error {
	if l.release != nil {
		return l.release(ctx)
	}
	return l.Lease.Release(ctx)
}

// leased replaces methods of the leases that are granted.
func (r *ref) leased(change func(l *lease)) {
	r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
		under, err := r.Backend.Acquire(ctx, name, ttl)
		if err != nil {
			return nil, err
		}
		l := lease{Lease: under}
		change(&l)
		return l, nil
	}
}

var leaseMutants = []mutant{
	{law: "lease/exclusive", did: "locks by a lock that no other handle shares", breaks: func(r *ref) {
		own := mem.New(nil)
		r.doAcquire = own.Acquire
	}},
	{law: "lease/release", did: "keeps a released lease until its ttl", breaks: func(r *ref) {
		r.leased(func(l *lease) { l.release = func(context.Context) error { return nil } })
	}},
	{law: "lease/not-early", did: "takes a lease for dead at half its ttl", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, ttl/2)
		}
	}},
	{law: "lease/not-early", did: "does not prolong what is renewed", breaks: func(r *ref) {
		r.leased(func(l *lease) { l.renew = func(context.Context) error { return nil } })
	}},
	{law: "lease/expires", did: "keeps the lease of who does not renew", hangs: true, breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			return r.Backend.Acquire(ctx, name, ttl*1_000_000)
		}
	}},
	{law: "lease/lost", did: "renews what another holds", breaks: func(r *ref) {
		r.leased(func(l *lease) { l.renew = func(context.Context) error { return nil } })
	}},
	{law: "lease/lost", did: "releases what another holds", breaks: func(r *ref) {
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
			return lease{Lease: under, release: func(ctx context.Context) error {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				return r.place.leases[name].Release(ctx)
			}}, nil
		}
	}},
	{law: "lease/epoch", did: "gives every holder the same token", breaks: func(r *ref) {
		r.leased(func(l *lease) { l.epoch = func() uint64 { return 1 } })
	}},
	{law: "lease/epoch", did: "counts epochs anew in each handle", breaks: func(r *ref) {
		n := uint64(0)
		r.leased(func(l *lease) {
			n++
			epoch := n
			l.epoch = func() uint64 { return epoch }
		})
	}},
	{law: "lease/race", did: "looks whether a lease is free and takes it later", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			k := key{Shelf: name}
			look := func(take bool) (taken bool, epoch uint64) {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				taken = r.place.marked[k]
				r.place.marked[k] = taken || take
				r.place.count++
				return taken, uint64(r.place.count)
			}
			if taken, _ := look(false); taken {
				return nil, &backend.Error{Op: "acquire", Backend: "ref", Err: backend.ErrLocked}
			}
			time.Sleep(moment)
			_, epoch := look(true)
			return lease{epoch: func() uint64 { return epoch }, release: func(context.Context) error {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				delete(r.place.marked, k)
				return nil
			}}, nil
		}
	}},
	{law: "lease/names", did: "takes what is before a dot for the name", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			name, _, _ = strings.Cut(name, ".")
			return r.Backend.Acquire(ctx, name, ttl)
		}
	}},
	{law: "lease/refused", did: "takes no time for ever", breaks: func(r *ref) {
		r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
			if ttl == 0 {
				ttl = time.Hour
			}
			return r.Backend.Acquire(ctx, name, ttl)
		}
	}},
}

var sweepMutants = []mutant{
	{law: "sweep/keeps", did: "sweeps away what has not been written to for a while", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, o sweep) (found, error) {
			var report found
			for i := range r.Backend.List(ctx, "cache", opts{}) {
				if time.Since(i.ModTime) > o.Grace && o.Grace > 0 {
					report.Orphans++
					r.Backend.Delete(ctx, i.Key)
				}
			}
			return report, nil
		}
	}},
	{law: "sweep/beside", did: "marks first, and sweeps what came after the mark", breaks: func(r *ref) {
		r.doSweep = func(ctx context.Context, _ sweep) (found, error) {
			marked := map[key]bool{}
			for i := range r.Backend.List(ctx, "s", opts{}) {
				marked[i.Key] = true
			}
			for begin, swept := time.Now(), false; !swept && time.Since(begin) < 250*moment; time.Sleep(moment) {
				for i := range r.Backend.List(ctx, "s", opts{}) {
					if !marked[i.Key] {
						r.Backend.Delete(ctx, i.Key)
						swept = true
					}
				}
			}
			return found{}, nil
		}
	}},
	{law: "sweep/dry-run", did: "removes in a dry run", breaks: func(r *ref) {
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			n := r.place.litter
			r.place.litter = 0
			return found{Orphans: n}, nil
		}
	}},
	{law: "sweep/twice", did: "reports what it does not remove", breaks: func(r *ref) {
		r.doSweep = func(context.Context, sweep) (found, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return found{Orphans: r.place.litter}, nil
		}
	}},
}

var findMutants = []mutant{
	{law: "find/queries", did: "takes a type for a pattern", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			fixed, _ := q.Where.Fixed(component.FieldType, component.Equal)
			want, _ := fixed.(string)
			q.Where, _ = q.Where.Map(func(c component.Condition) (component.Condition, error) {
				if c.Field == component.FieldType && c.Op == component.Equal {
					return component.Condition{}, nil
				}
				return c, nil
			})
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					if err == nil && !strings.HasPrefix(d.Type, want) {
						continue
					}
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/limit", did: "counts the Limit before it looks at the rest", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			rest := q
			rest.Limit = 0
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, component.Query{Limit: q.Limit}, decode) {
					if err == nil && !rest.Match(d, nil) {
						continue
					}
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/since", did: "tells the time of the search", breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				for d, err := range backend.Find(ctx, r.Backend, q, decode) {
					d.Stored = time.Now().Add(time.Hour)
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}},
	{law: "find/changes", did: "leaves what was deleted in its index", breaks: func(r *ref) {
		var index []component.Description
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				if found, _ := all(backend.Find(ctx, r.Backend, component.Query{}, decode)); len(found) > len(index) {
					index = found
				}
				for _, d := range index {
					if q.Match(d, nil) && !yield(d, nil) {
						return
					}
				}
			}
		}
	}},
	{law: "find/callback", did: "holds its lock while the loop body runs", hangs: true, breaks: func(r *ref) {
		r.doFind = func(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
			return func(yield func(component.Description, error) bool) {
				r.place.mu.Lock()
				defer r.place.mu.Unlock()
				backend.Find(ctx, r.Backend, q, decode)(yield)
			}
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.Backend.Get(ctx, k)
		}
	}},
}

var leakMutants = []mutant{
	{law: "leak/calls", did: "leaves the goroutine of a list that is left early", breaks: func(r *ref) {
		r.doList = func(ctx context.Context, shelf string, o opts) list {
			return func(yield func(info, error) bool) {
				type step struct {
					i   info
					err error
				}
				steps := make(chan step)
				go func() {
					for i, err := range r.Backend.List(ctx, shelf, o) {
						steps <- step{i, err}
					}
					close(steps)
				}()
				for s := range steps {
					if !yield(s.i, s.err) {
						return
					}
				}
			}
		}
	}},
	{law: "leak/handles", did: "leaves a goroutine behind for each handle", breaks: func(r *ref) {
		go func() {
			tick := time.NewTicker(time.Hour)
			for range tick.C {
				r.Backend.Limits()
			}
		}()
	}},
}
