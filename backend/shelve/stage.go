package shelve

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/ahead"
)

// Stage implements [indexed.Stager]: the draft is a file without a name in the directory of the data. It needs no claim, since
// no sweep sees it, and it is gone with its process. The Put that takes it claims a name as for any other body.
func (d *dir) Stage(ctx context.Context) (backend.Draft, error) {
	if d.named.Load() {
		return nil, errors.ErrUnsupported
	}
	f, err := d.disk.openStage(d.path)
	if err != nil {
		return nil, err
	}
	return &staged{ahead.New(f, 0, d.sync), d, ctx}, nil
}

// staged is a [backend.Draft] on its way into a directory of values.
type staged struct {
	*ahead.File
	dir *dir
	ctx context.Context // of its making: a stream that nobody waits for any longer is not written on
}

// Write implements [io.Writer].
func (s *staged) Write(p []byte) (n int, err error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	err = s.dir.disk.step("write", s.dir.path, func() error {
		n, err = s.File.Write(p)
		return err
	})
	return n, err
}

// take gives a draft of the same directory its name. It reports false where the bytes have to be copied: the draft is of
// another place, or has a name already, or cannot get one.
func (s *staged) take(ctx context.Context, d *dir, name string, size int64) (taken bool, err error) {
	if s.dir.path != d.path || s.Sealed() || s.Size() != size {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = d.disk.linkAs(s.File.File(), d.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.disk.mkdir(d.shard(name)); err != nil {
			return false, err
		}
		err = d.disk.linkAs(s.File.File(), d.file(name))
	}
	if failed := (*os.LinkError)(nil); errors.As(err, &failed) {
		d.named.Store(true)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.Seal()
	return true, d.last(s.File.File(), name)
}
