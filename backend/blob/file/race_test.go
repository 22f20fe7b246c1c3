package file_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
)

// Deletes remove the directories that they empty, under the feet of Puts.
func TestPutBesideDeletesOfItsDirectory(t *testing.T) {
	b := open(t, t.TempDir())
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 300 {
				name := fmt.Sprintf("deep/er/%d", worker)
				if _, err := tryPut(b, name, "x", backend.PutOptions{IfAbsent: true}); err != nil {
					t.Errorf("Put %d of %s: %v", i, name, err)
					return
				}
				if err := b.Delete(t.Context(), key(name)); err != nil {
					t.Errorf("Delete %d of %s: %v", i, name, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A sweep takes the lock of a file that its writer, or another sweep, has just removed.
func TestSweepBesideWritersAndSweeps(t *testing.T) {
	b := open(t, t.TempDir())
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				if _, err := tryPut(b, fmt.Sprintf("v%d", worker), "x", backend.PutOptions{}); err != nil {
					t.Errorf("Put %d: %v", i, err)
					return
				}
			}
		})
		wg.Go(func() {
			for i := range 1000 {
				if _, err := backend.Sweep(t.Context(), b, backend.SweepOptions{Grace: 1}); err != nil {
					t.Errorf("Sweep %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
