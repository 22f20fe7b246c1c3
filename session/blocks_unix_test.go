//go:build unix

package session_test

import (
	"io/fs"
	"syscall"
)

// blocksOf returns the bytes that a file takes on disk.
func blocksOf(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return 0
}
