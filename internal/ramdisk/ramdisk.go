// Package ramdisk gives tests a directory on a disk in memory. The laws ask for tens of
// thousands of files: on a real disk each one waits for it, and ext4 looks at every inode
// that was freed in the last minute before it hands one out, so that tests that create and
// delete slow each other down.
package ramdisk

import (
	"os"
	"testing"
)

// Dir returns a fresh directory in memory where the system has a disk there, else one like
// t.TempDir. It is removed at the end of t.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "larder-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
