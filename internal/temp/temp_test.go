package temp_test

import (
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/larder-store/larder/internal/temp"
)

// A temporary file has no name that a kill could leave behind, and is usable all the same.
func TestNoName(t *testing.T) {
	dir := t.TempDir()
	f, err := temp.Create(dir, "x-*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("held"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4))
	if err != nil || string(text) != "held" {
		t.Errorf("read %q, %v; want what was written", text, err)
	}
	if left, err := os.ReadDir(dir); runtime.GOOS != "windows" && (err != nil || len(left) > 0) {
		t.Errorf("while it is open the directory has %v, %v; want nothing", left, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("once it is closed the directory has %v, %v; want nothing", left, err)
	}
}
