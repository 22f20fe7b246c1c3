package shelve

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/larder-store/larder/internal/ramdisk"
)

// TestShelvesBesideRewrites: a shelf whose file is being replaced, as compaction does, is found. A sweep that missed one would take its data
// for garbage.
func TestShelvesBesideRewrites(t *testing.T) {
	p := &place{path: ramdisk.Dir(t)}
	dir := filepath.Join(p.path, shelfDir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%s%04d%s", shelfMark, i, shelfEnd)) }
	const shelves = 1000
	for i := range shelves {
		if err := os.WriteFile(path(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	over := make(chan struct{})
	var rewriters sync.WaitGroup
	defer rewriters.Wait()
	defer close(over)
	for w := range 4 {
		rewriters.Go(func() {
			for i := w; ; i += 4 {
				select {
				case <-over:
					return
				default:
				}
				temp := path(i%shelves) + rewritten
				if err := os.WriteFile(temp, nil, 0o600); err != nil {
					t.Error(err)
					return
				}
				if err := os.Rename(temp, path(i%shelves)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 100 {
		names, err := p.shelves()
		if err != nil {
			t.Fatal(err)
		}
		for i := range shelves {
			if name := fmt.Sprintf("%04d", i); !slices.Contains(names, name) {
				t.Fatalf("shelf %s of %d is not found", name, len(names))
			}
		}
	}
}
