package law

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// What a Leaser of a backend's own grants.
var leaseLaws = []Law{
	{
		Name: "lease/exclusive", Needs: []Need{Leases}, Fn: leaseExclusive,
		Rule: "While one holds a lease, all others get ErrLocked at once, on every handle.",
	},
	{
		Name: "lease/any", Needs: []Need{Leases}, Fn: leaseAny,
		Rule: "Whatever is acquired, renewed, released and asked for beside it, in whichever order and by whichever handle, one at most holds each lease, and epochs grow.",
	},
	{
		Name: "lease/release", Needs: []Need{Leases}, Fn: leaseReleased,
		Rule: "A lease that was released can be taken at once, whatever its former holder asks for.",
	},
	{
		Name: "lease/not-early", Waits: true, Needs: []Need{Leases}, Fn: leaseNotEarly,
		Rule: "A lease is not taken before its ttl has passed since it was acquired or last renewed.",
	},
	{
		Name: "lease/long", Tier: Full, Needs: []Need{Leases}, Fn: leaseLong,
		Rule: "A ttl of many seconds is one, also after a Renew.",
	},
	{
		Name: "lease/expires", Waits: true, Needs: []Need{Leases}, Fn: leaseExpires,
		Rule: "A lease that is not renewed can be taken by another after its ttl.",
	},
	{
		Name: "lease/shorter", Tier: Full, Waits: true, Needs: []Need{Leases}, Fn: leaseShorter,
		Rule: "A lease of less time than another one, that was acquired after it, is not held for longer than that one.",
	},
	{
		Name: "lease/renewed", Waits: true, Needs: []Need{Leases}, Fn: leaseRenewed,
		Rule: "Renew prolongs a lease from now, not from its end: one that was renewed often lasts no longer than one that was renewed once.",
	},
	{
		Name: "lease/lost", Waits: true, Needs: []Need{Leases}, Fn: leaseLost,
		Rule: "A holder that lost a lease to another gets ErrChanged from Renew, and its Release does the other no harm.",
	},
	{
		Name: "lease/lost-since", Waits: true, Needs: []Need{Leases}, Fn: leaseLostSince,
		Rule: "A holder that lost a lease to another cannot renew it, whatever happened since: that it was released, that it expired, that it is free, that the first one holds it anew.",
	},
	{
		Name: "lease/closed", Needs: []Need{Leases, SharedPlace}, Fn: leaseClosed,
		Rule: "A lease whose handle is closed is held until it ends: nobody else takes it meanwhile.",
	},
	{
		Name: "lease/epoch", Needs: []Need{Leases}, Fn: leaseEpochs,
		Rule: "The epoch of each holder is greater than that of every earlier one, through releases, expiry and reopening.",
	},
	{
		Name: "lease/beside", Needs: []Need{Leases}, Fn: leaseBeside,
		Rule: "A lease is held, and its epochs go on, whatever its handle does beside it: bodies read and closed, calls cancelled, values stored and deleted, a sweep, other leases, other handles closed.",
	},
	{
		Name: "lease/race", Needs: []Need{Leases}, Fn: leaseRace,
		Rule: "Of 16 that ask for a lease at once exactly one gets it, the others ErrLocked.",
	},
	{
		Name: "lease/names", Needs: []Need{Leases}, Fn: leaseNames,
		Rule: "Leases of different names have nothing to do with one another; a name is one segment of a key.",
	},
	{
		Name: "lease/context", Needs: []Need{Leases}, Fn: leaseContext,
		Rule: "A context that has ended takes no lease and renews none; one that ends later takes none away.",
	},
	{
		Name: "lease/unseen", Needs: []Need{Leases, FreshPlace}, Fn: leaseUnseen,
		Rule: "A lease is no entry: no shelf and no value comes with it.",
	},
	{
		Name: "lease/refused", Needs: []Need{Leases}, Fn: leaseRefused,
		Rule: "A lease of no time, or of a name outside the grammar, is an error.",
	},
}

// longLease is longer than any experiment.
const longLease = time.Hour

// acquire takes a lease.
func (p *probe) acquire(name string, ttl time.Duration) backend.Lease {
	l, err := p.tryAcquire(name, ttl)
	if err != nil {
		p.failf("Acquire(%q): %w", name, err)
	}
	if p.err != nil {
		return noLease{}
	}
	return l
}

