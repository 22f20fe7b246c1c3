package shelve_test

import (
	"context"
	"os"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   inMemory,
		Open:  func(ctx context.Context, loc string) (backend.Backend, error) { return shelve.Open(loc, nil) },
		Crash: conformance.Self,
	})
}

// inMemory returns a directory on a disk in memory, where there is one: the laws ask for
// tens of thousands of commits, each of which waits for the disk.
func inMemory(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "shelve-")
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
