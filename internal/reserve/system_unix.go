//go:build unix

package reserve

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// candidates returns where the records may lie, the best place first. TMPDIR is not asked: batch
// systems set it to another directory for each job.
func candidates() []string {
	own := "larder-" + strconv.Itoa(os.Getuid())
	dirs := []string{filepath.Join("/tmp", own)}
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(cache, "larder", "runs"))
	}
	return append(dirs, filepath.Join(os.TempDir(), own))
}

// private refuses a directory that another user made or may write to.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(s.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a directory that only this user may write to; remove it", dir)
	}
	return nil
}

// signalProcess asks a process to end, or kills it.
func signalProcess(pid int, kill bool) {
	sig := syscall.SIGTERM
	if kill {
		sig = syscall.SIGKILL
	}
	syscall.Kill(pid, sig)
}

// inheritedFrom is the lowest number under which commands inherit files: scripts use low
// ones for their own purposes, and a shell's process substitutions count down from 63.
const inheritedFrom = 198

// inheritable returns another descriptor of f that child processes inherit.
func inheritable(f *os.File) (int, error) {
	for _, from := range []int{inheritedFrom, 10} { // few may be allowed
		if fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, from); err == nil {
			return fd, nil
		}
	}
	return 0, fmt.Errorf("%s cannot be handed down: too many open files", f.Name())
}

func closeInheritable(fd int) { syscall.Close(fd) }
