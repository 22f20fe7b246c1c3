package shelve

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// The locks are byte ranges far behind the end of the file, because a range that is
// locked can be neither read nor written by others.

// lock waits for the lock on f, without end.
func lock(f *os.File, shared bool) error { return lockRange(f, mode(shared)) }

// tryLock takes the lock on f if it is free.
func tryLock(f *os.File, shared bool) (bool, error) {
	err := lockRange(f, mode(shared)|windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

func unlock(f *os.File) error {
	err := windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, farBehind())
	return lockError(f, err)
}

func mode(shared bool) uint32 {
	if shared {
		return 0
	}
	return windows.LOCKFILE_EXCLUSIVE_LOCK
}

func lockRange(f *os.File, flags uint32) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, farBehind())
	return lockError(f, err)
}

func farBehind() *windows.Overlapped {
	const last = 1<<32 - 1
	return &windows.Overlapped{Offset: last, OffsetHigh: last >> 1}
}

func lockError(f *os.File, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
}
