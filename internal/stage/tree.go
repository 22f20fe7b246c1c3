package stage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tree is a directory that is being restored. Nothing that is added can leave it: a member
// must lie in a directory that was added before, and os.Root sees to the rest.
type tree struct {
	root  *os.Root
	seen  map[string]bool // what was added, and whether it is a directory
	modes []dirMode       // set at the end, since a directory may be read-only
}

type dirMode struct {
	path string
	mode fs.FileMode
}

// openTree fills dir, which is empty.
func openTree(dir string, h *tar.Header) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root, map[string]bool{".": true}, []dirMode{{".", fs.FileMode(h.Mode).Perm()}}}, nil
}

// add makes a member of the archive below the directory.
func (t *tree) add(name string, h *tar.Header, r io.Reader) error {
	path := filepath.FromSlash(name)
	if _, twice := t.seen[path]; twice || filepath.Clean(path) != path || !t.seen[filepath.Dir(path)] {
		return fmt.Errorf("%w: member %q is not in its place", errUnfit, h.Name)
	}
	t.seen[path] = h.Typeflag == tar.TypeDir
	switch h.Typeflag {
	case tar.TypeDir:
		t.modes = append(t.modes, dirMode{path, fs.FileMode(h.Mode).Perm()})
		return t.root.Mkdir(path, 0o700)
	case tar.TypeSymlink:
		return t.root.Symlink(h.Linkname, path)
	case tar.TypeReg:
		f, err := t.root.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return fill(f, h, r)
	}
	return fmt.Errorf("%w: member %q is of an unknown kind", errUnfit, h.Name)
}

// close sets the modes of directories, the inner ones first.
func (t *tree) close() error {
	var errs []error
	for i := len(t.modes) - 1; i >= 0; i-- {
		errs = append(errs, t.root.Chmod(t.modes[i].path, t.modes[i].mode))
	}
	return errors.Join(append(errs, t.root.Close())...)
}

// fill writes a member to f, and closes it.
func fill(f *os.File, h *tar.Header, r io.Reader) error {
	_, err := io.Copy(f, r)
	if err == nil {
		err = f.Chmod(fs.FileMode(h.Mode).Perm())
	}
	return errors.Join(err, f.Close())
}
