package file

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/durable"
)

// lockDir holds empty files for the kernel's locks. They are never removed: a lock on a file
// that has no name any longer excludes nobody.
const lockDir = "locks"

// stripes is how many lock files there are. What they guard takes some 20 µs, so that
// even one would rarely be waited for; many make it rarer still.
const stripes = 64

// locks exclude all others, in this process and in others, who change the same file.
type locks struct {
	dir     string
	timeout time.Duration
	mine    [stripes]chan struct{} // a token each: goroutines queue here, one of them polls the kernel
}

func newLocks(dir string, timeout time.Duration) locks {
	l := locks{dir: dir, timeout: timeout}
	for i := range l.mine {
		l.mine[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits for the lock of a path, and for no longer than the timeout.
func (l *locks) lock(ctx context.Context, path string) (unlock func(), err error) {
	h := fnv.New32a()
	h.Write([]byte(path))
	i := h.Sum32() % stripes

	waiting, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	lockPath := filepath.Join(l.dir, fmt.Sprintf("%02d", i))
	stuck := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s was held for %v; is its holder stopped?", backend.ErrLocked, lockPath, l.timeout)
	}
	select {
	case l.mine[i] <- struct{}{}:
	case <-waiting.Done():
		return nil, stuck()
	}
	release := func() { <-l.mine[i] }
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		release()
		return nil, err
	}
	file, err := os.OpenFile(lockPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		release()
		return nil, err
	}
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 5*time.Millisecond) {
		locked, err := durable.TryLock(file, false)
		if locked {
			return func() { file.Close(); release() }, nil
		}
		if err == nil && driver.Pause(waiting, wait) != nil {
			err = stuck()
		}
		if err != nil {
			file.Close()
			release()
			return nil, err
		}
	}
}
