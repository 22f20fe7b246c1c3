package stage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-store/larder/internal/reserve"
)

// restored is a run read back: its outputs lie beside their places until commit.
type restored struct {
	res            *reserve.Reservation
	exit           int
	stdout, stderr capture
	staged         []staged // in the order of the archive
	tree           *tree    // the last staged output, while it is a directory that is being filled
}

// staged is an output that waits beside its place, or in it.
type staged struct {
	target   target
	n        int       // among the targets, and so the outputs of the reservation
	standing *standing // nil: it is beside its place
}

// restore reads an archive of size bytes, to its end, so that it is known to be sound. What
// it makes lies where the reservation says.
func restore(r io.Reader, size int64, targets []target, res *reserve.Reservation) (*restored, error) {
	run := &restored{res: res}
	if err := run.read(r, size, targets); err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

func (run *restored) read(r io.Reader, size int64, targets []target) error {
	t := newMembers(r, size)
	m, err := readManifest(t, targets)
	if err != nil {
		return err
	}
	run.exit = *m.Exit
	if err := readText(t, stdoutName, &run.stdout); err != nil {
		return err
	}
	if err := readText(t, stderrName, &run.stderr); err != nil {
		return err
	}
	if err := run.readOutputs(t, m, targets); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r) // the last byte comes only if all were right
	return err
}

func readText(t *members, name string, dst *capture) error {
	if err := t.next(name); err != nil {
		return err
	}
	if _, err := io.Copy(dst, t); err != nil {
		return err
	}
	return dst.err
}

// readOutputs stages the outputs. Of an archive from a shared store nothing is trusted: names
// must be those that were declared, and what is in a directory cannot leave it.
func (run *restored) readOutputs(t *members, m manifest, targets []target) error {
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		n, inner, err := splitMember(h.Name, m)
		switch {
		case err != nil:
			return err
		case inner == "" && n == len(run.staged):
			err = run.begin(m.Outputs[n], targets, h, t)
		case inner != "" && n == len(run.staged)-1 && run.tree != nil:
			err = run.tree.add(inner, h, t)
		default:
			err = fmt.Errorf("%w: member %q is not in its place", errUnfit, h.Name)
		}
		if err != nil {
			return fmt.Errorf("output %q: %w", m.Outputs[n], err)
		}
	}
	if len(run.staged) != len(m.Outputs) {
		return fmt.Errorf("%w: %d of %d outputs", errUnfit, len(run.staged), len(m.Outputs))
	}
	return run.closeTree()
}

// begin stages a file, or a directory that is still empty.
func (run *restored) begin(name string, targets []target, h *tar.Header, r io.Reader) (err error) {
	if err := run.closeTree(); err != nil {
		return err
	}
	i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
	if i < 0 {
		return fmt.Errorf("%w of this stage: member %q", errUnfit, h.Name)
	}
	t := targets[i]
	if err := os.MkdirAll(filepath.Dir(t.path), 0o777); err != nil {
		return err
	}
	path, mode := run.res.New(i), fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(path, mode|ownerAll); err != nil {
			return err
		}
		run.staged = append(run.staged, staged{target: t, n: i})
		run.tree, err = openTree(path, mode)
		return err
	case tar.TypeReg:
		stands, r, err := standingAt(t.path, h, r)
		if err != nil {
			return err
		}
		if stands != nil {
			run.staged = append(run.staged, staged{t, i, stands})
			return nil
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		run.staged = append(run.staged, staged{target: t, n: i})
		return fill(f, r)
	}
	return fmt.Errorf("%w: member %q is neither a file nor a directory", errUnfit, h.Name)
}

func (run *restored) closeTree() error {
	t := run.tree
	run.tree = nil
	if t == nil {
		return nil
	}
	return t.close()
}

// splitMember returns which output a member belongs to, and its path below it.
func splitMember(name string, m manifest) (n int, inner string, err error) {
	parts := strings.SplitN(strings.TrimSuffix(name, "/"), "/", 4)
	if len(parts) < 3 || parts[0] != outputsName {
		return 0, "", fmt.Errorf("%w: member %q", errUnfit, name)
	}
	n, err = strconv.Atoi(parts[1])
	if err != nil || n < 0 || n >= len(m.Outputs) || parts[2] != path.Base(m.Outputs[n]) {
		return 0, "", fmt.Errorf("%w: member %q", errUnfit, name)
	}
	if len(parts) == 4 {
		inner = parts[3]
	}
	return n, inner, nil
}

// commit puts the outputs in their places.
func (run *restored) commit() error {
	for len(run.staged) > 0 {
		s := run.staged[0]
		put := replace
		if s.standing != nil {
			put = s.standing.put
		}
		if err := put(run.res.New(s.n), s.target.path, run.res.Old(s.n)); err != nil {
			return fmt.Errorf("output %q: %w", s.target.name, err)
		}
		run.staged = run.staged[1:]
	}
	return nil
}

// replace moves path to where target is. A file takes a file's place in one step; where
// a directory is involved, what was there is moved to away first.
func replace(path, target, away string) error {
	old, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(path, target)
	}
	if err != nil {
		return err
	}
	now, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !old.IsDir() && !now.IsDir() {
		return os.Rename(path, target)
	}
	if err := os.Rename(target, away); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return errors.Join(err, os.Rename(away, target))
	}
	return reserve.RemoveAll(away)
}

// replay writes what the command wrote.
func (run *restored) replay(stdout, stderr io.Writer) error {
	for _, r := range []struct {
		from *capture
		to   io.Writer
	}{{&run.stderr, stderr}, {&run.stdout, stdout}} {
		text, err := r.from.reader()
		if err != nil {
			return err
		}
		if _, err := io.Copy(r.to, text); err != nil {
			return err
		}
	}
	return nil
}

// Close removes what was not committed.
func (run *restored) Close() {
	run.closeTree()
	for _, s := range run.staged {
		reserve.RemoveAll(run.res.New(s.n))
	}
	run.stdout.Close()
	run.stderr.Close()
}
