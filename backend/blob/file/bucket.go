package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/durable"
)

// bucket is a [driver.Bucket] of files.
type bucket struct {
	root    string
	made    fs.FileInfo // of root when it was opened
	locks   locks
	disk    disk
	lasting lasting
}

// disk makes what was written durable. A test looks on.
type disk struct {
	syncFile func(*os.File) error
	syncDir  func(dir string) error
}

func newBucket(root string, o Options) *bucket {
	made, _ := os.Stat(root) // prepare has seen to it
	return &bucket{root: root, made: made, locks: newLocks(filepath.Join(root, private, lockDir), o.Timeout), disk: disk{(*os.File).Sync, durable.SyncDir}}
}

// Limits implements [driver.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true}
}

// Close implements [driver.Bucket].
func (b *bucket) Close() error { return nil }

func (b *bucket) path(name string) string { return filepath.Join(b.root, filepath.FromSlash(name)) }

// Head implements [driver.Bucket].
func (b *bucket) Head(_ context.Context, name string) (driver.Object, error) {
	f, err := open(b.path(name))
	if err != nil {
		return driver.Object{}, err
	}
	defer f.Close()
	o, _, err := readObject(f, name)
	return o, err
}

// Get implements [driver.Bucket]. A file that is replaced or deleted stays whole for readers that have
// it open.
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, driver.Object, error) {
	f, err := open(b.path(name))
	if err != nil {
		return nil, driver.Object{}, err
	}
	o, start, err := readObject(f, name)
	switch {
	case err != nil:
	case version != "" && version != o.Version:
		err = backend.ErrChanged
	case off > o.Size:
		err = driver.ErrRange
	}
	if err != nil {
		f.Close()
		return nil, driver.Object{}, err
	}
	if left := o.Size - off; n < 0 || n > left {
		n = left
	}
	return &body{io.NewSectionReader(f, start+off, n), ctx, f}, o, nil
}

// body reads a part of a file while its context is alive.
type body struct {
	r   *io.SectionReader
	ctx context.Context
	f   *os.File
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}

func (b *body) Close() error { return b.f.Close() }

// open opens a file for reading. ENOTDIR says that a file lies where the path wants a
// directory, and [durable.ErrIrregular] the reverse, or a pipe: of Larder's making is neither.
func open(path string) (*os.File, error) {
	f, err := durable.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, backend.ErrNotFound
	case errors.Is(err, durable.ErrIrregular):
		return nil, fmt.Errorf("%w: %w; store the value again", backend.ErrCorrupt, err)
	}
	return f, err
}

// Put implements [driver.Bucket]: a temporary file is written and synced, then linked
// (which fails if the name exists, whoever else tries) or renamed under a lock, then the
// directories are synced.
func (b *bucket) Put(ctx context.Context, name string, src *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	if err := durable.Present(b.root, b.made, filepath.Join(private, formatFile)); err != nil {
		return driver.Object{}, err
	}
	h := header{Version: rand.Text(), Meta: opts.Meta}
	temp, err := b.takeDraft(h, src)
	if temp == nil && err == nil {
		temp, err = b.writeTemp(ctx, h, src)
	}
	if err != nil {
		return driver.Object{}, err
	}
	defer temp.release()
	stat, err := temp.f.Stat()
	if err != nil {
		return driver.Object{}, err
	}
	path := b.path(name)
	for try := 0; ; try++ {
		err := b.place(ctx, temp, path, opts)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || try > maxTries {
			return driver.Object{}, err
		}
		// The directory was never there, or a Delete removed it after it had emptied it.
		if err := makeDir(filepath.Dir(path)); err != nil {
			return driver.Object{}, err
		}
	}
	if err := b.syncUp(filepath.Dir(path)); err != nil {
		return driver.Object{}, fmt.Errorf("%w: the value was stored, but may not survive a power cut: %w", backend.ErrUnavailable, err)
	}
	return driver.Object{Name: name, Size: src.Size(), Version: h.Version, ModTime: stat.ModTime(), Meta: opts.Meta}, nil
}

// maxTries bounds how often a Put finds that Deletes of others undid what it had prepared.
const maxTries = 100

// makeDir is os.MkdirAll beside Deletes that remove empty directories. It reports that one
// exists which went between its two looks, and a parent that goes is absent.
func makeDir(path string) error {
	for try := 0; ; try++ {
		err := os.MkdirAll(path, 0o700)
		again := errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist)
		if !again || try > maxTries {
			return err
		}
	}
}

