package shelve_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
)

// A store that was moved away while it is open, with another directory in its place, takes no values and
// grants no leases, and makes nothing there; put back, it goes on.
func TestMovedAway(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "store")
	b := open(t, dir, nil)
	defer b.Close()
	mustPut(t, b, cache("a"), []byte("text"))
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"Put of a small value": func() error { return put(b, cache("b"), []byte("text")) },
		"Put of a large value": func() error { return put(b, cache("b"), value("large", large)) },
		"Put on a new shelf":   func() error { return put(b, backend.Key{Shelf: "new", Name: "k"}, []byte("text")) },
		"Acquire": func() error {
			_, err := b.Acquire(ctx, "name", time.Minute)
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "was moved away") {
			t.Errorf("%s = %v, want that the store was moved away", what, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("the directory in its place has %v", left)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-moved", dir); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, cache("b"), []byte("text"))
}
