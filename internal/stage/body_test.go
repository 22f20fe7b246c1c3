package stage_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/internal/stage"
)

func TestBody(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i, text := range []string{"", "one ", "", "two ", "three", ""} {
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	b := stage.Join(paths, []int64{0, 4, 0, 4, 5, 0})
	defer b.Close()
	for range 2 { // and again, after a seek
		if err := iotest.TestReader(struct{ io.Reader }{b}, []byte("one two three")); err != nil {
			t.Error(err)
		}
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	io.CopyN(io.Discard, b, 6) // in the middle of a file
	if end, err := b.Seek(0, io.SeekEnd); err != nil || end == 0 {
		t.Errorf("Seek to the end = %d, %v; want how long it is", end, err)
	}
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v; want io.EOF", n, err)
	}
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "one two three" {
		t.Errorf("after a seek from the middle: %q, %v", got, err)
	}
	for _, to := range []struct {
		offset int64
		whence int
	}{{1, io.SeekStart}, {1, io.SeekEnd}, {0, io.SeekCurrent}} {
		if _, err := b.Seek(to.offset, to.whence); err == nil {
			t.Errorf("Seek(%d, %d): no error", to.offset, to.whence)
		}
	}

	// A file that is not as long as it was, or is gone, must not shift what follows.
	for _, sizes := range [][]int64{{0, 3, 0, 4, 5, 0}, {0, 5, 0, 4, 5, 0}, {0, 4, 0, 4, 5, 1}, {0, 4, 0, 4, 4, 0}} {
		b := stage.Join(paths, sizes)
		if got, err := io.ReadAll(b); !errors.Is(err, stage.ErrChanged) {
			t.Errorf("sizes %v: %q, %v; want ErrChanged", sizes, got, err)
		}
		b.Close()
	}
	if err := os.Remove(paths[3]); err != nil {
		t.Fatal(err)
	}
	b.Seek(0, io.SeekStart)
	if got, err := io.ReadAll(b); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file is gone: %q, %v; want ErrNotExist", got, err)
	}
}
