package file_test

import (
	"context"
	"fmt"
	"slices"
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

// What is stored under a name behind others before these are deleted is met by a list that does not meet them, though the names of
// a directory are read before what is in its files: so packs that are merged are found at one of their places.
func TestReplacementsAreListed(t *testing.T) {
	ctx := context.Background()
	for into, old := range map[string][]string{
		"p/5-9": {"p/1", "p/2", "p/3", "p/4", "p/5"},
		"p/5/9": {"p/1", "p/2", "p/3", "p/4", "p/5/1"},
		"q/1":   {"p/1", "p/2"},
		"p/3/4": {"p/3/1", "p/3/2"},
		"r/1":   {"p/1", "q/1"}, // the directory q is gone when its turn comes
		"p/3/1": {"p/1", "p/2/1", "p/2/2"},
	} {
		b := open(t, ramdisk.Dir(t))
		for _, name := range old {
			put(t, b, name, "v")
		}
		var listed []string
		for info, err := range b.List(ctx, "s", backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if listed = append(listed, info.Key.Name); len(listed) > 1 {
				continue
			}
			put(t, b, into, "v")
			for _, name := range old {
				if err := b.Delete(ctx, backend.Key{Shelf: "s", Name: name}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if want := []string{old[0], into}; !slices.Equal(listed, want) {
			t.Errorf("listed are %q, want %q", listed, want)
		}
	}
}
