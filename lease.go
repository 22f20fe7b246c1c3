package larder

import (
	"context"
	"errors"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/backoff"
)

// The pauses between looks at a lease that another holds: short at first, since many
// computations are; at the end as rare as a bucket's price asks for.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = time.Second
)

// lease takes the lease of a key, waiting for its holder for at most MaxWait. Without
// a lease, and no error, the caller goes on all the same: if it waited, to look again.
func (s *Store) lease(ctx context.Context, key backend.Key) (l backend.Lease, waited bool, err error) {
	if s.leases == nil {
		return nil, false, nil
	}
	if s.unreachable.remove(key.String()) { // every request to a dead service costs the caller seconds
		s.log.Warn("larder: no lease, since the store could not be asked; computing without", "key", key.String())
		return nil, false, nil
	}
	deadline := time.Now().Add(s.maxWait)
	asking, cancel := context.WithTimeout(ctx, max(s.maxWait, s.leases.TTL())) // a service may not answer at all
	defer cancel()
	before := "" // the version that the key holds when the wait begins
	for pauses := backoff.New(firstPause, lastPause); ; {
		if waited {
			l, err = s.inherit(asking, key, before)
		} else {
			l, err = s.leases.Acquire(asking, key.Name)
		}
		switch {
		case err == nil:
			return l, waited, nil
		case ctx.Err() != nil:
			return nil, waited, context.Cause(ctx)
		case !errors.Is(err, ErrLocked):
			s.log.Warn("larder: no lease; computing without", "key", key.String(), "err", err)
			return nil, waited, nil
		case time.Now().After(deadline):
			s.log.Warn("larder: waited long enough for another process; computing too", "key", key.String(), "err", err)
			return nil, true, nil
		case !waited:
			s.log.Info("larder: waiting for another process's computation", "key", key.String(), "err", err)
			before = s.version(asking, key)
		}
		waited = true
		_ = pauses.Wait(ctx) // whose end the next Acquire meets
	}
}

// inherit takes the lease after its holder. It returns none where the holder left a result:
// reading it needs no lease, and a fleet need not take it one after the other.
func (s *Store) inherit(ctx context.Context, key backend.Key, before string) (backend.Lease, error) {
	free, err := s.leases.Look(ctx, key.Name)
	if err != nil {
		return nil, err
	}
	if free {
		if now := s.version(ctx, key); now != "" && now != before {
			return nil, nil
		}
	}
	return s.leases.Acquire(ctx, key.Name)
}

// version returns the version of what a key holds, "" if that is nothing, or cannot be known.
func (s *Store) version(ctx context.Context, key backend.Key) string {
	info, err := s.backend.Stat(ctx, key)
	if err != nil {
		return ""
	}
	return info.Version
}

// keepLease prolongs a lease until the returned function releases it. A holder that lost it goes on: its
// result is as good as the other one's, and what is stored first stays. A request that
// takes longer than the ttl is given up, since by then the others help themselves.
func (s *Store) keepLease(ctx context.Context, l backend.Lease, key backend.Key) (release func()) {
	ttl := s.leases.TTL()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	renew := func() error {
		ctx, cancel := context.WithTimeout(ctx, ttl)
		defer cancel()
		return l.Renew(ctx)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(ttl / 3):
			}
			if err := renew(); errors.Is(err, backend.ErrChanged) {
				s.log.Warn("larder: lost the lease; another process may compute the same", "key", key.String())
				return
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl)
		defer cancel()
		if err := l.Release(ctx); err != nil {
			s.log.Warn("larder: lease not released; others wait until it expires", "key", key.String(), "err", err)
		}
	}
}
