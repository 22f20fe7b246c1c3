package stage

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// openStanding opens the file at path if it is like one that was just made there: a regular one of this mode, less the
// umask, and size, of this user, and without other names, through which others would see that its time changes.
func openStanding(path string, mode fs.FileMode, size int64) (*os.File, fs.FileInfo) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() != size || !info.Mode().IsRegular() {
		return nil, nil
	}
	mask, ok := umask()
	if !ok || info.Mode() != mode&^mask {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil
	}
	info, err = f.Stat() // of what was opened
	if err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && st.Nlink == 1 && int(st.Uid) == os.Geteuid() && info.Size() == size && info.Mode() == mode&^mask {
			return f, info
		}
	}
	f.Close()
	return nil, nil
}

// umask returns the process's umask without changing it, which would be seen by all threads.
func umask() (fs.FileMode, bool) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	var head [256]byte // it is on the second line
	n, err := f.Read(head[:])
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(head[:n]), "\nUmask:\t")
	if !ok {
		return 0, false
	}
	digits, _, ok := strings.Cut(rest, "\n")
	mask, err := strconv.ParseUint(digits, 8, 32)
	return fs.FileMode(mask).Perm(), ok && err == nil
}

// touchNow sets the times of a file to the kernel's own now: a more exact one would be later than those of files that
// are written just afterwards.
func touchNow(path string) error {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}
