package shelve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// A door lets processes take turns at one file. It is two lock files beside it, which are
// never removed: who wants in locks the gate, then the door, and then gives the gate
// back. So there is one who waits at the door, and the others wait at the gate in the order
// in which they came. Who is inside sees by the gate that someone waits, and leaves soon;
// without it, those inside could keep the others out for ever, readers above all, who
// share the door.
//
// Both files hold a line about who has them: process, host, and a count that goes on
// while he is alive.
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

	mu         sync.Mutex // guards the rest
	gate, door *os.File   // nil in a directory that cannot be written and has no locks
	beats      int
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
	sign(h.gate, 0)
	if err := lock(h.door, shared); err != nil {
		return err
	}
	sign(h.door, 0)
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
			h.beats++
			sign(h.door, h.beats)
			h.timer.Reset(beatEvery)
		}
	})
}

var hostname = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "unknown-host"
	}
	return host
})

// sign writes who we are into a lock file. It is a comfort: that it fails, or is read half
// written, costs others the name in an error.
func sign(f *os.File, beats int) {
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d %s %d\n", os.Getpid(), hostname(), beats), 0)
}

// signature reads what sign wrote.
func signature(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 512))
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// holder tells who is in the way: who has the door or, if nobody has, who is stuck before it.
func (d door) holder() string {
	path := d.doorPath()
	if f, err := os.Open(path); err == nil {
		if free, err := tryLock(f, false); err == nil && free {
			path = d.gatePath()
		}
		f.Close()
	}
	return signer(signature(path))
}

// signer tells who a signature is from.
func signer(signature string) string {
	fields := strings.Fields(signature)
	if len(fields) < 2 {
		return "a process that is not known"
	}
	if pid, err := strconv.Atoi(fields[0]); err == nil && pid == os.Getpid() && fields[1] == hostname() {
		return "this process"
	}
	return fmt.Sprintf("process %s on %s", fields[0], fields[1])
}

// patience is for how long a caller waits; the zero value for ever.
type patience struct {
	timeout time.Duration
	closing <-chan struct{} // closed with the caller's handle
}

// half returns a timer that fires, and again after each Reset, at half of the timeout.
func (p patience) half() *time.Timer {
	if p.timeout > 0 {
		return time.NewTimer(p.timeout / 2)
	}
	never := time.NewTimer(time.Hour)
	never.Stop()
	return never
}

// await waits for done, as long as ctx allows, and as long as those who hold d show
// that they are alive or go by in turn. It looks twice in a timeout: ErrLocked means that
// nothing moved between two looks.
func (d door) await(ctx context.Context, p patience, done <-chan struct{}) error {
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
		case <-p.closing:
			return backend.ErrClosed
		case <-timer.C:
			now := signature(d.doorPath()) + "\n" + signature(d.gatePath())
			if !looked || now != last {
				last, looked = now, true
				timer.Reset(p.timeout / 2)
				continue
			}
			return fmt.Errorf("%w: %s is held by %s, which stood still for %v; let it go on or end it, or give a longer timeout",
				backend.ErrLocked, d.path, d.holder(), p.timeout/2)
		}
	}
}
