package stage

import (
	"archive/tar"
	"encoding/json"
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
)

// maxManifest bounds a manifest; some thousand outputs fit.
const maxManifest = 1 << 20

// errUnfit is a value that is sound, but not what this package keeps.
var errUnfit = errors.New("not a kept run")

// restored is a run read back: its outputs lie beside their places until commit.
type restored struct {
	exit           int
	stdout, stderr capture
	staged         []staged
	tree           *tree // the last staged output, while it is a directory that is being filled
}

// staged is an output that waits beside its place.
type staged struct {
	target target
	path   string
}

// restore reads an archive, to its end, so that it is known to be sound.
func restore(r io.Reader, targets []target) (*restored, error) {
	run := &restored{}
	if err := run.read(r, targets); err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

func (run *restored) read(r io.Reader, targets []target) error {
	t := tar.NewReader(r)
	m, err := readManifest(t)
	if err != nil {
		return err
	}
	run.exit = m.Exit
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

func readManifest(t *tar.Reader) (manifest, error) {
	var m manifest
	if err := next(t, manifestName); err != nil {
		return m, err
	}
	text, err := io.ReadAll(io.LimitReader(t, maxManifest))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", errUnfit, manifestName, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("%w: it has format %d, and this version knows %d", errUnfit, m.Format, format)
	}
	return m, nil
}

// next goes to the next member, which must be name.
func next(t *tar.Reader, name string) error {
	h, err := t.Next()
	if err == io.EOF {
		return fmt.Errorf("%w: it ends before %q", errUnfit, name)
	}
	if err != nil {
		return err
	}
	if h.Name != name || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%w: member %q, want %q", errUnfit, h.Name, name)
	}
	return nil
}

func readText(t *tar.Reader, name string, dst *capture) error {
	if err := next(t, name); err != nil {
		return err
	}
	if _, err := io.Copy(dst, t); err != nil {
		return err
	}
	return dst.err
}

// readOutputs stages the outputs. Of an archive from a shared store nothing is trusted: names
// must be those that were declared, and what is in a directory cannot leave it.
func (run *restored) readOutputs(t *tar.Reader, m manifest, targets []target) error {
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
func (run *restored) begin(name string, targets []target, h *tar.Header, r io.Reader) error {
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
	switch h.Typeflag {
	case tar.TypeDir:
		dir, err := os.MkdirTemp(filepath.Dir(t.path), hidden+"*")
		if err != nil {
			return err
		}
		run.staged = append(run.staged, staged{t, dir})
		run.tree, err = openTree(dir, h)
		return err
	case tar.TypeReg:
		f, err := os.CreateTemp(filepath.Dir(t.path), hidden+"*")
		if err != nil {
			return err
		}
		run.staged = append(run.staged, staged{t, f.Name()})
		return fill(f, h, r)
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
		if err := replace(s.path, s.target.path); err != nil {
			return fmt.Errorf("output %q: %w", s.target.name, err)
		}
		run.staged = run.staged[1:]
	}
	return nil
}

// replace moves path to where target is. A file takes a file's place in one step; where
// a directory is involved, what was there is moved away first.
func replace(path, target string) error {
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
	away, err := vacant(target)
	if err != nil {
		return err
	}
	if err := os.Rename(target, away); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return errors.Join(err, os.Rename(away, target))
	}
	return removeAll(away)
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
		removeAll(s.path)
	}
	run.stdout.Close()
	run.stderr.Close()
}
