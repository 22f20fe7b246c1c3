package spool_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/internal/spool"
)

// A stream comes back whole and summed, from memory or a file, and the file goes with it.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20} {
		want := bytes.Repeat([]byte("x"), size)
		s, err := spool.Read(io.MultiReader(bytes.NewReader(want)), dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // as often as a backend needs it
			if _, err := s.Body.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(s.Body); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes: read %d, %v", size, len(got), err)
			}
		}
		if s.Size != int64(size) || s.Digest != sha256.Sum256(want) || s.Sum != crc32.Checksum(want, crc32.MakeTable(crc32.Castagnoli)) {
			t.Errorf("%d bytes: summed as %d, %x, %x", size, s.Size, s.Digest, s.Sum)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestErrors(t *testing.T) {
	failed := errors.New("failed")
	for _, before := range []int{10, 2 << 20} {
		r := io.MultiReader(strings.NewReader(strings.Repeat("x", before)), iotest.ErrReader(failed))
		if _, err := spool.Read(r, t.TempDir()); !errors.Is(err, failed) {
			t.Errorf("a stream that fails after %d bytes: %v", before, err)
		}
	}
	_, err := spool.Read(bytes.NewReader(make([]byte, 2<<20)), "/nonexistent/dir")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("without a place for a file: %v, want the remedy", err)
	}
}
