package law

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/larder-store/larder/backend"
)

// What becomes of a lease as time passes.

func leaseLong(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	const ttl, wait = 30 * time.Second, 4 * time.Second
	name, since := e.leaseName("a"), time.Now()
	l := p.acquire(name, ttl)
	if err := l.Renew(ctx); err != nil {
		p.failf("Renew: %w", err)
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return errors.Join(p.err, ctx.Err())
	}
	_, err = q.tryAcquire(name, ttl)
	if age := time.Since(since); age < ttl*9/10 { // or this machine slept
		q.fails(fmt.Sprintf("Acquire of a lease of %v that is %v old", ttl, age), err, backend.ErrLocked)
	}
	return errors.Join(p.err, q.err)
}

func leaseNotEarly(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	// Acquire says "about": a tenth less is not held against anybody.
	const ttl, least = 1500 * time.Millisecond, 1350 * time.Millisecond // no whole number of seconds
	name := e.leaseName("a")
	since := time.Now() // a lower bound of when the ttl began, so that a slow machine proves nothing
	l := p.acquire(name, ttl)
	renewals := 0
	lone, begun, taken := e.leaseName("lone"), time.Now(), false // that is not renewed
	p.acquire(lone, ttl)
	for p.err == nil && q.err == nil && ctx.Err() == nil {
		if !taken {
			_, err := q.tryAcquire(lone, ttl)
			if age := time.Since(begun); err == nil && age < least {
				q.failf("a lease of %v that was never renewed was taken from its holder after %v", ttl, age)
			}
			taken = err == nil
		}
		_, err := q.tryAcquire(name, ttl)
		age := time.Since(since)
		switch {
		case err == nil && age < least:
			q.failf("a lease of %v was taken from its holder after %v", ttl, age)
		case err == nil:
			return nil // in its own time, or because this machine was slow to renew
		default:
			q.fails("Acquire beside a holder", err, backend.ErrLocked)
		}
		if renewals < 2 && age > ttl/2 {
			now := time.Now()
			if err := l.Renew(ctx); err == nil {
				since = now
			} else if time.Since(since) < least {
				p.failf("Renew %v after the lease of %v began: %w", time.Since(since), ttl, err)
			}
			renewals++
		}
		time.Sleep(ttl / 50)
	}
	return errors.Join(p.err, q.err, ctx.Err())
}

// expire takes a lease for a moment, and then another takes it.
func (e *Env) expire(p, q *probe, name string, ttl time.Duration) (old, now backend.Lease) {
	const moment = 150 * time.Millisecond
	old, now = p.acquire(name, moment), noLease{}
	if p.err != nil || q.err != nil {
		return old, now
	}
	got := eventually(q.ctx, func() bool {
		l, err := q.tryAcquire(name, ttl)
		if err == nil {
			now = l
		} else if !errors.Is(err, backend.ErrLocked) {
			q.failf("Acquire of a lease that expires: %w", err)
		}
		return err == nil || q.err != nil
	})
	if !got {
		q.failf("a lease of %v that is not renewed is not free after all the patience of this law", moment)
	}
	return old, now
}

func leaseExpires(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	e.expire(p, q, e.leaseName("a"), longLease)
	return errors.Join(p.err, q.err)
}

func leaseShorter(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	const long, short = 6 * time.Second, 200 * time.Millisecond
	longer, shorter := e.leaseName("longer"), e.leaseName("shorter")
	p.acquire(longer, long)
	time.Sleep(short) // so that it is seen which one ends first, if both last equally long
	p.acquire(shorter, short)
	eventually(ctx, func() bool {
		first, err := q.tryAcquire(longer, long)
		if err == nil {
			first.Release(ctx)
		}
		ended := err == nil
		second, err := q.tryAcquire(shorter, short) // asked for later, so that a slow machine proves nothing
		if err == nil {
			second.Release(ctx)
			return true
		}
		if ended {
			q.fails(fmt.Sprintf("Acquire of a lease of %v while it is held", short), err, backend.ErrLocked)
			q.failf("a lease of %v is held still, and one of %v that began before it has ended", short, long)
		}
		return q.err != nil || p.err != nil
	})
	return errors.Join(p.err, q.err, ctx.Err())
}

func leaseRenewed(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	const ttl = 2 * time.Second
	name := e.leaseName("a")
	l := p.acquire(name, ttl)
	for range e.pick(100, 300, 3000) { // all of them, added up, are more than the patience of this law
		if err := l.Renew(ctx); errors.Is(err, backend.ErrChanged) {
			break // this machine was slow
		} else if err != nil {
			p.failf("Renew: %w", err)
		}
	}
	if p.err != nil {
		return p.err
	}
	free := eventually(ctx, func() bool {
		next, err := q.tryAcquire(name, ttl)
		if err == nil {
			err = next.Release(ctx)
		}
		if err != nil && !errors.Is(err, backend.ErrLocked) {
			q.failf("Acquire of a lease that expires: %w", err)
		}
		return err == nil || q.err != nil
	})
	if !free {
		q.failf("a lease of %v that was renewed often is not free after all the patience of this law", ttl)
	}
	return errors.Join(p.err, q.err)
}

func leaseLost(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	name := e.leaseName("a")
	old, now := e.expire(p, q, name, longLease)
	for range 2 {
		err := old.Renew(ctx)
		p.fails("Renew of a lease that another took", err, backend.ErrChanged)
		p.typed("Renew of a lease that another took", backend.Key{}, err)
		old.Release(ctx) // what it says about a lost lease is its own affair
		p.locked(name)
		if err := now.Renew(ctx); err != nil {
			q.failf("Renew after the earlier holder released: %w", err)
		}
	}
	return errors.Join(p.err, q.err)
}

func leaseLostSince(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	const moment = 150 * time.Millisecond
	name := e.leaseName("a")
	first, second := e.expire(p, q, name, moment)
	lost := func(since string) {
		if p.err == nil && q.err == nil {
			p.fails("Renew of a lease that another took, since when "+since+",", first.Renew(ctx), backend.ErrChanged)
		}
	}
	// The second one expires, and the first one takes the lease a third time.
	var third backend.Lease = noLease{}
	eventually(ctx, func() bool {
		lost("it may have expired")
		l, err := p.tryAcquire(name, longLease)
		if err == nil {
			third = l
		} else if !errors.Is(err, backend.ErrLocked) {
			p.failf("Acquire of a lease that expires: %w", err)
		}
		return err == nil || p.err != nil
	})
	lost("the same handle holds it anew")
	if p.err == nil {
		q.fails("Renew of a lease that another took", second.Renew(ctx), backend.ErrChanged)
	}
	first.Release(ctx) // what it says about a lost lease is its own affair
	q.locked(name)
	if err := third.Renew(ctx); err != nil {
		p.failf("Renew beside those that lost the lease: %w", err)
	}
	if err := third.Release(ctx); err != nil {
		p.failf("Release: %w", err)
	}
	for range 2 {
		lost("it was released")
		fourth := q.acquire(name, longLease) // and it is not held in secret
		lost("another took it and holds it")
		fourth.Release(ctx)
	}
	return errors.Join(p.err, q.err)
}
