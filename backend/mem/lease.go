package mem

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// grant is what a place knows about a lease: its last holder, and until when. It
// stays after its end, so that epochs go on growing.
type grant struct {
	epoch uint64
	until time.Time // zero: released
}

// lease is a [backend.Lease].
type lease struct {
	b     *Backend
	name  string
	epoch uint64
	ttl   time.Duration
}

// Acquire implements [backend.Leaser], by the clock of [Options.Now].
func (b *Backend) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	l, err := b.acquire(ctx, name, ttl)
	if err != nil {
		return nil, backend.Wrap("acquire", scheme, backend.Key{}, fmt.Errorf("lease %q: %w", name, err))
	}
	return l, nil
}

func (b *Backend) acquire(ctx context.Context, name string, ttl time.Duration) (*lease, error) {
	b.place.mu.Lock()
	defer b.place.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	if err := (backend.Key{Shelf: "leases", Name: name}).Validate(); err != nil {
		return nil, err
	}
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("%w: the name of a lease is one segment", backend.ErrInvalidKey)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("a time to live of %v is too short", ttl)
	}
	now, last := b.opts.Now(), b.place.leases[name]
	if now.Before(last.until) {
		return nil, fmt.Errorf("%w: holder %d has it for another %v", backend.ErrLocked, last.epoch, last.until.Sub(now))
	}
	b.place.leases[name] = grant{last.epoch + 1, now.Add(ttl)}
	return &lease{b, name, last.epoch + 1, ttl}, nil
}

// Epoch implements [backend.Lease].
func (l *lease) Epoch() uint64 { return l.epoch }

// Renew implements [backend.Lease].
func (l *lease) Renew(ctx context.Context) error {
	return l.change(ctx, "renew", func(now time.Time) error {
		g := l.b.place.leases[l.name]
		if g.epoch != l.epoch || !now.Before(g.until) {
			return backend.ErrChanged
		}
		l.b.place.leases[l.name] = grant{l.epoch, now.Add(l.ttl)}
		return nil
	})
}

// Release implements [backend.Lease].
func (l *lease) Release(ctx context.Context) error {
	return l.change(ctx, "release", func(time.Time) error {
		if l.b.place.leases[l.name].epoch == l.epoch {
			l.b.place.leases[l.name] = grant{epoch: l.epoch}
		}
		return nil
	})
}

func (l *lease) change(ctx context.Context, op string, f func(now time.Time) error) error {
	l.b.place.mu.Lock()
	defer l.b.place.mu.Unlock()
	err := l.b.ready(ctx)
	if err == nil {
		err = f(l.b.opts.Now())
	}
	if err != nil {
		err = fmt.Errorf("lease %q: %w", l.name, err)
	}
	return backend.Wrap(op, scheme, backend.Key{}, err)
}
