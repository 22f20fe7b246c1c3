package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// snapshot is the state of all that lies at the targets, by path.
type snapshot map[string]fs.FileInfo

// tick is the coarsest step of the times that file systems keep of changes: a tick of a kernel with 100
// of them in a second.
const tick = 10 * time.Millisecond

// settle returns the state of the targets once every later change will show in it: a change
// within the same tick as the last one could leave the same time.
func settle(targets []target) (snapshot, error) {
	s, err := take(targets)
	if err != nil {
		return nil, err
	}
	newest := time.Time{}
	for _, info := range s {
		if t := info.ModTime(); t.After(newest) {
			newest = t
		}
	}
	age := time.Since(newest)
	if age < 0 || age >= tick { // a time in the future was set on purpose
		return s, nil
	}
	time.Sleep(tick - age)
	return s, s.check(targets)
}

func take(targets []target) (snapshot, error) {
	s := snapshot{}
	for _, t := range targets {
		err := filepath.WalkDir(t.path, func(path string, e fs.DirEntry, err error) error {
			if path == t.path && errors.Is(err, fs.ErrNotExist) {
				return nil // a run that failed makes what it makes
			}
			if err != nil {
				return err
			}
			s[path], err = e.Info()
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", t.name, err)
		}
	}
	return s, nil
}

// check reports what is not as it was when s was taken.
func (s snapshot) check(targets []target) error {
	now, err := take(targets)
	if err != nil {
		return fmt.Errorf("%w: %w", errChanged, err)
	}
	for path, before := range s {
		if after, ok := now[path]; !ok || !same(before, after) {
			return fmt.Errorf("%w: %s", errChanged, path)
		}
	}
	for path := range now {
		if _, ok := s[path]; !ok {
			return fmt.Errorf("%w: %s is new", errChanged, path)
		}
	}
	return nil
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Mode() == b.Mode() && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
