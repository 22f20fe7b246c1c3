package ramdisk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// A Small is a disk in memory of a size of its own, which can be filled.
type Small struct {
	Dir string
}

// NewSmall mounts a disk of so many bytes until the end of t. That takes root: without, the test is skipped,
// and says so loudly.
func NewSmall(t testing.TB, bytes int64) *Small {
	t.Helper()
	dir, err := os.MkdirTemp("", "larder-disk-")
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		os.Remove(dir)
		t.Skipf("NOT TESTED: a disk that is full takes a mount, which this user may not make: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		os.Remove(dir)
	})
	return &Small{dir}
}

// Grow makes room.
func (s *Small) Grow(t testing.TB, bytes int64) {
	t.Helper()
	if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatal(err)
	}
}
