package law

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/larder-store/larder/backend"
)

// granted is a lease that somebody was given once.
type granted struct {
	backend.Lease
	name string
	by   int // a handle
	on   backend.Backend
}

func leaseAny(ctx context.Context, e *Env) error {
	for range e.pick(2, 8, 200) {
		if err := e.leases(ctx, e.pick(60, 150, 150)); err != nil {
			return err
		}
	}
	return nil
}

// leases does n steps with a few leases. None of them ends by itself.
func (e *Env) leases(ctx context.Context, n int) (err error) {
	w, err := e.newWorld(ctx, 3)
	if err != nil {
		return err
	}
	var all []*granted
	holder, epochs := map[string]*granted{}, map[string]uint64{}
	defer func() {
		for _, l := range holder {
			l.Release(ctx) // so that services forget it
		}
	}()
	a := e.leaseName("a")
	names := []string{a, a + ".b", e.leaseName(strings.Repeat("n", backend.MaxSegment-13))}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for range n {
		i := w.rnd.IntN(len(w.handles))
		p, name := w.handles[i], names[w.rnd.IntN(len(names))]
		var l *granted
		if len(all) > 0 {
			l = all[max(0, len(all)-1-w.rnd.IntN(6))]
		}
		switch k := w.rnd.IntN(20); {
		case k < 6 && holder[name] != nil:
			w.does(p, "Acquire(%.30q), which is held", name)
			p.locked(name)
		case k < 6:
			w.does(p, "Acquire(%.30q)", name)
			l := &granted{p.acquire(name, longLease), name, i, p.b}
			if p.err == nil && l.Epoch() <= epochs[name] {
				p.failf("Acquire(%q) has the epoch %d, and an earlier holder had %d", name, l.Epoch(), epochs[name])
			}
			all, holder[name], epochs[name] = append(all, l), l, l.Epoch()
		case k < 7:
			w.does(p, "Acquire(%.30q) with an ended context", name)
			_, err := p.with(ended).tryAcquire(name, longLease)
			if err == nil {
				p.failf("Acquire with an ended context succeeds")
			}
		case l == nil:
		case k < 10:
			w.does(p, "Renew of the lease with epoch %d of %.30q", l.Epoch(), l.name)
			err := l.Renew(ctx)
			now := holder[l.name]
			switch closed := w.handles[l.by].b != l.on; {
			case closed && errors.Is(err, backend.ErrClosed):
			case now == l && err != nil:
				p.failf("Renew of a lease that is held: %w", err)
			case now != nil && now != l:
				p.fails("Renew of a lease that another holds", err, backend.ErrChanged)
			case now == nil && err == nil && l.Epoch() < epochs[l.name]:
				p.failf("Renew of a lease that another had since succeeds")
			}
			if p.err == nil && l.Epoch() > epochs[l.name] {
				p.failf("the epoch of a lease that was renewed is %d, and it was %d", l.Epoch(), epochs[l.name])
			}
		case k < 11:
			w.does(p, "Renew with an ended context")
			if l.Renew(ended) == nil {
				p.failf("Renew with an ended context succeeds")
			}
		case k < 15:
			w.does(p, "Release of the lease with epoch %d of %.30q", l.Epoch(), l.name)
			if err := l.Release(ctx); err != nil && holder[l.name] == l {
				p.failf("Release of a lease that is held: %w", err)
			}
			if holder[l.name] == l {
				delete(holder, l.name)
			}
		case k < 16:
			if has[backend.Sweeper](p.b) {
				w.does(p, "Sweep")
				p.sweep(backend.SweepOptions{Grace: shortest})
			}
		case k < 18:
			key := e.key("s", name)
			w.does(p, "Put and Delete of what is called like a lease")
			p.put(key, "value")
			p.remove(key)
		default:
			held := false
			for _, l := range holder {
				held = held || l.by == i
			}
			if i > 0 && !held {
				w.reopen(i)
			}
		}
		if err := w.err(); err != nil {
			return err
		}
	}
	var free []error
	for name := range holder {
		_, err := w.handles[0].tryAcquire(name, longLease)
		if !errors.Is(err, backend.ErrLocked) {
			free = append(free, fmt.Errorf("after all Acquire(%q), which is held, = error %s", name, quoted(err)))
		}
	}
	return errors.Join(free...)
}
