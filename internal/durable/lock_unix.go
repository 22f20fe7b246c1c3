//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Lock waits, without end, for the lock on f: shared with others that share it, or
// exclusive. On Unix it is flock(2): it belongs to the open file, so it also excludes two
// users in one process, is inherited by child processes that inherit the file, and ends
// with the last of them, however that ends. The kernel serves waiters in order. A
// blocked Lock cannot be cancelled.
func Lock(f *os.File, shared bool) error { return flock(f, mode(shared)) }

// TryLock takes the lock on f if it is free, and reports whether it did.
func TryLock(f *os.File, shared bool) (bool, error) {
	err := flock(f, mode(shared)|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Unlock gives up the lock on f, for all processes that inherited it too.
func Unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

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
