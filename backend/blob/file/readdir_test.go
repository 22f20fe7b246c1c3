package file_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/ramdisk"
)

// Keys that are overwritten while they are listed are in every list. On a disk in memory, as on btrfs, a name that a rename takes
// over changes its place in the directory, which may be behind a reader.
func TestOverwrittenKeysAreListed(t *testing.T) {
	ctx := context.Background()
	b := open(t, ramdisk.Dir(t))
	const keys = 1000
	name := func(i int) string { return fmt.Sprintf("k%04d", i) }
	for i := range keys {
		put(t, b, name(i), "v")
	}
	over := make(chan struct{})
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(over)
	for w := range 4 {
		writers.Go(func() {
			for i := w; ; i += 4 { // the one that was not overwritten for longest
				select {
				case <-over:
					return
				default:
				}
				if _, err := tryPut(b, name(i%keys), "v", backend.PutOptions{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		listed := map[string]int{}
		for info, err := range b.List(ctx, "s", backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			listed[info.Key.Name]++
		}
		for i := range keys {
			if n := listed[name(i)]; n != 1 {
				t.Fatalf("%s is listed %d times, want once", name(i), n)
			}
		}
	}
}