// place gives the temporary file its name, if the condition holds.
func (b *bucket) place(ctx context.Context, temp *tempFile, path string, opts driver.PutOptions) error {
	if opts.IfAbsent {
		err := os.Link(temp.path, path)
		if errors.Is(err, fs.ErrExist) && b.clear(ctx, path) {
			err = os.Link(temp.path, path)
		}
		switch {
		case errors.Is(err, fs.ErrExist) && isDir(path):
			return dirInPlace(path)
		case errors.Is(err, fs.ErrExist):
			return backend.ErrExists
		}
		temp.linked = err == nil
		return err
	}
	// Every replacement and deletion takes the lock; so nothing comes between the look
	// and the rename.
	unlock, err := b.locks.lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	if opts.IfMatch != "" {
		version, err := versionOf(path)
		if err != nil {
			return err
		}
		if version != opts.IfMatch {
			return backend.ErrChanged
		}
	}
	err = os.Rename(temp.path, path)
	if err != nil && isDir(path) {
		if !removeNothing(path) {
			return dirInPlace(path)
		}
		err = os.Rename(temp.path, path)
	}
	if err != nil {
		return err
	}
	temp.placed = true
	return nil
}

// clear removes what lies in a value's place and holds nothing. It reports whether it did.
func (b *bucket) clear(ctx context.Context, path string) bool {
	if !dangling(path) && !isDir(path) {
		return false
	}
	unlock, err := b.locks.lock(ctx, path)
	if err != nil {
		return false
	}
	defer unlock()
	return removeNothing(path)
}

// removeNothing removes a link that leads nowhere, which reads take for absent, or an empty directory. The lock is held.
func removeNothing(path string) bool {
	return (dangling(path) || isDir(path)) && os.Remove(path) == nil
}

func dangling(path string) bool {
	_, err := os.Stat(path)
	link, linkErr := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist) && linkErr == nil && link.Mode()&fs.ModeSymlink != 0
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// dirInPlace is the error of a Put where somebody made a directory: no name of Larder's is one.
func dirInPlace(path string) error {
	return fmt.Errorf("%s is a directory, where a value belongs; move it away", path)
}

// versionOf returns the version of a file; "" if there is none that can be read.
func versionOf(path string) (string, error) {
	f, err := open(path)
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrCorrupt) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	o, _, err := readObject(f, "")
	if errors.Is(err, backend.ErrCorrupt) {
		return "", nil
	}
	return o.Version, err
}

// Delete implements [driver.Bucket].
func (b *bucket) Delete(ctx context.Context, names []string) error { return b.delete(ctx, names, nil) }

// DeleteMatch implements [driver.Bucket]: the version is read under the lock that every replacement takes.
func (b *bucket) DeleteMatch(ctx context.Context, names, versions []string) error {
	return b.delete(ctx, names, versions)
}

// delete removes files; where versions are given, those that have them.
func (b *bucket) delete(ctx context.Context, names, versions []string) error {
	if err := durable.Present(b.root, b.made, filepath.Join(private, formatFile)); err != nil {
		return err
	}
	errs := make(backend.BatchError, len(names))
	dirs := map[string]bool{} // synced once, after all
	for i, name := range names {
		var dir, version string
		if versions != nil {
			version = versions[i]
		}
		if dir, errs[i] = b.remove(ctx, b.path(name), version); dir != "" {
			dirs[dir] = true
		}
	}
	for dir := range dirs {
		if err := b.disk.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errs.OrNil()
}

// remove removes a file and the directories that it leaves empty. It returns the
// directory that has to be synced; none if nothing was there. Where version is not empty, the file must have it.
func (b *bucket) remove(ctx context.Context, path, version string) (string, error) {
	unlock, err := b.locks.lock(ctx, path)
	if err != nil {
		return "", err
	}
	defer unlock()
	if version != "" {
		present, err := versionOf(path)
		if err != nil {
			return "", err
		}
		if present != version {
			return "", backend.ErrChanged
		}
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	for dir != b.root && os.Remove(dir) == nil { // which fails unless it is empty
		dir = filepath.Dir(dir)
	}
	return dir, nil
}

// syncUp makes the entries of a path durable, from dir up to the root, or to where they are known to be.
func (b *bucket) syncUp(dir string) error {
	synced := map[string]identity{}
	for {
		id := identify(dir) // before its parent is synced, so that it is this one's name that lasts
		// A directory that is gone was emptied by a Delete, which came after this Put.
		if err := b.disk.syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if dir == b.root || !strings.HasPrefix(dir, b.root) || b.lasting.has(dir, id) {
			break
		}
		synced[dir] = id
		dir = filepath.Dir(dir)
	}
	if len(synced) > 0 {
		b.lasting.add(synced)
	}
	return nil
}
