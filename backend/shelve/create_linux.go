package shelve

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openNew opens a new file that [disk.link] gives its name. Until then it has none, so
// that a process that dies while it writes leaves nothing behind. Where that cannot be
// done, or named is true, the file has its name at once.
func (d disk) openNew(dir, path string, named bool) (f draft, err error) {
	if named {
		return d.create(path)
	}
	err = d.step("create", path, func() error {
		fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return &os.PathError{Op: "create", Path: path, Err: err}
		}
		f = draft{os.NewFile(uintptr(fd), path), true}
		return nil
	})
	if noTmpfile(err) {
		return d.create(path)
	}
	return f.unless(err)
}

// openStage opens a file that may get a name later, for a body that is written before it. Where there is no such
// file it is [errors.ErrUnsupported].
func (d disk) openStage(dir string) (f *os.File, err error) {
	err = d.step("create", dir, func() error {
		fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if noTmpfile(err) {
			return errors.ErrUnsupported
		}
		if err != nil {
			return &os.PathError{Op: "create", Path: dir, Err: err}
		}
		f = os.NewFile(uintptr(fd), dir)
		return nil
	})
	if err != nil && f != nil {
		f.Close()
	}
	return f, err
}

// noTmpfile reports what a file system says that has no O_TMPFILE, and what old kernels say.
func noTmpfile(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL)
}

// link gives a file of openNew its name. Without privileges that goes through /proc only,
// which some containers do without; then the error is an *os.LinkError.
func (d disk) link(f draft) error {
	if !f.nameless {
		return nil
	}
	return d.linkAs(f.File, f.Name())
}

// linkAs gives an open file without a name a path.
func (d disk) linkAs(f *os.File, path string) error {
	return d.step("link", path, func() error {
		from := fmt.Sprintf("%s/%d", openFiles, f.Fd())
		err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != nil {
			return &os.LinkError{Op: "link", Old: from, New: path, Err: err}
		}
		return nil
	})
}

// openFiles is where the kernel shows the open files of this process.
var openFiles = "/proc/self/fd"
