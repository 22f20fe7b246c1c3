package file_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
)

// The name of a new store, and those of all directories that were made for it, are on the disk before it
// is used.
func TestRootIsDurable(t *testing.T) {
	top := t.TempDir()
	var synced []string
	defer file.WatchRoot(func(dir string) {
		rel, err := filepath.Rel(top, dir)
		if err != nil {
			t.Error(err)
		}
		synced = append(synced, filepath.ToSlash(rel))
	})()
	b, err := file.Open(filepath.Join(top, "a", "b", "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	for _, dir := range []string{".", "a", "a/b", "a/b/store"} {
		if !slices.Contains(synced, dir) {
			t.Errorf("making a store synced %q, want %q too", synced, dir)
		}
	}
}

// A store that was moved away while it is open, with another directory in its place, takes no values, and
// makes nothing there; put back, it goes on.
func TestMovedAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	b := open(t, dir)
	put(t, b, "a", "text")
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := b.Put(context.Background(), backend.Key{Shelf: "s", Name: "b"}, strings.NewReader(""), backend.PutOptions{})
	if err == nil || !strings.Contains(err.Error(), "was moved away") {
		t.Errorf("Put = %v, want that the store was moved away", err)
	}
	if err := b.Delete(context.Background(), backend.Key{Shelf: "s", Name: "a"}); err == nil || !strings.Contains(err.Error(), "was moved away") {
		t.Errorf("Delete = %v, want that the store was moved away", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("the directory in its place has %v", left)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-moved", dir); err != nil {
		t.Fatal(err)
	}
	put(t, b, "b", "text")
}
