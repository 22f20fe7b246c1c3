package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// TestDiskFaults fails each step of an operation in the ways in which disks fail. The error
// says which it was and what to do; the value is the old or the new one; when the disk is well
// again, so is the store.
func TestDiskFaults(t *testing.T) {
	putLarge := func(b *shelve.Backend) error { return put(b, cache("k"), value("new", large)) }
	putSmall := func(b *shelve.Backend) error { return put(b, cache("k"), []byte("new")) }
	remove := func(b *shelve.Backend) error { return b.Delete(context.Background(), cache("k")) }
	ops := map[string]func(b *shelve.Backend) error{"put large": putLarge, "put small": putSmall, "delete": remove}
	faults := map[syscall.Errno]string{
		syscall.ENOSPC: "the disk is full: free space on it, or sweep the store with Compact, as larder gc --compact does",
		syscall.EROFS:  "read-only",
		syscall.EIO:    "the disk reports a defect",
		syscall.EACCES: "must belong to you",
		syscall.EMFILE: "ulimit -n",
	}
	for name, op := range ops {
		for errno, advice := range faults {
			for _, old := range [][]byte{nil, value("old", large)} {
				t.Run(fmt.Sprintf("%s over %d bytes/%v", name, len(old), errno), func(t *testing.T) {
					for at := 1; ; at++ {
						if !faultAt(t, op, errno, advice, old, at) {
							return
						}
					}
				})
			}
		}
	}
}

// faultAt fails step at of op, and reports whether there was one.
func faultAt(t *testing.T, op func(*shelve.Backend) error, errno syscall.Errno, advice string, old []byte, at int) bool {
	t.Helper()
	dir := t.TempDir()
	steps, hit := 0, ""
	armed := false
	var mu sync.Mutex
	b := open(t, dir, shelve.WithHook(shelve.Options{}, func(step, path string) error {
		mu.Lock()
		defer mu.Unlock()
		if !armed {
			return nil
		}
		if steps++; steps == at {
			hit = step
			return errno
		}
		return nil
	}))
	if old != nil {
		mustPut(t, b, cache("k"), old)
	}
	armed = true
	err := op(b)
	armed = false
	if hit == "" {
		if err != nil {
			t.Errorf("nothing injected, and %v", err)
		}
		return false
	}
	var wrapped *backend.Error
	switch {
	case strings.HasSuffix(hit, "remove") && err == nil: // the sweep will do it
	case !errors.Is(err, errno), !errors.As(err, &wrapped), !strings.Contains(err.Error(), advice):
		t.Errorf("%s: %v, want a *backend.Error of %v with the advice %q", hit, err, errno, advice)
	case strings.Contains(err.Error(), "corrupt"):
		t.Errorf("%s: %v, which is not corrupt", hit, err)
	}
	got, _, err := get(b, cache("k"))
	switch {
	case errors.Is(err, backend.ErrNotFound):
		if old != nil && !strings.Contains(hit, "commit") && !strings.Contains(hit, "remove") {
			t.Errorf("%s: the old value is gone", hit)
		}
	case err != nil:
		t.Errorf("%s: afterwards: %v", hit, err)
	case !bytes.Equal(got, old) && !bytes.HasPrefix(got, []byte("new")):
		t.Errorf("%s: afterwards it holds %.10q…", hit, got)
	}
	if err := op(b); err != nil {
		t.Errorf("%s: again: %v", hit, err)
	}
	files := 0
	if info, err := b.Stat(context.Background(), cache("k")); err == nil && info.Size > shelve.DefaultInline {
		files++
	}
	b.Close()
	checkSwept(t, dir, files)
	return true
}

// TestNotInDoubt: a full disk leaves no file behind, though nothing sweeps.
func TestNotInDoubt(t *testing.T) {
	for _, step := range []string{"before create", "before write", "after write", "before link", "after link", "before sync", "before sync directory"} {
		dir, fail := t.TempDir(), ""
		b := open(t, dir, shelve.WithHook(shelve.Options{}, func(s, path string) error {
			if s == fail {
				return syscall.ENOSPC
			}
			return nil
		}))
		mustPut(t, b, cache("other"), []byte("v"))
		fail = step
		if err := put(b, cache("k"), value("new", large)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v, want %v", step, err, syscall.ENOSPC)
		}
		fail = ""
		if files := dataFiles(t, dir); len(files) != 0 {
			t.Errorf("%s: left %v", step, files)
		}
	}
}
