package shelve

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/larder-store/larder/backend"
)

// wrap makes the error of a method. Here, at the border, errors of the system are
// explained.
func wrap(op string, key backend.Key, err error) error {
	if err == nil {
		return nil
	}
	return backend.Wrap(op, scheme, key, explain(err))
}

// advised is an error with what to do about it.
type advised struct {
	error
	advice string
}

func (a *advised) Error() string { return fmt.Sprintf("%v (%s)", a.error, a.advice) }
func (a *advised) Unwrap() error { return a.error }

// explain adds to an error of the file system what to do about it.
func explain(err error) error {
	advice := ""
	var already *advised
	switch {
	case err == nil:
		return nil
	case errors.As(err, &already):
		return err
	case errors.Is(err, syscall.ENOSPC):
		advice = "the disk is full: free space on it, or sweep the store with Compact, as larder gc --compact does"
	case errors.Is(err, errQuota):
		advice = "your quota on this disk is used up: free some, or sweep the store with Compact, as larder gc --compact does"
	case errors.Is(err, syscall.EROFS):
		advice = "the file system is mounted read-only: values can be read, but none stored"
	case errors.Is(err, fs.ErrPermission):
		advice = "the store's directory and all in it must belong to you, and be writable to store values"
	case errors.Is(err, syscall.EIO):
		advice = "the disk reports a defect: look at the system's log, and save what can be saved"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		advice = "too many open files: raise the limit (ulimit -n)"
	case errors.Is(err, syscall.ENOMEM):
		advice = "the index could not be mapped into memory: raise the limit on address space (ulimit -v)"
	default:
		return err
	}
	return &advised{err, advice}
}

// explainBolt makes a sentence of what bbolt says about the file at path. What is neither
// the system's own error nor a lock is a file that is not as bbolt left it.
func explainBolt(path string, err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s is held by a program that does not take turns, such as the bbolt command; end it", backend.ErrLocked, path)
	case errors.As(err, &errno), errors.Is(err, fs.ErrNotExist), errors.Is(err, backend.ErrCorrupt):
		return err
	}
	return corrupt(path, err)
}

// corrupt is the error of a bbolt file that cannot be read.
func corrupt(path string, why any) error {
	return fmt.Errorf("%w: %s: %v; put a backup in its place, or move it away and let the values on its shelves be computed again",
		backend.ErrCorrupt, path, why)
}
