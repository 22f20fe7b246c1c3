package tar_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tar"
)

// The same values give the same bytes, whatever was tried between them.
func TestDeterministic(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.tar"), filepath.Join(dir, "b.tar")
	write(t, a, values())
	w, err := tar.Create(b)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	broken := errors.New("broken")
	for _, v := range values() {
		for _, n := range []int64{0, 1, v.info.Size / 2} {
			body := io.MultiReader(io.LimitReader(bytes.NewReader(v.body), n), iotest.ErrReader(broken))
			if err := w.Add(v.info, body); v.info.Size > 0 && !errors.Is(err, broken) {
				t.Errorf("Add of a body that fails after %d bytes = %v", n, err)
			}
			if v.info.Size == 0 {
				break // of an empty value nothing is read: it is in
			}
		}
		if v.info.Size == 0 {
			continue
		}
		if err := w.Add(v.info, bytes.NewReader(v.body[1:])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Add of a short body = %v, want ErrUnexpectedEOF", err)
		}
		if err := w.Add(v.info, iotest.OneByteReader(bytes.NewReader(v.body))); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(v.info, bytes.NewReader(v.body)); err == nil {
			t.Error("Add takes a key twice")
		}
	}
	if err := w.Add(values()[0].info, bytes.NewReader(nil)); err == nil {
		t.Error("Add takes a key out of order")
	}
	if _, err := os.Stat(b); err == nil {
		t.Error("the tar has its name before Commit")
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	textA, errA := os.ReadFile(a)
	textB, errB := os.ReadFile(b)
	if errA != nil || errB != nil || !bytes.Equal(textA, textB) {
		t.Errorf("two tars of the same values differ: %d and %d bytes, %v, %v", len(textA), len(textB), errA, errB)
	}
	if left := namesIn(t, dir); !slices.Equal(left, []string{"a.tar", "b.tar"}) {
		t.Errorf("left are %q", left)
	}
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// An older tar is there until the new one is whole, and readers of it are not disturbed.
func TestReplaces(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.tar")
	all := values()
	write(t, path, all)
	old, err := tar.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	w, err := tar.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tar.Create(path); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("a second Create = %v, want ErrLocked", err)
	}
	if err := w.Add(all[2].info, bytes.NewReader(all[2].body)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if left := namesIn(t, dir); !slices.Equal(left, []string{"x.tar"}) {
		t.Errorf("after Abort left are %q", left)
	}
	if err := os.WriteFile(path+".part", bytes.Repeat([]byte("left by a killed one"), 1e5), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, path, all[:1])
	for _, v := range all {
		if body, _, err := backend.GetVerified(ctx, old, v.info.Key); err != nil || !bytes.Equal(body, v.body) {
			t.Errorf("Get(%v) of the replaced tar = %d bytes, %v", v.info.Key, len(body), err)
		}
	}
	fresh, err := tar.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if got := listed(t, fresh, "cache", backend.ListOptions{}); len(got) != 1 {
		t.Errorf("the new tar holds %q", got)
	}
	if _, err := tar.Create(dir); err == nil {
		t.Error("Create takes the place of a directory")
	}
}

// A disk that is full, or a body that is another than announced, leaves no tar.
func TestFails(t *testing.T) {
	if _, err := tar.Create(filepath.Join(t.TempDir(), "none", "x.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Create in a directory that is not there = %v", err)
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := tar.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := infoOf("cache", "../x", nil, nil)
	if err := w.Add(bad, bytes.NewReader(nil)); !errors.Is(err, backend.ErrInvalidKey) {
		t.Errorf("Add of a bad key = %v, want ErrInvalidKey", err)
	}
	bad = infoOf("cache", "x", nil, backend.Meta{"Codec": "raw"})
	if err := w.Add(bad, bytes.NewReader(nil)); !errors.Is(err, backend.ErrInvalidKey) {
		t.Errorf("Add of bad metadata = %v, want ErrInvalidKey", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	b, err := tar.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := shelvesOf(t, b, backend.ListOptions{}); len(got) != 0 {
		t.Errorf("an empty tar has the shelves %q", got)
	}
}
