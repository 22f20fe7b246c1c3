package file_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
)

func TestReadOnlyDirectoryCanBeRead(t *testing.T) {
	if os.Geteuid() == 0 { // who may write everywhere
		asNobody(t)
		return
	}
	dir := t.TempDir()
	put(t, open(t, dir), "a", "1")
	chmod := func(mode os.FileMode) {
		filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if d.IsDir() {
				err = os.Chmod(path, mode)
			}
			return err
		})
	}
	chmod(0o500)
	defer chmod(0o700)
	b := open(t, dir)
	if got, err := get(t, b, "a"); got != "1" || err != nil {
		t.Errorf("Get = %q, %v; want the value", got, err)
	}
	if _, err := tryPut(b, "b", "2", backend.PutOptions{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("Put = %v, want %v", err, os.ErrPermission)
	}
}

// asNobody runs the calling test again in a process without root's rights. A copy of this binary
// lies where such a process finds it: the path of the binary itself may be root's alone.
func asNobody(t *testing.T) {
	t.Helper()
	const nobody = 65534
	dir, err := os.MkdirTemp("", "larder-nobody-") // t.TempDir lies in a directory of root's
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	exe := filepath.Join(dir, "test")
	if err := errors.Join(err, os.WriteFile(exe, self, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
