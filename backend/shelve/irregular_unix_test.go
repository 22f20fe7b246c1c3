//go:build unix

package shelve_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
)

// Whoever can write a store can put a pipe in the place of a value's file. It costs a miss, and nobody waits for it.
func TestPipeInADataFilesPlace(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	key := backend.Key{Shelf: backend.ShelfCache, Name: "a"}
	if err := put(b, key, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "data", "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the data files are %q, %v, want one", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(b, key); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Get = %v, want ErrCorrupt", err)
	}
	if _, _, err := backend.MapVerified(t.Context(), b, key); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("MapVerified = %v, want ErrCorrupt", err)
	}
	if err := put(b, key, []byte("anew")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(b, key); string(got) != "anew" || err != nil {
		t.Errorf("Get after a Put = %q, %v, want what was put", got, err)
	}
}

func TestPipeInABboltFilesPlace(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	if err := put(b, backend.Key{Shelf: backend.ShelfCache, Name: "a"}, []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "main.db")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := backend.Salvage(t.Context(), open(t, dir, nil))
	if err != nil || len(all) != 1 || all[0].Part != path || all[0].Saved != 0 || len(all[0].Errors) != 1 {
		t.Errorf("Salvage = %+v, %v; want one part of which nothing was saved", all, err)
	}
}
