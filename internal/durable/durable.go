// Package durable holds what lasting files need of a system: kernel locks on open files, and names that
// survive a power cut.
package durable

import (
	"errors"
	"io/fs"
	"syscall"
)

// Unwritable reports whether err is that of a directory or disk that may only be read.
func Unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}
