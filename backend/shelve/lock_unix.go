//go:build unix

package shelve

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// The locks are flock(2): they belong to the open file, so that they also hold between
// two users in one process, and end with it however it ends. Waiters in the kernel are
// served in order.

// lock waits for the lock on f, without end.
func lock(f *os.File, shared bool) error { return flock(f, mode(shared)) }

// tryLock takes the lock on f if it is free.
func tryLock(f *os.File, shared bool) (bool, error) {
	err := flock(f, mode(shared)|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func mode(shared bool) int {
	if shared {
		return syscall.LOCK_SH
	}
	return syscall.LOCK_EX
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}
