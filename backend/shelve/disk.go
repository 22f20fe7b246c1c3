package shelve

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

// disk makes the file operations by which values are published. In tests its hook is called
// with each step, by name and path, before and after its effect: it fails the step by
// returning an error, or kills the process there.
type disk struct {
	hook      func(step, path string) error
	networkOf func(dir string) (string, error) // nil: ask the system
}

// step runs one operation between its two hooks.
func (d disk) step(name, path string, f func() error) error {
	if d.hook == nil {
		return f()
	}
	if err := d.hook("before "+name, path); err != nil {
		return &os.PathError{Op: name, Path: path, Err: err}
	}
	if err := f(); err != nil {
		return err
	}
	if err := d.hook("after "+name, path); err != nil {
		return &os.PathError{Op: name, Path: path, Err: err}
	}
	return nil
}

// draft is a file that is being written. It may not have its name yet.
type draft struct {
	*os.File
	nameless bool
}

// create makes a file that must not exist, under its name at once.
func (d disk) create(path string) (f draft, err error) {
	err = d.step("create", path, func() error {
		f.File, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	return f.unless(err)
}

// unless closes the file if the step that made it failed after all.
func (f draft) unless(err error) (draft, error) {
	if err != nil && f.File != nil {
		f.Close()
	}
	return f, err
}

func (d disk) sync(f *os.File) error {
	return d.step("sync", f.Name(), f.Sync)
}

func (d disk) remove(path string) error {
	return d.step("remove", path, func() error { return os.Remove(path) })
}

// syncDir makes the names in a directory durable.
func (d disk) syncDir(dir string) error {
	return d.step("sync directory", dir, func() error { return durable.SyncDir(dir) })
}

// mkdir makes a directory whose name is durable. That it exists already is fine.
func (d disk) mkdir(dir string) error {
	err := d.step("make directory", dir, func() error { return os.Mkdir(dir, 0o700) })
	if err != nil && !os.IsExist(err) {
		return err
	}
	return d.syncDir(filepath.Dir(dir))
}

// mkdirAll makes a directory and those that it is in, all with durable names.
func (d disk) mkdirAll(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if up := filepath.Dir(dir); up != dir {
		if err := d.mkdirAll(up); err != nil {
			return err
		}
	}
	return d.mkdir(dir)
}

// chunk bounds one write of a large value: what is written after its ctx was cancelled,
// and the memory of a copy from a body that cannot write itself.
const (
	chunk  = 4 << 20
	buffer = 256 << 10
)

// sink writes a body to a file, as the destination of [backend.CopyBody].
type sink struct {
	ctx context.Context
	d   disk
	f   *os.File
}

func (s *sink) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, chunk) {
		if err := s.ctx.Err(); err != nil {
			return n, err
		}
		err := s.d.step("write", s.f.Name(), func() error {
			_, err := s.f.Write(part)
			return err
		})
		if err != nil {
			return n, err // not counting a part that was written: an error at the very end counts too
		}
		n += len(part)
	}
	return n, nil
}

// ReadFrom takes the shortest way from a body to the file. What CopyBody passes is the
// body limited to its size.
func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(io.WriterTo); ok && !isFile(limited.R) {
			// A body in memory hands over its bytes without a copy.
			return body.WriteTo(&limitedWriter{s, limited.N})
		}
	}
	return durable.Copy(s, r, make([]byte, buffer))
}

// isFile reports bodies whose WriteTo is no better than a copy with a small buffer.
func isFile(r io.Reader) bool {
	_, ok := r.(*os.File)
	return ok
}

// limitedWriter takes n bytes and fails on more.
type limitedWriter struct {
	w io.Writer
	n int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p[:min(int64(len(p)), l.n)])
	l.n -= int64(n)
	if err == nil && n < len(p) {
		err = backend.ErrTooLong
	}
	return n, err
}
