package conformance_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
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
