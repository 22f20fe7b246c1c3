package mapped_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/larder-store/larder/internal/mapped"
)

// Any part of a file is shown, wherever pages begin, and stays when the file is closed and removed.
func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	text := bytes.Repeat([]byte("0123456789"), 30_000)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int64{{0, 300_000}, {0, 1}, {1, 299_999}, {4096, 4096}, {5000, 100_000}, {299_999, 1}} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b, release, err := mapped.Map(f, part[0], part[1])
		f.Close()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("there is no mmap on", runtime.GOOS)
		}
		if err != nil || !bytes.Equal(b, text[part[0]:part[0]+part[1]]) {
			t.Errorf("bytes %v: %d of them, %v", part, len(b), err)
			continue
		}
		if part[0] == 299_999 {
			os.Remove(path)
			if b[0] != '9' {
				t.Error("a removed file is shown otherwise")
			}
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, _, err := mapped.Map(f, 5, math.MaxInt64); err == nil {
		t.Error("more bytes than there are addresses were mapped")
	}
}

// A hint about memory leaves its bytes alone, whatever its size and alignment.
func TestHuge(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 2 << 20, 3 << 20, 9<<20 + 5} {
		b := bytes.Repeat([]byte{7}, size)
		for _, skip := range []int{0, 1, 4097} {
			mapped.Huge(b[min(skip, size):])
		}
		if i := bytes.IndexFunc(b, func(r rune) bool { return r != 7 }); i >= 0 {
			t.Errorf("of %d bytes number %d changed", size, i)
		}
	}
}
