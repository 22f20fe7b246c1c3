package stage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// tree is a directory that is being restored. Nothing that is added can leave it: a member
// must lie in a directory that was added before, os.Root sees to the rest, and links
// must lead to somewhere in it.
type tree struct {
	root  *os.Root
	seen  map[string]bool // what was added, and whether it is a directory
	modes []dirMode       // set at the end, since a directory may be read-only
	links []link          // looked at at the end, since they may lead to what comes later
}

type dirMode struct {
	path string
	mode fs.FileMode
}

type link struct{ path, to string }

// ownerAll is what the owner of a directory needs to fill it.
const ownerAll = 0o700

// openTree fills dir, which is empty and at the end has the mode, less what the umask takes away.
func openTree(dir string, mode fs.FileMode) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root: root, seen: map[string]bool{".": true}, modes: []dirMode{{".", mode}}}, nil
}

// add makes a member of the archive below the directory.
func (t *tree) add(name string, h *tar.Header, r io.Reader) error {
	path := filepath.FromSlash(name)
	if _, twice := t.seen[path]; twice || filepath.Clean(path) != path || !t.seen[filepath.Dir(path)] {
		return fmt.Errorf("%w: member %q is not in its place", errUnfit, h.Name)
	}
	t.seen[path] = h.Typeflag == tar.TypeDir
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		t.modes = append(t.modes, dirMode{path, mode})
		return unmakeable(t.root.Mkdir(path, mode|ownerAll))
	case tar.TypeSymlink:
		t.links = append(t.links, link{path, h.Linkname})
		return unmakeable(t.root.Symlink(h.Linkname, path))
	case tar.TypeReg:
		f, err := t.root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return unmakeable(err)
		}
		return fill(f, r)
	}
	return fmt.Errorf("%w: member %q is of an unknown kind", errUnfit, h.Name)
}

// close checks the links and sets the modes of directories, the inner ones first.
func (t *tree) close() error {
	var errs []error
	for _, l := range t.links {
		if !staysInside(t.root, l.path, l.to) {
			errs = append(errs, fmt.Errorf("%w: the link %q leads out of the output, to %q", errUnfit, l.path, l.to))
		}
	}
	for i := len(t.modes) - 1; i >= 0; i-- {
		errs = append(errs, t.setMode(t.modes[i]))
	}
	return errors.Join(append(errs, t.root.Close())...)
}

// setMode takes away what a directory had only to be filled.
func (t *tree) setMode(d dirMode) error {
	info, err := t.root.Stat(d.path)
	if err != nil || info.Mode().Perm()&^d.mode == 0 {
		return err
	}
	return t.root.Chmod(d.path, info.Mode().Perm()&d.mode)
}

// staysInside reports whether a link in root leads to somewhere in root, whatever is there now.
// Where nothing is, a way that goes up after it went down is not trusted.
func staysInside(root *os.Root, path, to string) bool {
	to = filepath.FromSlash(to)
	if filepath.IsAbs(to) || !filepath.IsLocal(filepath.Join(filepath.Dir(path), to)) {
		return false
	}
	_, err := root.Stat(path) // fails on a link that leaves root on its way
	return err == nil || errors.Is(err, fs.ErrNotExist) && filepath.Clean(to) == to
}

// unmakeable makes an error about a name that cannot be here, whatever is done, a reason to run the
// command: only a disk that is full or may not be written to fails the stage.
func unmakeable(err error) error {
	for _, ours := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, fs.ErrPermission} {
		if err == nil || errors.Is(err, ours) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", errUnfit, err)
}

// fill writes a member to f, and closes it.
func fill(f *os.File, r io.Reader) error {
	_, err := io.Copy(f, r)
	return errors.Join(err, f.Close())
}
