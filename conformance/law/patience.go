package law

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"
)

// patience is how long one law may take on a machine that has nothing else to do.
func (c Config) patience(tier Tier) time.Duration {
	switch {
	case c.Patience > 0:
		return c.Patience
	case tier == Soak:
		return time.Hour
	case tier == Full:
		return 2 * time.Minute
	}
	return 30 * time.Second
}

// errPatience is why the context of a law ended that took too long.
var errPatience = errors.New("out of patience")

// within runs f with a context that ends when its patience does, and leaves it behind if it does
// not heed it: a backend that hangs must not hang its judge. Time on a busy machine counts for less.
func within(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		err := errors.New("it ended its goroutine, as t.Fatal does")
		defer func() { done <- err }()
		err = guarded(func() error { return f(limited) })
	}()
	tick := time.NewTicker(min(max(patience/20, time.Millisecond), time.Second))
	defer tick.Stop()
	// A call that heeds its context comes back soon after it ended.
	spent, hang := time.Duration(0), patience+patience/4+time.Second
	for last := time.Now(); ; {
		select {
		case err := <-done:
			if err != nil && errors.Is(context.Cause(limited), errPatience) {
				return fmt.Errorf("not done after %v: %w", patience, err)
			}
			return err
		case now := <-tick.C:
			spent += time.Duration(float64(now.Sub(last)) / machine.slowness())
			last = now
		}
		switch {
		case spent > hang:
			return fmt.Errorf("hangs: not back after %v, and does not heed its context", patience)
		case spent > patience:
			cancel(errPatience)
		}
	}
}

// machine is how busy this machine is.
var machine gauge

// A gauge measures how many times longer than at its best a fixed piece of work takes here and now.
// It looks at most once a second, for some milliseconds.
type gauge struct {
	mu     sync.Mutex // guards all below
	best   time.Duration
	asked  time.Time
	factor float64
}

// slowness is 1 on an idle machine and about 15 where 30 processes share two cores; never more
// than 20, so that what hangs comes to its end.
func (g *gauge) slowness() float64 {
	const pieces, most, fresh = 10, 20, time.Second
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.factor > 0 && time.Since(g.asked) < fresh {
		return g.factor
	}
	begin := time.Now()
	for range pieces {
		if took := piece(); g.best == 0 || took < g.best {
			g.best = took // a piece is short enough to be done in one go now and then
		}
	}
	g.asked = time.Now()
	g.factor = min(max(1, float64(g.asked.Sub(begin))/float64(pieces*g.best)), most)
	return g.factor
}

var pieceOfWork [64 << 10]byte

// piece does about half a millisecond of work, and returns how long it took.
func piece() time.Duration {
	begin := time.Now()
	for range 10 {
		sha256.Sum256(pieceOfWork[:])
	}
	return time.Since(begin)
}
