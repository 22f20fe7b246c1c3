package session_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/larder-store/larder/session"
)

// heap returns what is in use, after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million items, in sessions of both layouts, are collated in the memory of a few batches.
func TestMillionItemsInFlatMemory(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name     string
		layout   session.Layout
		sessions int
		items    int
	}{
		{"packs", session.LayoutPacks, 4, 200_000},
		{"items", session.LayoutItems, 10, 20_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := manager(t, onShelves(t)(), "m", &session.Options{Layout: c.layout, Parallel: 4})
			for i := range c.sessions {
				s := opened(t, m, fmt.Sprint(i), nil)
				err := s.PutAll(ctx, func(yield func(string, any) bool) {
					for k := range c.items {
						if !yield(fmt.Sprintf("%07d", k), "a value of a few bytes") {
							return
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				closed(t, s)
			}
			before, most, n := heap(), uint64(0), 0
			for _, err := range session.Matching[string](ctx, m, session.All) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n%100_000 == 0 {
					most = max(most, heap())
				}
			}
			if n != c.sessions*c.items {
				t.Errorf("%d items are collated, want %d", n, c.sessions*c.items)
			}
			if most > before+64<<20 {
				t.Errorf("while %d items are collated %d MiB are in use, %d more than before", n, most>>20, (most-before)>>20)
			}
		})
	}
}

// Many small sessions stay small on disk: a hundred KiB each at most, as files are long, and forty in blocks.
func TestManySmallSessions(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	const sessions, items = 200, 10
	m, err := session.OpenURL(ctx, "shelve://"+dir, "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range sessions {
		s := opened(t, m, fmt.Sprintf("%04d", i), nil)
		err := s.PutAll(ctx, func(yield func(string, any) bool) {
			for k := range items {
				if !yield(fmt.Sprint(k), make([]byte, 100)) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		closed(t, s)
	}
	length, blocks := int64(0), int64(0)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			length += fi.Size()
			blocks += blocksOf(fi)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const store = 1 << 20 // what an empty one takes
	if length > store+sessions*100<<10 || blocks > store+sessions*40<<10 {
		t.Errorf("%d sessions of %d items take %d KiB each, and %d in blocks; want at most 100 and 40", sessions, items, length/sessions>>10, blocks/sessions>>10)
	}
	if n, err := session.Count(ctx, m, session.All); err != nil || n != sessions*items {
		t.Errorf("Count = %d, %v, want %d", n, err, sessions*items)
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil && len(open) > 300 {
		t.Errorf("%d files are open after many sessions were collated", len(open))
	}
}

// A small value that the caller keeps does not keep what it was read with.
func TestSmallValuesPinNothing(t *testing.T) {
	ctx := context.Background()
	m := manager(t, inFiles(t)(), "m", &session.Options{Layout: session.LayoutPacks})
	for i := range 32 {
		s := opened(t, m, fmt.Sprint(i), nil)
		put(t, s, "a", []byte("small"))
		put(t, s, "b", make([]byte, 1<<20))
		closed(t, s)
	}
	before := heap()
	var kept [][]byte
	for item, err := range session.Matching[[]byte](ctx, m, session.Prefix("a")) {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, item.Value)
	}
	if grown := int64(heap()) - int64(before); len(kept) != 32 || grown > 8<<20 {
		t.Errorf("%d values of 5 bytes keep %d bytes", len(kept), grown)
	}
	runtime.KeepAlive(kept)
}
