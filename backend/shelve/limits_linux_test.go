package shelve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["unprivileged"] = unprivileged
	roles["dropped"] = dropped
	roles["limited"] = limited
}

// TestReadOnlyDirectory: in a directory that may not be written, values can be read, and
// storing fails with what to do; whether lock files are there or not.
func TestReadOnlyDirectory(t *testing.T) {
	for _, locks := range []string{"with locks", "without locks"} {
		dir := t.TempDir()
		b := open(t, dir, nil)
		mustPut(t, b, cache("small"), []byte("v"))
		mustPut(t, b, cache("large"), value("v", large))
		b.Close()
		if locks == "without locks" {
			for _, pattern := range []string{"*.gate", "*.door"} {
				files, _ := filepath.Glob(filepath.Join(dir, pattern))
				for _, path := range files {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		chmod(t, dir, 0o500, 0o400)
		role := "unprivileged"
		if os.Getuid() == 0 {
			role = "dropped"
		}
		out, err := another(t, role, dir).Output()
		chmod(t, dir, 0o700, 0o600)
		if err != nil {
			t.Errorf("%s: %v: %s", locks, err, out)
		}
	}
}

func chmod(t *testing.T, dir string, dirs, files os.FileMode) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, dirs)
		}
		return os.Chmod(path, files)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dropped runs this program anew without the privileges of root, by which it could write
// everywhere. It takes a thread and an exec, because privileges belong to threads.
func dropped(dir string, args []string) error {
	runtime.LockOSThread()
	for _, privilege := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, privilege, 0, 0, 0); err != nil {
			return fmt.Errorf("give up privileges: %w", err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(roleVariable, "unprivileged"); err != nil {
		return err
	}
	return syscall.Exec(exe, append([]string{exe, dir}, args...), os.Environ())
}

// unprivileged reads a store in a directory that it may not write.
func unprivileged(dir string, _ []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, name := range []string{"small", "large"} {
		if _, _, err := get(b, cache(name)); err != nil {
			return err
		}
	}
	if err := listError(b); err != nil {
		return err
	}
	for _, v := range [][]byte{[]byte("v"), value("v", large)} {
		err := put(b, cache("k"), v)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "must belong to you") {
			return fmt.Errorf("put of %d bytes: %v, want %v and a remedy", len(v), err, fs.ErrPermission)
		}
	}
	if _, err := shelve.Open(filepath.Join(dir, "data", "new"), nil); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open of a new store: %v, want %v", err, fs.ErrPermission)
	}
	return nil
}

// limited stores values until the system allows no larger file, in truth: writes end half way.
func limited(dir string, args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := put(b, cache("large"), value("old", large)); err != nil {
		return err
	}
	was := unix.Rlimit{}
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 3 << 20, Max: was.Max}); err != nil {
		return err
	}
	if err := put(b, cache("large"), value("new", 5<<20)); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("put of a large value: %v, want %v", err, syscall.EFBIG)
	}
	stored := 0
	for ; err == nil; stored++ {
		err = put(b, cache(fmt.Sprint("k", stored)), value(fmt.Sprint(stored, "."), 50_000))
	}
	stored--
	if stored < 5 || errors.Is(err, backend.ErrCorrupt) {
		return fmt.Errorf("after %d values: %v", stored, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	for i := range stored {
		v, _, err := get(b, cache(fmt.Sprint("k", i)))
		if err != nil || !bytes.HasPrefix(v, fmt.Appendf(nil, "%d.", i)) {
			return fmt.Errorf("value %d of %d: %.10q, %v", i, stored, v, err)
		}
	}
	if v, _, err := get(b, cache("large")); err != nil || !bytes.HasPrefix(v, []byte("old")) {
		return fmt.Errorf("large value: %.10q, %v, want the old one", v, err)
	}
	return put(b, cache("after"), value("after", 50_000))
}

// TestFileSizeLimit: a write that the system cuts off half way changes nothing.
func TestFileSizeLimit(t *testing.T) {
	dir := t.TempDir()
	if out, err := another(t, "limited", dir).Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	checkSwept(t, dir, 1)
}

// TestLocalFileSystem: what this test runs on is not taken for a network.
func TestLocalFileSystem(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/dev/shm", "/proc"} {
		if name, err := shelve.NetworkOf(dir); err != nil || name != "" {
			t.Errorf("NetworkOf(%s) = %q, %v, want none", dir, name, err)
		}
	}
	const mountinfo = "36 35 0:51 / /mnt/far rw,nosuid shared:1 - fuse.sshfs host:/dir rw\n" +
		"37 35 0:52 / /mnt/near rw - fuse.gocryptfs /crypt rw\n"
	for dev, want := range map[string]string{"0:51": "fuse.sshfs", "0:52": "", "0:5": "", "8:1": ""} {
		if got := shelve.FUSENetwork(mountinfo, dev); got != want {
			t.Errorf("FUSENetwork(%s) = %q, want %q", dev, got, want)
		}
	}
}

// TestNoProc: where files cannot be given a name later they get it at once.
func TestNoProc(t *testing.T) {
	defer shelve.HideOpenFiles()()
	dir := t.TempDir()
	b := open(t, dir, nil)
	for _, v := range [][]byte{value("one", large), value("two", large)} {
		mustPut(t, b, cache("k"), v)
		if got, _, err := get(b, cache("k")); err != nil || !bytes.Equal(got, v) {
			t.Errorf("get = %.10q, %v, want %.10q", got, err, v)
		}
	}
	b.Close()
	checkSwept(t, dir, 1)
}
