package larder_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// stuck is a place whose service takes requests for leases and never answers.
type stuck struct {
	*tap
	granted bool // all but the first request
	renewed chan bool
}

func (b stuck) Acquire(ctx context.Context, _ string, _ time.Duration) (backend.Lease, error) {
	if b.granted {
		return b, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (stuck) Epoch() uint64 { return 1 }

func (b stuck) Renew(ctx context.Context) error {
	<-ctx.Done()
	select {
	case b.renewed <- true:
	default: // the test has seen enough
	}
	return ctx.Err()
}

func (stuck) Release(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A service that takes the requests for leases and never answers keeps no result from its caller, and
// one lost heartbeat does not end the others.
func TestLeasesWithoutAnAnswer(t *testing.T) {
	for _, granted := range []bool{true, false} {
		b := stuck{apart(), granted, make(chan bool, 2)}
		s := larder.New(b, &larder.Options{Logger: quiet, LeaseTTL: 20 * time.Millisecond, MaxWait: time.Millisecond})
		done := make(chan error, 1)
		go func() {
			_, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (int, error) {
				for range 2 {
					if granted {
						await(t, b.renewed, "a heartbeat")
					}
				}
				return 1, nil
			})
			done <- err
		}()
		if err := await(t, done, "the result"); err != nil {
			t.Errorf("Memo: %v", err)
		}
	}
}

// Who waited for a result that is there now reads it, and does not take the lease first: a fleet
// would stand in line.
func TestWaitersDoNotQueueForTheLease(t *testing.T) {
	const waiters = 10
	b := apart()
	var waiting, written atomic.Int64
	begun := make(chan bool, 1)
	b.onPut = func(key backend.Key, o backend.PutOptions) error {
		switch {
		case key.Shelf != "leases":
		case o.IfMatch != "":
			written.Add(1)
		case waiting.Add(1) == 1+waiters: // the holder, and all who came after it
			begun <- true
		}
		return nil
	}
	ask := func() error {
		s := larder.New(b, &larder.Options{Logger: quiet})
		_, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (int, error) {
			await(t, begun, "the waiting calls")
			for b.stats.Load() < waiters { // they see that there is no result yet
				runtime.Gosched()
			}
			return 1, nil
		})
		return err
	}
	var g errgroup.Group
	for range 1 + waiters {
		g.Go(ask)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if written.Load() != 1 {
		t.Errorf("the lease changes hands or is renewed %d times, want once: its release", written.Load())
	}
}

// A call that could not even look a result up does not ask for its lease: a service that does not answer would
// cost the same seconds again. The next one asks.
func TestNoLeaseFromTheSilent(t *testing.T) {
	b := apart()
	asked := false
	b.onPut = func(key backend.Key, _ backend.PutOptions) error {
		asked = asked || key.Shelf == "leases"
		return nil
	}
	// Under a key that was only guessed nothing is stored: what the second step finds is there before.
	if _, err := larder.New(b, &larder.Options{Logger: quiet}).Put(t.Context(), fit(1), "x", 42); err != nil {
		t.Fatal(err)
	}
	s := larder.New(b, &larder.Options{Logger: quiet})
	claim := func() error {
		claim, err := s.Claim(t.Context(), fit(2), "x")
		if err == nil {
			claim.Release()
		}
		return err
	}
	for _, step := range []struct {
		name   string
		silent bool
		do     func() error
		want   bool
	}{
		{"Memo", true, func() error { return memo(t, s, fit(1), "x") }, false},
		{"Memo, of what a lookup finds", false, func() error { return memo(t, s, fit(1), "x") }, false},
		{"Memo, of what a lookup misses", false, func() error { return memo(t, s, fit(3), "x") }, true},
		{"Reader", true, func() error {
			_, _, err := s.Reader(t.Context(), fit(2), "x")
			if !errors.Is(err, larder.ErrUnavailable) {
				return fmt.Errorf("%v, want %v", err, larder.ErrUnavailable)
			}
			return nil
		}, false},
		{"Claim behind it", true, claim, false},
		{"the next Claim", false, claim, true},
	} {
		asked, b.onGet = false, nil
		if step.silent {
			b.onGet = func(backend.Key) error { return fmt.Errorf("%w: no answer", backend.ErrUnavailable) }
		}
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if asked != step.want {
			t.Errorf("%s: the lease was asked for is %v, want %v", step.name, asked, step.want)
		}
	}
}
