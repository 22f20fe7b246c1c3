package shelve

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

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
			return fmt.Errorf("%w: %s is held by %s; nothing moved for %v: let it go on or end it, or give a longer timeout",
				backend.ErrLocked, d.path, d.holder(), p.timeout/2)
		}
	}
}

var hostname = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "unknown-host"
	}
	return host
})

// sign writes into a lock file who we are and that we are alive. The time is there to differ
// from all that was written before. Where signing fails, as in a directory that may only
// be read, others may take us for one who stands still.
func sign(f *os.File) {
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d %s %d\n", os.Getpid(), hostname(), time.Now().UnixNano()), 0)
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

// holder tells who is in the way: who has the door, and who is next. The second may have
// the door already, if he was stopped before he could sign.
func (d door) holder() string {
	var held []string
	for _, path := range []string{d.doorPath(), d.gatePath()} {
		if who := signer(signature(path)); isLocked(path) && !slices.Contains(held, who) {
			held = append(held, who)
		}
	}
	if len(held) == 0 {
		return unknown
	}
	return strings.Join(held, ", before ")
}

const unknown = "a process that is not known"

func isLocked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // and so unlock
	free, err := tryLock(f, false)
	return err == nil && !free
}

// signer tells who a signature is from.
func signer(signature string) string {
	fields := strings.Fields(signature)
	if len(fields) < 2 {
		return unknown
	}
	if pid, err := strconv.Atoi(fields[0]); err == nil && pid == os.Getpid() && fields[1] == hostname() {
		return "this process"
	}
	return fmt.Sprintf("process %s on %s", fields[0], fields[1])
}
