//go:build !linux

package shelve

// openNew opens a new file, which has its name at once.
func (d disk) openNew(_, path string, _ bool) (draft, error) { return d.create(path) }

// link has nothing to do here.
func (d disk) link(draft) error { return nil }
