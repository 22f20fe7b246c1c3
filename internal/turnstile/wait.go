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

	// Look is asked every few milliseconds whether there is another way; nil is never.
	Look func() bool
}

// looks returns when Look is to be asked.
func (p WaitPolicy) looks() *time.Ticker {
	const every = time.Millisecond
	t := time.NewTicker(every)
	if p.Look == nil {
		t.Stop()
	}
	return t
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
// moved between two looks. It reports whether it ended because p.Look said so.
func (t Turnstile) Await(ctx context.Context, p WaitPolicy, done <-chan struct{}) (otherWay bool, err error) {
	select {
	case <-done:
		return false, nil
	default:
	}
	timer, looks := p.half(), p.looks()
	defer timer.Stop()
	defer looks.Stop()
	last, looked := "", false
	for {
		select {
		case <-done:
			return false, nil
		case <-looks.C:
			if p.Look() {
				return true, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		case <-p.Closing:
			return false, backend.ErrClosed
		case <-timer.C:
			now := durable.Signature(t.doorPath()) + "\n" + durable.Signature(t.gatePath())
			if !looked || now != last {
				last, looked = now, true
				timer.Reset(p.Timeout / 2)
				continue
			}
			return false, fmt.Errorf("%w: %s is held by %s, which stood still for %v; let it go on or end it, or give a longer timeout",
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
