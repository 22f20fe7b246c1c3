package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
)

// disk records what is made durable, and what the value's file was like then.
type disk struct {
	value  string   // the path of the value's file
	events []string // "bytes", then directories relative to the root
	root   string
	fail   string // the event that fails
}

var errDisk = errors.New("input/output error")

func (d *disk) event(t *testing.T, name string, present bool) error {
	t.Helper()
	if _, err := os.Stat(d.value); (err == nil) != present {
		t.Errorf("when %s is made durable the value has its name: %v, want %v", name, !present, present)
	}
	d.events = append(d.events, name)
	if name == d.fail {
		return errDisk
	}
	return nil
}

func (d *disk) open(t *testing.T, present bool) backend.Backend {
	t.Helper()
	b, err := file.OpenOn(d.root,
		func(f *os.File) error {
			if stat, err := f.Stat(); err != nil || stat.Size() < 100 {
				t.Errorf("synced is a file of %d bytes, which is not all of the value", stat.Size())
			}
			return d.event(t, "bytes", false)
		},
		func(dir string) error {
			rel, err := filepath.Rel(d.root, dir)
			if err != nil {
				t.Error(err)
			}
			return d.event(t, filepath.ToSlash(rel), present)
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// What a Put acknowledged survives a power cut: its bytes are on the disk before they have a name, the
// name and every directory above it before the Put returns. So is a Delete's absence.
func TestOrderOfSyncs(t *testing.T) {
	root := t.TempDir()
	watched := func() *disk { return &disk{root: root, value: filepath.Join(root, "s", "a", "b!")} }
	want := []string{"bytes", "s/a", "s", "."}
	for name, opts := range map[string]backend.PutOptions{"plain": {}, "IfAbsent": {IfAbsent: true}} {
		d := watched()
		os.RemoveAll(filepath.Join(root, "s"))
		if _, err := tryPut(d.open(t, true), "a/b", strings.Repeat("x", 100), opts); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(d.events, want) {
			t.Errorf("%s: a Put syncs %q, want %q", name, d.events, want)
		}
	}
	d := watched()
	if err := d.open(t, false).Delete(context.Background(), key("a/b")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.events, []string{"."}) { // the directories that it left empty are gone
		t.Errorf("a Delete syncs %q, want the root", d.events)
	}
}

// A directory whose name is on the disk is not synced for the next Put's sake, unless it was removed
// and made anew meanwhile, be it by another process.
func TestDirectoriesThatLast(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("directories are told apart on Linux; elsewhere each is synced each time")
	}
	root := t.TempDir()
	d := &disk{root: root, value: filepath.Join(root, "s", "a", "b!")}
	b, other := d.open(t, true), open(t, root)
	all := []string{"bytes", "s/a", "s", "."}
	for _, step := range []struct {
		name   string
		before func()
		want   []string
	}{
		{"first", func() {}, all},
		{"second", func() {}, []string{"bytes", "s/a"}},
		{"after it was made anew", func() {
			os.RemoveAll(filepath.Join(root, "s"))
			put(t, other, "a/c", "1")
		}, all},
		{"then", func() {}, []string{"bytes", "s/a"}},
		{"after a part of it was made anew", func() {
			os.RemoveAll(filepath.Join(root, "s", "a"))
		}, []string{"bytes", "s/a", "s"}},
	} {
		step.before()
		os.Remove(d.value)
		d.events = nil
		if _, err := tryPut(b, "a/b", strings.Repeat("x", 100), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(d.events, step.want) {
			t.Errorf("%s: a Put syncs %q, want %q", step.name, d.events, step.want)
		}
	}

	// What could not be made durable is tried again.
	d.fail = "."
	os.RemoveAll(filepath.Join(root, "s"))
	for range 2 {
		if _, err := tryPut(b, "a/b", strings.Repeat("x", 100), backend.PutOptions{}); !errors.Is(err, backend.ErrUnavailable) {
			t.Errorf("Put where syncing the root fails: %v, want %v", err, backend.ErrUnavailable)
		}
		os.Remove(d.value)
	}
}

// A disk that fails is told of: where the bytes are not safe nothing is stored, and where the name is
// not, the outcome is unknown.
func TestDiskThatFails(t *testing.T) {
	for _, c := range []struct {
		fail   string
		want   error
		stored bool
	}{
		{"bytes", errDisk, false},
		{"s/a", backend.ErrUnavailable, true},
		{".", backend.ErrUnavailable, true},
	} {
		root := t.TempDir()
		d := &disk{root: root, value: filepath.Join(root, "s", "a", "b!"), fail: c.fail}
		b := d.open(t, true)
		if _, err := tryPut(b, "a/b", strings.Repeat("x", 100), backend.PutOptions{}); !errors.Is(err, c.want) {
			t.Errorf("Put where syncing %s fails = %v, want %v", c.fail, err, c.want)
		}
		if _, err := get(t, b, "a/b"); (err == nil) != c.stored {
			t.Errorf("after syncing %s failed Get = %v; want the value to be there: %v", c.fail, err, c.stored)
		}
		if left, err := os.ReadDir(filepath.Join(root, ".larder", "temp")); err != nil || len(left) > 0 {
			t.Errorf("after syncing %s failed %d temporary files are left (%v)", c.fail, len(left), err)
		}
	}
	root := t.TempDir()
	d := &disk{root: root, value: filepath.Join(root, "s", "a!"), fail: "."}
	put(t, open(t, root), "a", "1")
	if err := d.open(t, false).Delete(context.Background(), key("a")); !errors.Is(err, errDisk) {
		t.Errorf("Delete where syncing the directory fails = %v, want %v", err, errDisk)
	}
}
