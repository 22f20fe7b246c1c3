package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/durable"
)

// Temporary files lie in a directory of the store itself, so that they are in the file
// system of their destination, and that a sweep need not search the whole tree.
const (
	tempDir    = "temp"
	tempPrefix = "temp-"
)

// tempFile is a file on its way. Its writer holds a kernel lock on it, which a sweep
// respects and the writer's death releases.
type tempFile struct {
	path   string
	f      *os.File
	placed bool   // it was renamed
	linked bool   // it has a name beside the temporary one
	draft  *draft // of which it is; nil for one that its Put wrote
}

// writeTemp writes header and body to a new temporary file and syncs it.
func (b *bucket) writeTemp(ctx context.Context, h header, src *driver.Body) (*tempFile, error) {
	t, err := newTemp(filepath.Join(b.root, private, tempDir))
	if err != nil {
		return nil, err
	}
	err = t.write(ctx, h, src)
	if err == nil {
		err = b.disk.syncFile(t.f)
	}
	if err != nil {
		t.remove()
		return nil, err
	}
	return t, nil
}

func newTemp(dir string) (*tempFile, error) {
	for range maxTries {
		f, err := os.CreateTemp(dir, tempPrefix+"*")
		if errors.Is(err, fs.ErrNotExist) {
			if err := makeDir(dir); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		t := &tempFile{path: f.Name(), f: f}
		locked, err := durable.TryLock(f, false)
		if locked && durable.IsAt(f, t.path) {
			return t, nil
		}
		t.remove() // a sweep came between the two
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: temporary files in %s vanish as soon as they are made", backend.ErrUnavailable, dir)
}

func (t *tempFile) write(ctx context.Context, h header, src *driver.Body) error {
	head, err := h.encodeAligned()
	if err != nil {
		return err
	}
	if _, err := t.f.Write(head); err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	_, err = durable.Copy(t.f, cancellable{ctx, src}, *buf)
	return err
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// cancellable ends a long copy with its context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// release ends the use of the file by a Put. One that is a draft's remains readable, and is as it was if it was not stored.
func (t *tempFile) release() {
	if t.draft == nil {
		t.remove()
		return
	}
	if t.linked && !t.placed {
		os.Remove(t.path)
		t.placed = true
	}
	if t.placed {
		t.draft.Seal()
	}
}

// remove gives up the temporary name, and the file with it unless it got another.
func (t *tempFile) remove() {
	if !t.placed {
		os.Remove(t.path)
	}
	t.f.Close()
}

// grace is the default of [backend.SweepOptions] here: the lock shows what is in use, so that a
// file need only be old enough for its writer to have taken it.
const grace = time.Minute

// Sweep implements [driver.Sweeper]: it removes the temporary files of writers that died.
func (b *bucket) Sweep(ctx context.Context, _ string, opts backend.SweepOptions) (report backend.SweepReport, err error) {
	if opts.Grace <= 0 {
		opts.Grace = grace
	}
	dir := filepath.Join(b.root, private, tempDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return report, nil
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil {
			continue // gone meanwhile
		}
		left, err := abandoned(path, info, opts)
		if err != nil {
			return report, err
		}
		if !left {
			report.Kept++
			continue
		}
		report.Orphans++
		report.OrphanBytes += info.Size()
	}
	return report, err
}

// abandoned reports whether no process writes a temporary file any longer, and removes it
// then, unless it is a dry run.
func abandoned(path string, info fs.FileInfo, opts backend.SweepOptions) (bool, error) {
	if time.Since(info.ModTime()) < opts.Grace {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if locked, err := durable.TryLock(f, false); err != nil || !locked {
		return false, err
	}
	if !durable.IsAt(f, path) { // its writer, or another sweep, removed it before its lock was free
		return false, nil
	}
	if opts.DryRun {
		return true, nil
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) { // as a writer does whose new file was not locked yet
		return false, nil
	}
	return err == nil, err
}
