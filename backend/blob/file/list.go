package file

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/durable"
)

// List implements [driver.Bucket]: a walk through the tree in the byte order of names. Only
// the names of the directories on the way are in memory, and none is open across a yield.
func (b *bucket) List(ctx context.Context, opts driver.ListOptions) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		w := walk{b: b, ctx: ctx, opts: opts, yield: yield}
		// What lies outside the last directory of the prefix cannot match.
		top := opts.Prefix[:strings.LastIndexByte(opts.Prefix, '/')+1]
		if _, err := w.dir(top); err != nil && !errors.Is(err, errStop) {
			yield(driver.Object{}, err)
		}
	}
}

var errStop = errors.New("the caller has seen enough")

type walk struct {
	b     *bucket
	ctx   context.Context
	opts  driver.ListOptions
	yield func(driver.Object, error) bool
}

// dir walks the directory of a name that is empty or ends in a slash. It reports whether anything was gone when its turn came. What
// took its place was stored before, perhaps under a name behind it, so the names are read again before the next entry: of what moves
// from name to name towards the end, a list meets each thing at one of its places. It may miss what moves to a directory that is new, out of
// one where other things stay: nothing that was read is gone then.
func (w *walk) dir(name string) (gone bool, err error) {
	names, gone, err := w.names(name)
	if err != nil {
		return false, err
	}
	last, anew := "", false
	for {
		if err := w.ctx.Err(); err != nil {
			return gone, err
		}
		if len(names) == 0 || anew && w.there(name+names[0]) {
			if !anew {
				return gone, nil
			}
			anew = false
			if names, _, err = w.names(name); err != nil {
				return gone, err
			}
			at, _ := slices.BinarySearch(names, last+"\x00") // behind the last
			names = names[at:]
			continue
		}
		last, names = names[0], names[1:]
		lost, err := w.child(name + last)
		if err != nil {
			return gone, err
		}
		gone, anew = gone || lost, anew || lost
	}
}

// there reports whether there is anything under a name: one that is gone as well asks for no reading of its own.
func (w *walk) there(name string) bool {
	_, err := os.Lstat(w.b.path(name))
	return err == nil
}

// names returns what is in a directory, sorted as the names of objects below it are:
// a directory with its slash. A directory in which there is nothing is as good as gone: what was the last in it is deleted before it is.
func (w *walk) names(dir string) (names []string, gone bool, err error) {
	entries, err := durable.ReadDir(w.b.path(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, true, nil // or never one
	}
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		child := e.Name()
		if e.IsDir() {
			child += "/"
		}
		full := dir + child
		folder := e.IsDir() && strings.HasPrefix(w.opts.Prefix, full)
		switch {
		case dir == "" && child == private+"/":
		case !folder && !strings.HasPrefix(full, w.opts.Prefix):
		case full <= w.opts.After && !strings.HasPrefix(w.opts.After, full):
		default:
			names = append(names, child)
		}
	}
	slices.Sort(names)
	return names, len(entries) == 0, nil
}

// child lists what is under a name. It reports whether that was deleted meanwhile.
func (w *walk) child(name string) (gone bool, err error) {
	if strings.HasSuffix(name, "/") {
		if !w.opts.Folders || len(name) <= len(w.opts.Prefix) {
			return w.dir(name)
		}
		if name <= w.opts.After {
			return false, nil
		}
		return false, w.folder(name)
	}
	if name <= w.opts.After {
		return false, nil
	}
	o, err := w.b.Head(w.ctx, name)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return true, nil
	case errors.Is(err, backend.ErrCorrupt):
		if o, err = w.unreadable(name); errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
	}
	if err != nil {
		return false, err
	}
	return false, w.tell(o)
}

// unreadable describes a file without a header, so that it is seen and can be deleted.
func (w *walk) unreadable(name string) (driver.Object, error) {
	stat, err := os.Stat(w.b.path(name))
	if err != nil {
		return driver.Object{}, err
	}
	return driver.Object{Name: name, Size: stat.Size(), ModTime: stat.ModTime()}, nil
}

// folder yields a directory, if there is a file anywhere in it.
func (w *walk) folder(name string) error {
	full := false
	err := filepath.WalkDir(w.b.path(name), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			full = true
			return filepath.SkipAll
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil || !full {
		return err
	}
	return w.tell(driver.Object{Name: name})
}

func (w *walk) tell(o driver.Object) error {
	if !w.yield(o, nil) {
		return errStop
	}
	return nil
}
