//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Open opens a regular file for reading; anything else is [ErrIrregular], and nothing waits for it: to open a pipe would
// take until somebody writes to it. Reads of the file wait as those of [os.Open]'s do.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, syscall.ENXIO): // a socket
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrIrregular}
	case errors.Is(err, syscall.EAGAIN): // a file server has a lease on it, or it has to come back from a tape
		if info, statErr := os.Stat(path); statErr != nil || !info.Mode().IsRegular() {
			return nil, err
		}
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, err
	}
	if f, err = regular(f); err != nil {
		return nil, err
	}
	if err := wait(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// wait takes O_NONBLOCK off a file: some file systems heed it although the file is a regular one.
func wait(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	failed := c.Control(func(fd uintptr) { err = syscall.SetNonblock(int(fd), false) })
	return errors.Join(failed, err)
}
