// Package turnstile lets processes take turns at one file, in the order in which they come.
//
// A turnstile is two lock files beside the file, which are never removed: whoever wants in locks the
// gate, then the door, and then gives the gate back. So one process waits at the door, and the others
// wait at the gate in the order in which they came. The holder sees by the gate that someone waits, and
// leaves soon; without it, those inside could keep the others out for ever, readers above all, which
// share the door.
//
// Both files hold a line that says who has them: process, host, and a count that grows while the holder
// is alive.
package turnstile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/larder-store/larder/internal/durable"
)

// A Turnstile is the way to the file that it is named after. Its lock files are that path with
// ".gate" and ".door" appended.
type Turnstile string

func (t Turnstile) gatePath() string { return string(t) + ".gate" }
func (t Turnstile) doorPath() string { return string(t) + ".door" }

// beatEvery is how often a holder shows that it is alive; well under half of MinTimeout.
const beatEvery = 250 * time.Millisecond

// MinTimeout is the least [WaitPolicy.Timeout] in which a living holder always shows itself.
const MinTimeout = time.Second

// A Hold is a turnstile that this process has passed, or is about to.
type Hold struct {
	at   Turnstile
	soon time.Duration // how long to stand before the door; 0 is without end

	mu         sync.Mutex // guards the rest
	gate, door *os.File   // nil in a directory that cannot be written and has no locks
	beats      int
	timer      *time.Timer // nil once the hold was left
}

// Approach opens the lock files, and creates them where they are missing. [Hold.Enter] must follow.
func (t Turnstile) Approach() (*Hold, error) {
	gate, err := openLock(t.gatePath())
	if err != nil {
		return nil, err
	}
	door, err := openLock(t.doorPath())
	if err != nil {
		gate.Close()
		return nil, err
	}
	return &Hold{at: t, gate: gate, door: door}, nil
}

// Enter waits until the turnstile is passed, without end: shared with others that share it, or alone. It
// reports whether the lock files are still those that others find; else they were removed
// with their store, the hold is closed again, and the caller approaches anew.
func (h *Hold) Enter(shared bool) (entered bool, err error) {
	if h.gate == nil || h.door == nil {
		h.beat()
		return true, nil
	}
	err = h.pass(shared)
	if err != nil || !durable.IsAt(h.gate, h.at.gatePath()) || !durable.IsAt(h.door, h.at.doorPath()) {
		h.close()
		return false, err
	}
	h.beat()
	return true, nil
}

func (h *Hold) pass(shared bool) error {
	if err := durable.Lock(h.gate, false); err != nil {
		return err
	}
	durable.Sign(h.gate, 0)
	if err := h.lockDoor(shared); err != nil {
		return err
	}
	durable.Sign(h.door, 0)
	return durable.Unlock(h.gate)
}

// ErrBusy is that those inside did not leave soon.
var ErrBusy = errors.New("those inside stay")

// lockDoor locks the door, for which this process holds the gate: until it is through, no other process
// comes in.
func (h *Hold) lockDoor(shared bool) error {
	if h.soon == 0 {
		return durable.Lock(h.door, shared)
	}
	const most = 20 * time.Millisecond
	end := time.Now().Add(h.soon)
	for wait := time.Millisecond; ; wait = min(2*wait, most) {
		free, err := durable.TryLock(h.door, shared)
		if free || err != nil {
			return err
		}
		if time.Now().After(end) {
			return ErrBusy
		}
		time.Sleep(wait)
	}
}

// Enter passes the turnstile, and waits for that as long as ctx and p allow.
func (t Turnstile) Enter(ctx context.Context, p WaitPolicy, shared bool) (*Hold, error) {
	return t.enter(ctx, p, shared, 0)
}

// EnterSoon is Enter, alone, for a caller that would rather not come in than keep others waiting:
// from when it is its turn those inside have so long to leave, else it fails with [ErrBusy].
func (t Turnstile) EnterSoon(ctx context.Context, p WaitPolicy, soon time.Duration) (*Hold, error) {
	return t.enter(ctx, p, false, soon)
}

func (t Turnstile) enter(ctx context.Context, p WaitPolicy, shared bool, soon time.Duration) (*Hold, error) {
	type answer struct {
		entered bool
		err     error
	}
	for {
		h, err := t.Approach()
		if err != nil {
			return nil, err
		}
		h.soon = soon
		answers, done := make(chan answer, 1), make(chan struct{})
		go func() {
			entered, err := h.Enter(shared)
			answers <- answer{entered, err}
			close(done)
		}()
		if _, err := t.Await(ctx, p, done); err != nil {
			go func() { // a blocked flock cannot be cancelled
				if late := <-answers; late.entered {
					h.Leave()
				}
			}()
			return nil, err
		}
		switch a := <-answers; {
		case a.err != nil:
			return nil, a.err
		case a.entered:
			return h, nil
		}
	}
}

// openLock opens a lock file, and creates it if it is missing. In a directory that cannot be
// written it returns nil if there is none.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if !durable.Unwritable(err) {
		return f, err
	}
	f, err = os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// Contended reports whether another process waits for the holder to leave.
func (h *Hold) Contended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer == nil || h.gate == nil {
		return false
	}
	free, err := durable.TryLock(h.gate, true)
	if free {
		err = durable.Unlock(h.gate)
	}
	return err == nil && !free
}

// Leave lets the next one in.
func (h *Hold) Leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
	h.timer = nil
	h.close()
}

func (h *Hold) close() {
	h.door.Close() // nil is an error, and no harm
	h.gate.Close()
}

// beat shows from now on that the holder is alive.
func (h *Hold) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(beatEvery, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.timer != nil && h.door != nil {
			h.beats++
			durable.Sign(h.door, h.beats)
			h.timer.Reset(beatEvery)
		}
	})
}
