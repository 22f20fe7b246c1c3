//go:build unix

package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
)

// Whoever can write a store can put a pipe in a value's place. It costs a miss, and nobody waits for it.
func TestPipeInAValuesPlace(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a", "1")
	put(t, b, "b", "2")
	path := filepath.Join(dir, "s", "a!")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, b, "a"); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Get = %q, %v, want ErrCorrupt", got, err)
	}
	if _, err := b.Stat(context.Background(), key("a")); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Stat = %v, want ErrCorrupt", err)
	}
	for _, err := range backend.Scan(context.Background(), b, "s", backend.ListOptions{After: "a"}) {
		if err != nil {
			t.Errorf("Scan behind it: %v", err)
		}
	}
	put(t, b, "a", "3")
	if got, err := get(t, b, "a"); got != "3" || err != nil {
		t.Errorf("Get after a Put = %q, %v, want what was put", got, err)
	}
}

// A link that leads nowhere, to a disk that is not mounted say, is as good as absent, and a Put that wants that replaces it. A link
// to a value is one.
func TestLinkInAValuesPlace(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a", "1")
	path, elsewhere := filepath.Join(dir, "s", "a!"), filepath.Join(t.TempDir(), "a")
	if err := errors.Join(os.Rename(path, elsewhere), os.Symlink(elsewhere, path)); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, b, "a"); got != "1" || err != nil {
		t.Errorf("Get of a link = %q, %v, want the value", got, err)
	}
	if _, err := tryPut(b, "a", "2", backend.PutOptions{IfAbsent: true}); !errors.Is(err, backend.ErrExists) {
		t.Errorf("Put beside a link = %v, want ErrExists", err)
	}
	if err := os.Remove(elsewhere); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, b, "a"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Get of a link that leads nowhere = %q, %v, want ErrNotFound", got, err)
	}
	if _, err := tryPut(b, "a", "3", backend.PutOptions{IfAbsent: true}); err != nil {
		t.Errorf("Put where a link leads nowhere: %v", err)
	}
	if got, err := get(t, b, "a"); got != "3" || err != nil {
		t.Errorf("Get after it = %q, %v, want what was put", got, err)
	}
}

// A directory in a value's place goes if it is empty; else a Put names it.
func TestDirectoryInAValuesPlace(t *testing.T) {
	for name, opts := range map[string]backend.PutOptions{"put": {}, "create": {IfAbsent: true}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir)
			path := filepath.Join(dir, "s", "a!")
			inside := filepath.Join(path, "inside")
			if err := os.MkdirAll(inside, 0o700); err != nil {
				t.Fatal(err)
			}
			if got, err := get(t, b, "a"); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("Get = %q, %v, want ErrCorrupt", got, err)
			}
			if _, err := tryPut(b, "a", "1", opts); err == nil || errors.Is(err, backend.ErrExists) || !strings.Contains(err.Error(), path+" is a directory") {
				t.Errorf("Put = %v, want an error that names the directory", err)
			}
			if _, err := os.Stat(inside); err != nil {
				t.Errorf("what is inside: %v", err)
			}
			if err := os.Remove(inside); err != nil {
				t.Fatal(err)
			}
			if _, err := tryPut(b, "a", "1", opts); err != nil {
				t.Errorf("Put where an empty directory is: %v", err)
			}
			if got, err := get(t, b, "a"); got != "1" || err != nil {
				t.Errorf("Get after a Put = %q, %v, want what was put", got, err)
			}
		})
	}
}
