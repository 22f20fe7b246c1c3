//go:build !linux

package shelve

import (
	"errors"
	"os"
)

// openNew opens a new file, which has its name at once.
func (d disk) openNew(_, path string, _ bool) (draft, error) { return d.create(path) }

// link has nothing to do here.
func (d disk) link(draft) error { return nil }

// openStage is refused: a file cannot get its name later here.
func (d disk) openStage(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// linkAs is not reached: there are no such files.
func (d disk) linkAs(*os.File, string) error { return errors.ErrUnsupported }
