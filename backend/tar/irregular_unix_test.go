//go:build unix

package tar_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend/tar"
)

// A tar is read here and there, so that a pipe cannot be one; nobody waits for it.
func TestPipeIsNoTar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.tar")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tar.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("Open of a pipe = %v, want an error that says so", err)
	}
}