func (p *probe) tryAcquire(name string, ttl time.Duration) (backend.Lease, error) {
	if p.err != nil {
		return noLease{}, p.err
	}
	leaser, _ := backend.As[backend.Leaser](p.b)
	return leaser.Acquire(p.ctx, name, ttl)
}

// locked wants Acquire to say that another holds the lease.
func (p *probe) locked(name string) {
	if p.err != nil {
		return
	}
	_, err := p.tryAcquire(name, longLease)
	p.fails(fmt.Sprintf("Acquire(%q), which is held,", name), err, backend.ErrLocked)
	p.typed("Acquire of a lease that is held", backend.Key{}, err)
}

// noLease stands in where acquiring failed.
type noLease struct{}

func (noLease) Epoch() uint64                 { return 0 }
func (noLease) Renew(context.Context) error   { return nil }
func (noLease) Release(context.Context) error { return nil }

// leaseName returns a fresh name: leases cannot be cleaned up.
func (e *Env) leaseName(name string) string {
	return fmt.Sprintf("law-%08x-%s", randomMark(), name)
}

// other returns a further handle where the place has several, else the same one.
func (e *Env) other(ctx context.Context) (*probe, error) {
	crew, err := e.crew(ctx, 2)
	if err != nil {
		return nil, err
	}
	return crew[1], nil
}

func leaseExclusive(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	name := e.leaseName("a")
	for _, ttl := range []time.Duration{100 * 365 * 24 * time.Hour, math.MaxInt64} {
		name := e.leaseName("forever")
		forever := p.acquire(name, ttl)
		q.locked(name)
		forever.Release(ctx)
	}
	l := p.acquire(name, longLease)
	for range 3 {
		p.locked(name)
		q.locked(name)
		if err := l.Renew(ctx); err != nil {
			p.failf("Renew: %w", err)
		}
	}
	l.Release(ctx)
	return errors.Join(p.err, q.err)
}

func leaseReleased(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	name := e.leaseName("a")
	for i := range 6 {
		holder := []*probe{p, q}[i%2]
		l := holder.acquire(name, longLease)
		for range 2 {
			if err := l.Release(ctx); err != nil {
				holder.failf("Release: %w", err)
			}
		}
		if i > 2 {
			l.Renew(ctx) // what it says about a released lease is its own affair
		}
	}
	return errors.Join(p.err, q.err)
}

func leaseEpochs(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	name, last := e.leaseName("a"), uint64(0)
	grows := func(what string, l backend.Lease) {
		if p.err == nil && q.err == nil && l.Epoch() <= last {
			p.failf("the epoch %s is %d, and before it was %d", what, l.Epoch(), last)
		}
		last = l.Epoch()
	}
	for i := range 4 {
		l := []*probe{p, q}[i%2].acquire(name, longLease)
		grows("after a release", l)
		l.Release(ctx)
	}
	old, now := e.expire(p, q, name, longLease)
	grows("of the next holder", old)
	grows("after expiry", now)
	now.Release(ctx)
	if shared, err := e.sharesPlace(ctx); err != nil || !shared {
		return errors.Join(p.err, q.err, err)
	}
	r := e.open(ctx)
	l := r.acquire(name, longLease)
	grows("through a handle opened later", l)
	l.Release(ctx)
	return errors.Join(p.err, q.err, r.err)
}

func leaseRace(ctx context.Context, e *Env) error {
	crew, err := e.crew(ctx, racers)
	if err != nil {
		return err
	}
	name, last := e.leaseName("a"), uint64(0)
	for round := range e.rounds() {
		leases := make([]backend.Lease, racers)
		if err := crowd(racers, func(i int) error {
			l, err := crew[i].tryAcquire(name, longLease)
			if err == nil {
				leases[i] = l
				return nil
			}
			q := crew[i].with(ctx)
			q.fails("Acquire in a race", err, backend.ErrLocked)
			return q.err
		}); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		var won []backend.Lease
		for _, l := range leases {
			if l != nil {
				won = append(won, l)
			}
		}
		if len(won) != 1 {
			return fmt.Errorf("round %d: %d of %d got one lease", round, len(won), racers)
		}
		if won[0].Epoch() <= last {
			return fmt.Errorf("round %d: the epoch is %d, and before it was %d", round, won[0].Epoch(), last)
		}
		last = won[0].Epoch()
		if err := won[0].Release(ctx); err != nil {
			return fmt.Errorf("round %d: Release: %w", round, err)
		}
	}
	return nil
}

