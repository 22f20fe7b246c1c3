package larder

import (
	"context"
	"errors"
	"time"

	"github.com/larder-store/larder/internal/evict"
	"github.com/larder-store/larder/internal/marks"
)

// watchUses makes what notes the uses of values, and what keeps the store within its limit.
func (s *Store) watchUses(o Options) {
	now := func() time.Time { return s.now() }
	if !o.ReadOnly && (s.recorded() || o.MaxSize > 0) {
		sample := 1
		if s.limits.CostlyRequests {
			sample = marks.Sample
		}
		s.uses = marks.NewRecorder(s.backend, o.UseJournal, sample, now)
	}
	if !o.ReadOnly && o.MaxSize > 0 {
		s.limit = evict.NewLimiter(s.backend, o.MaxSize, now, s.tryEviction)
	}
}

// tryEviction takes the lock of evictions. Where the backend decides no conditions there is none: then several may evict at
// once, each of which removes only what is as it saw it.
func (s *Store) tryEviction(ctx context.Context) (unlock func(), err error) {
	l, err := s.TryLock(ctx, evict.Lock)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return func() {}, nil
	case err != nil:
		return nil, err
	}
	return func() { _ = l.Unlock(ctx) }, nil
}

// hit counts a hit, and notes the use of the value.
func (s *Store) hit(info Info) {
	s.counters.hit(info)
	if s.uses != nil {
		s.uses.Used(info.Key.Name, info.ModTime)
	}
}

// FlushUses stores now when values were used, as far as this Store knows and has not stored it yet. It is otherwise done
// now and then, and by Close: when a value was last used is known to a day.
func (s *Store) FlushUses(ctx context.Context) {
	if s.uses != nil {
		s.uses.Flush(ctx)
	}
}
