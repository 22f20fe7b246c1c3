//go:build linux || darwin

package component

import (
	"io/fs"
	"syscall"
)

// identity distinguishes a file from all others that exist beside it.
func identity(info fs.FileInfo) (device, inode uint64, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return uint64(s.Dev), uint64(s.Ino), true
}