func leaseNames(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	mark := e.leaseName("")
	longest := mark + strings.Repeat("n", backend.MaxSegment-len(mark))
	names := []string{mark + "a", mark + "a-b", mark + "a.b", mark + "a.lock", mark + "ab", longest, longest[:len(longest)-1] + "m"}
	for i, name := range names {
		l := p.acquire(name, longLease)
		defer l.Release(ctx)
		for _, held := range names[:i+1] {
			p.locked(held)
		}
	}
	for i := range e.byTier(100, 300, 3000) { // of a lock for each of some hundred stripes several would be one
		if e.Limits.CostlyRequests && i >= 40 {
			break
		}
		l := p.acquire(fmt.Sprint(mark, "many-", i), longLease)
		defer l.Release(ctx)
	}
	return p.err
}

func leaseRefused(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, ttl := range []time.Duration{0, -time.Second} {
		if _, err := p.tryAcquire(e.leaseName("a"), ttl); err == nil {
			p.failf("Acquire for %v succeeds", ttl)
		}
	}
	for _, name := range []string{"", "A", "a/b", "..", "a__b", "a\x00"} {
		_, err := p.tryAcquire(name, longLease)
		p.fails(fmt.Sprintf("Acquire(%q)", name), err, backend.ErrInvalidKey)
	}
	_, err := p.tryAcquire(strings.Repeat("a", backend.MaxSegment+1), longLease)
	p.fails("Acquire of a long name", err, backend.ErrTooLarge)
	return p.err
}

func leaseContext(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	name := e.leaseName("ended")
	for range 3 {
		_, err := p.with(ended).tryAcquire(name, longLease)
		p.fails("Acquire with a context that has ended", err, context.Canceled)
	}
	l := q.acquire(name, longLease)
	l.Release(ctx)
	name = e.leaseName("ends")
	limited, cancel := context.WithCancel(ctx)
	held := p.with(limited).acquire(name, longLease)
	cancel()
	p.fails("Renew with a context that has ended", held.Renew(ended), context.Canceled)
	for range 5 {
		time.Sleep(2 * time.Millisecond) // what waits for the end of the context gets on
		q.locked(name)
		if err := held.Renew(ctx); err != nil {
			p.failf("Renew of a lease whose context of Acquire ended: %w", err)
		}
	}
	held.Release(ctx)
	// What was asked for in vain does not keep it from its end.
	name = e.leaseName("vain")
	vain := p.acquire(name, 200*time.Millisecond)
	free := eventually(ctx, func() bool {
		p.fails("Renew with a context that has ended", vain.Renew(ended), context.Canceled, backend.ErrChanged)
		_, err := q.tryAcquire(name, longLease)
		return err == nil || p.err != nil || q.err != nil
	})
	if !free {
		q.failf("a lease of 200ms for which Renew was called with a context that has ended is not free after all the patience of this law")
	}
	return errors.Join(p.err, q.err)
}

func leaseUnseen(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	l := p.acquire(e.leaseName("a"), longLease)
	p.noShelf("while a lease is held")
	if err := l.Renew(ctx); err != nil {
		p.failf("Renew: %w", err)
	}
	p.noShelf("after a Renew")
	l.Release(ctx)
	p.noShelf("after a Release")
	return p.err
}

func leaseClosed(ctx context.Context, e *Env) error {
	p, q := e.handle(ctx), e.open(ctx)
	held, free := e.leaseName("held"), e.leaseName("given-up")
	l := q.acquire(held, longLease)
	defer l.Release(ctx)
	q.acquire(free, longLease).Release(ctx)
	q.close()
	p.locked(held)
	again := p.acquire(free, longLease)
	r := e.open(ctx)
	r.locked(held)
	r.locked(free)
	return errors.Join(again.Release(ctx), p.err, q.err, r.err)
}
