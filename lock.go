package larder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/backoff"
)

// A Lock is a name that one holder has at a time, among all processes and machines that use a backend.
//
// It rests on a lease: a holder that dies loses it, at once on shelves and after its time to live
// elsewhere; and one that is stopped, or cut off from the store, for longer than that loses it without knowing.
// Done is closed as soon as that can be known. What must not happen twice needs a condition of
// its own (IfAbsent, IfMatch), or a receiver that refuses an Epoch smaller than one it has seen.
type Lock struct {
	name  string
	lease backend.Lease
	ttl   time.Duration
	done  chan struct{}

	unlocked atomic.Bool
	renewed  atomic.Int64 // when the last request began that prolonged the lease, as [sinceStart] counts

	stop   context.CancelFunc
	ended  chan struct{} // the renewing goroutine has returned
	unlock sync.Once
	err    error // of Unlock
}

// lockPrefix keeps names of locks from those of leases of results.
const lockPrefix = "lock "

// TryLock takes the lock of any name, or fails at once with an error that matches [ErrLocked] and says who
// holds it. On a backend without conditional writes it fails with [errors.ErrUnsupported].
func (s *Store) TryLock(ctx context.Context, name string) (*Lock, error) {
	client := s.locks
	if client == nil {
		return nil, fmt.Errorf("lock %q: %w: the backend decides no conditions atomically", name, errors.ErrUnsupported)
	}
	began := sinceStart()
	held, err := client.Acquire(ctx, lockPrefix+name)
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", name, err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Lock{name: name, lease: held, ttl: client.TTL(), done: make(chan struct{}), stop: stop, ended: make(chan struct{})}
	l.renewed.Store(began)
	go l.renew(renewing)
	return l, nil
}

// Lock is TryLock that waits for the holder until ctx ends.
func (s *Store) Lock(ctx context.Context, name string) (*Lock, error) {
	var held error // what the last answer said of the holder
	for pauses := backoff.New(firstPause, lastPause); ; {
		l, err := s.TryLock(ctx, name)
		switch {
		case errors.Is(err, ErrLocked):
			held = err
		case err != nil && ctx.Err() != nil: // the end of ctx may cut a question off, too
			return nil, errors.Join(err, held)
		default:
			return l, err
		}
		if err := pauses.Wait(ctx); err != nil {
			return nil, errors.Join(err, held)
		}
	}
}

// renew keeps the lock until it is given up, or lost.
func (l *Lock) renew(ctx context.Context) {
	defer close(l.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.ttl / 3):
		}
		began := sinceStart()
		asking, cancel := context.WithTimeout(ctx, l.ttl)
		err := l.lease.Renew(asking)
		cancel()
		switch {
		case err == nil:
			l.renewed.Store(began)
		case ctx.Err() != nil:
			return
		case errors.Is(err, backend.ErrChanged), !l.fresh():
			close(l.done)
			return
		}
	}
}

// Done returns a channel that is closed once the lock is known to be lost. Unlock does not close it.
func (l *Lock) Done() <-chan struct{} { return l.done }

// Held reports whether the lock is held still, as far as this process can know without asking the store: a
// false says that another may have it. After a call that the lock protects, a true says that nobody else
// had it during the call, by this machine's clock.
func (l *Lock) Held() bool {
	select {
	case <-l.done:
		return false
	default:
		return l.fresh() && !l.unlocked.Load()
	}
}

// fresh reports whether the lease was prolonged within its time to live.
func (l *Lock) fresh() bool { return time.Duration(sinceStart()-l.renewed.Load()) <= l.ttl }

var start = time.Now()

// sinceStart counts the nanoseconds of this process, by a clock that is never set.
func sinceStart() int64 { return int64(time.Since(start)) }

// Epoch is the fencing token: greater than that of every earlier holder of the name.
func (l *Lock) Epoch() uint64 { return l.lease.Epoch() }

// Unlock gives the lock up, also after the end of ctx. It may be called again, and then returns the same.
func (l *Lock) Unlock(ctx context.Context) error {
	l.unlock.Do(func() {
		l.unlocked.Store(true)
		l.stop()
		<-l.ended
		// Also where ctx ended, as by Ctrl-C: others would wait for the lease.
		releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.ttl)
		defer cancel()
		if err := l.lease.Release(releasing); err != nil {
			l.err = fmt.Errorf("unlock %q: %w", l.name, err)
		}
	})
	return l.err
}
