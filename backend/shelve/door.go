package shelve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A door lets processes take turns at one file. It is two lock files beside it, which are
// never removed: who wants in locks the gate, then the door, and then gives the gate
// back. So there is one who waits at the door, and the others wait at the gate in the order
// in which they came. Who is inside sees by the gate that someone waits, and leaves soon;
// without it, those inside could keep the others out for ever, readers above all, who
// share the door.
//
// Both files hold a line about who has them: process, host, and a time that goes on while
// he is alive.
type door struct{ path string }

func (d door) gatePath() string { return d.path + ".gate" }
func (d door) doorPath() string { return d.path + ".door" }

// beatEvery is how often a holder shows that it is alive; well under half the shortest
// timeout.
const (
	beatEvery  = 250 * time.Millisecond
	minTimeout = time.Second
)

// hold is a door that is held.
type hold struct {
	at door

	mu         sync.Mutex  // guards the rest
	gate, door *os.File    // nil in a directory that cannot be written and has no locks
	timer      *time.Timer // nil once the hold was left
}

// approach opens the lock files, and makes them if need be.
func (d door) approach() (*hold, error) {
	gate, err := openLock(d.gatePath())
	if err != nil {
		return nil, err
	}
	door, err := openLock(d.doorPath())
	if err != nil {
		gate.Close()
		return nil, err
	}
	return &hold{at: d, gate: gate, door: door}, nil
}

// enter waits for the door, without end. It reports whether the door is still the one
// that others find; else it was removed with its store, and is closed again.
func (h *hold) enter(shared bool) (entered bool, err error) {
	if h.gate == nil || h.door == nil {
		h.beat()
		return true, nil
	}
	err = h.pass(shared)
	if err != nil || !isAt(h.gate, h.at.gatePath()) || !isAt(h.door, h.at.doorPath()) {
		h.close()
		return false, err
	}
	h.beat()
	return true, nil
}

func (h *hold) pass(shared bool) error {
	if err := lock(h.gate, false); err != nil {
		return err
	}
	sign(h.gate)
	if err := lock(h.door, shared); err != nil {
		return err
	}
	sign(h.door)
	return unlock(h.gate)
}

// enter waits for the door as long as ctx and p allow.
func (d door) enter(ctx context.Context, p patience, shared bool) (*hold, error) {
	type answer struct {
		entered bool
		err     error
	}
	for {
		h, err := d.approach()
		if err != nil {
			return nil, err
		}
		answers, done := make(chan answer, 1), make(chan struct{})
		go func() {
			entered, err := h.enter(shared)
			answers <- answer{entered, err}
			close(done)
		}()
		if err := d.await(ctx, p, done); err != nil {
			go func() { // nobody can call back who waits in the kernel
				if late := <-answers; late.entered {
					h.leave()
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

// openLock opens a lock file and makes it if need be. In a directory that cannot be
// written it returns nil if there is none.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if !unwritable(err) {
		return f, err
	}
	f, err = os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// isAt reports whether f is the file that path names.
func isAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	want, err := os.Stat(path)
	return err == nil && os.SameFile(have, want)
}

// knocked reports whether someone waits at the gate.
func (h *hold) knocked() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer == nil || h.gate == nil {
		return false
	}
	free, err := tryLock(h.gate, true)
	if free {
		err = unlock(h.gate)
	}
	return err == nil && !free
}

// leave gives up the door.
func (h *hold) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
	h.timer = nil
	h.close()
}

func (h *hold) close() {
	h.door.Close() // nil is an error, and no harm
	h.gate.Close()
}

// beat shows from now on that the holder is alive.
func (h *hold) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(beatEvery, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.timer != nil && h.door != nil {
			sign(h.door)
			h.timer.Reset(beatEvery)
		}
	})
}
