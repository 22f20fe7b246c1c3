package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/larder-store/larder/internal/reserve"
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
			if reserve.Holds(t.path, k.path) {
				return nil, misused("output %q is, or holds, %s; an output is replaced as a whole", t.name, k.what)
			}
		}
		for _, other := range all[:i] {
			if t.path == other.path {
				return nil, misused("output %q is declared twice", t.name)
			}
			if reserve.Holds(t.path, other.path) || reserve.Holds(other.path, t.path) {
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

// followed returns the absolute path behind the links of path, of which the last parts may not
// exist yet.
func followed(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	const maxLinks = 40 // as Linux has it
	for range maxLinks {
		dir := filepath.Dir(path)
		if dir == path {
			return path, nil
		}
		real, err := filepath.EvalSymlinks(dir)
		if errors.Is(err, fs.ErrNotExist) {
			real, err = followed(dir)
		}
		if err != nil {
			return "", err
		}
		path = filepath.Join(real, filepath.Base(path))
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link, or nothing
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(real, link)
		}
		path = link
	}
	return "", errors.New("too many links")
}

// setAside moves away what lies at the targets, so that what is found after the run is the run's.
func setAside(res *reserve.Reservation, targets []target) error {
	for n, t := range targets {
		err := os.Rename(t.path, res.Old(n))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("output %q: %w", t.name, err), putBack(res, targets))
		}
	}
	return nil
}

// putBack moves what was moved away back to where nothing new is, and removes the rest.
func putBack(res *reserve.Reservation, targets []target) error {
	var errs []error
	for n, t := range targets {
		errs = append(errs, reserve.PutBack(res.Old(n), t.path))
	}
	return errors.Join(errs...)
}
