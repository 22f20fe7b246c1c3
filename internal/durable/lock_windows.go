package durable

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// Lock waits, without end, for the lock on f: shared or exclusive. On Windows it is a byte range far
// behind the end of the file, because others can neither read nor write a range that is locked.
// It belongs to the open file and ends with the process.
func Lock(f *os.File, shared bool) error { return lockRange(f, mode(shared)) }

// TryLock takes the lock on f if it is free, and reports whether it did.
func TryLock(f *os.File, shared bool) (bool, error) {
	err := lockRange(f, mode(shared)|windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// Unlock gives up the lock on f.
func Unlock(f *os.File) error {
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
