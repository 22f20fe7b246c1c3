package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A target is a declared output: a file or a directory that the command makes, and that
// is the stage's alone.
type target struct {
	name string // as declared, clean and with slashes
	path string // where it lies, links followed
}

// targets returns the outputs in the order of their names. It refuses those whose
// replacement would destroy more than a result.
func (s *Stage) targets() ([]target, error) {
	var all []target
	for _, out := range s.Outputs {
		if out == "" {
			return nil, misused("an output's path is empty")
		}
		path, err := followed(s.at(out))
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", out, err)
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return nil, misused("output %q is neither a file nor a directory", out)
		}
		all = append(all, target{filepath.ToSlash(filepath.Clean(out)), path})
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.name, b.name) })

	kept, err := s.untouchable()
	if err != nil {
		return nil, err
	}
	for i, t := range all {
		for _, k := range kept {
			if holds(t.path, k.path) {
				return nil, misused("output %q is, or holds, %s; an output is replaced as a whole", t.name, k.what)
			}
		}
		for _, other := range all[:i] {
			if t.path == other.path {
				return nil, misused("output %q is declared twice", t.name)
			}
			if holds(t.path, other.path) || holds(other.path, t.path) {
				return nil, misused("outputs %q and %q lie in one another; declare the outer one", other.name, t.name)
			}
		}
	}
	return all, nil
}

// place is a path and what it is in messages.
type place struct{ what, path string }

// untouchable returns the paths that no output may hold.
func (s *Stage) untouchable() ([]place, error) {
	dir, err := followed(s.at("."))
	if err != nil {
		return nil, err
	}
	kept := []place{{"the working directory", dir}}
	if home, err := os.UserHomeDir(); err == nil {
		kept = append(kept, place{"the home directory", home})
	}
	for _, in := range s.Inputs {
		path, err := followed(s.at(in.Path))
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", in.Path, err)
		}
		kept = append(kept, place{fmt.Sprintf("input %q", in.Path), path})
	}
	return kept, nil
}

// holds reports whether path is outer, or lies in it.
func holds(outer, path string) bool {
	rel, err := filepath.Rel(outer, path)
	return err == nil && filepath.IsLocal(rel)
}

// followed returns the absolute path behind the links of path, the last of which may
// lead to what does not exist yet.
func followed(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	const maxLinks = 40 // as Linux has it
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link, or nothing
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(dir, link)
		}
		path = link
	}
	return "", errors.New("too many links")
}

// aside are outputs of earlier runs that were moved away, so that what is found after the run is
// the run's.
type aside map[string]string // from where they were to where they are

// setAside moves away what lies at the targets.
func setAside(targets []target) (aside, error) {
	a := aside{}
	for _, t := range targets {
		_, err := os.Lstat(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var away string
		if err == nil {
			away, err = vacant(t.path)
		}
		if err == nil {
			err = os.Rename(t.path, away)
		}
		if err != nil {
			a.back()
			return nil, fmt.Errorf("output %q: %w", t.name, err)
		}
		a[t.path] = away
	}
	return a, nil
}

// back moves what was moved away back to where nothing new is, and removes the rest.
func (a aside) back() {
	for path, away := range a {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && os.Rename(away, path) == nil {
			continue
		}
		removeAll(away)
	}
}

// hidden is how names begin that only last while a stage is being run or restored.
const hidden = ".larder-"

// vacant returns an unused path beside path.
func vacant(path string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), hidden+"*")
	if err != nil {
		return "", err
	}
	return dir, os.Remove(dir) // only its name is wanted
}

// removeAll removes a tree, also one whose directories may not be written to.
func removeAll(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
