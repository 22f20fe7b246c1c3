//go:build linux || darwin

package component_test

import (
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

// What has no contents of its own is refused by name, at once: opening a pipe would
// wait for a writer.
func TestFileSpecial(t *testing.T) {
	dir := t.TempDir()
	pipe, socket := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, want := range map[string]string{
		pipe: "is a named pipe; save what it delivers", socket: "is a socket; name a regular file", "/dev/null": "is a device; name a regular file", "/": "is a directory",
	} {
		if c, err := component.File(path); c != (component.FileContent{}) || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("File(%q) = %v, %v, want %q", path, c, err, want)
		}
	}
}

// A file that the system makes up as it is read has no contents to rely on.
func TestFileWithoutSize(t *testing.T) {
	const path = "/proc/self/status"
	if _, err := os.Stat(path); os.IsNotExist(err) && runtime.GOOS != "linux" {
		return
	}
	if c, err := component.File(path); c != (component.FileContent{}) || err == nil || !strings.Contains(err.Error(), "save a copy") {
		t.Errorf("File(%q) = %v, %v, want an error", path, c, err)
	}
}

// An edit that keeps the size and sets the time of modification back, as some tools do,
// shows in the time of change.
func TestDigestsSeeThroughSetTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording.dat")
	write(t, path, "one")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	d := component.NewDigests(10, (&clock{time.Minute}).now)
	for _, contents := range []string{"one", "two"} {
		write(t, path, contents)
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if digest, known, err := d.Read(path); digest != sha256.Sum256([]byte(contents)) || known || err != nil {
			t.Errorf("Read = %x, known %v, %v, want the digest of %q read anew", digest, known, err, contents)
		}
	}
}
