package turnstile

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

// A WaitPolicy says how long a caller waits; the zero value waits for ever.
type WaitPolicy struct {
	Timeout time.Duration   // without a sign of life; 0 is none
	Closing <-chan struct{} // closed with the caller's handle: the wait ends with backend.ErrClosed
}

// half returns a timer that fires, and again after each Reset, at half of the timeout.
func (p WaitPolicy) half() *time.Timer {
	if p.Timeout > 0 {
		return time.NewTimer(p.Timeout / 2)
	}
	never := time.NewTimer(time.Hour)
	never.Stop()
	return never
}

// Await waits for done, as long as ctx allows, and as long as the holders of t show that they are
// alive or take turns. It looks twice in a timeout: [backend.ErrLocked] means that nothing
// moved between two looks.
func (t Turnstile) Await(ctx context.Context, p WaitPolicy, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
	}
	timer := p.half()
	defer timer.Stop()
	last, looked := "", false
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Closing:
			return backend.ErrClosed
		case <-timer.C:
			now := durable.Signature(t.doorPath()) + "\n" + durable.Signature(t.gatePath())
			if !looked || now != last {
				last, looked = now, true
				timer.Reset(p.Timeout / 2)
				continue
			}
			return fmt.Errorf("%w: %s is held by %s, which stood still for %v; let it go on or end it, or give a longer timeout",
				backend.ErrLocked, string(t), t.holder(), p.Timeout/2)
		}
	}
}

// holder names the process in the way: the one that has the door or, if none has, the one that is stuck before it.
func (t Turnstile) holder() string {
	path := t.doorPath()
	if f, err := os.Open(path); err == nil {
		if free, err := durable.TryLock(f, false); err == nil && free {
			path = t.gatePath()
		}
		f.Close()
	}
	return durable.Signer(durable.Signature(path))
}
