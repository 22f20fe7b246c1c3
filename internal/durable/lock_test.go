package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder/internal/durable"
)

// A lock belongs to the open file: another one of the same name is kept out, in this process too.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b, c := open(), open(), open()
	try := func(what string, f *os.File, shared, want bool) {
		t.Helper()
		if got, err := durable.TryLock(f, shared); err != nil || got != want {
			t.Errorf("%s: TryLock = %v, %v; want %v", what, got, err, want)
		}
	}
	if err := durable.Lock(a, false); err != nil {
		t.Fatal(err)
	}
	try("beside an exclusive lock", b, false, false)
	try("shared, beside an exclusive lock", b, true, false)
	if err := durable.Unlock(a); err != nil {
		t.Fatal(err)
	}
	try("after it was given up", b, true, true)
	try("shared, beside a shared lock", c, true, true)
	try("beside shared locks", a, false, false)
	b.Close()
	c.Close()
	try("after they were closed", a, false, true)
}
