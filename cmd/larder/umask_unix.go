//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// umask returns the bits that new files shall not have. The system tells it only to those
// who set it.
func umask() fs.FileMode {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return fs.FileMode(mask)
}
