package shelve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/turnstile"
)

// dir holds large values, one file each, by the names that the index made up for them, in
// 256 directories by the first two digits of the name (with 100,000 files in one
// directory tools begin to suffer; in 256 writing them costs 59 µs a file instead of 34).
//
// A file stands under its name before it is whole: no reader looks for it until the index
// names it, so that no rename is needed. It implements [indexed.Data].
type dir struct {
	disk disk
	path string
	sync bool // fsync before the index names a file

	named atomic.Bool // files cannot be given a name later
}

func (d *dir) shard(name string) string { return filepath.Join(d.path, name[:2]) }

func (d *dir) file(name string) string { return filepath.Join(d.shard(name), name) }

// Create implements [indexed.Data].
func (d *dir) Create(ctx context.Context, name string, body io.ReadSeeker, opts backend.PutOptions) error {
	if s, ok := body.(*staged); ok {
		if taken, err := s.take(ctx, d, name, opts.Size); taken || err != nil {
			return err
		}
	}
	err := d.create(ctx, name, body, opts.Size)
	if failed := (*os.LinkError)(nil); errors.As(err, &failed) {
		d.named.Store(true)
		err = d.create(ctx, name, body, opts.Size)
	}
	return err
}

func (d *dir) create(ctx context.Context, name string, body io.ReadSeeker, size int64) error {
	f, err := d.disk.openNew(d.shard(name), d.file(name), d.named.Load())
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.disk.mkdir(d.shard(name)); err != nil {
			return err
		}
		f, err = d.disk.openNew(d.shard(name), d.file(name), d.named.Load())
	}
	if err != nil {
		return err
	}
	err = d.fill(ctx, f, name, body, size)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

// fill writes the body and makes file and name durable.
func (d *dir) fill(ctx context.Context, f draft, name string, body io.ReadSeeker, size int64) error {
	if err := backend.CopyBody(&sink{ctx, d.disk, f.File}, body, size); err != nil {
		return err
	}
	if err := d.disk.link(f); err != nil {
		return err
	}
	return d.last(f.File, name)
}

// last makes a file that has its name, and the name, durable. The two fsyncs run side by side: a journal commits both at
// once.
func (d *dir) last(f *os.File, name string) error {
	if !d.sync {
		return nil
	}
	var ofName error
	var wg sync.WaitGroup
	wg.Go(func() { ofName = d.disk.syncDir(d.shard(name)) })
	ofData := d.disk.sync(f)
	wg.Wait()
	if ofData != nil {
		return ofData
	}
	return ofName
}

// Open implements [indexed.Data]. The reader keeps the file alive though it is removed
// meanwhile; on Windows it keeps it from being removed, and the sweep removes it later.
func (d *dir) Open(_ context.Context, name string, size, off, n int64) (io.ReadCloser, error) {
	f, err := d.open(name, size)
	if err != nil {
		return nil, err
	}
	if off == 0 && (n < 0 || n >= size) {
		return f, nil
	}
	if n < 0 || n > size {
		n = size // and the section ends where the file does
	}
	return section{io.NewSectionReader(f, min(off, size), n), f}, nil
}

// open opens the file of that name, which must have that size.
func (d *dir) open(name string, size int64) (*os.File, error) {
	f, err := durable.Open(d.file(name))
	if errors.Is(err, durable.ErrIrregular) {
		return nil, fmt.Errorf("%w: %w; store the value again", backend.ErrCorrupt, err)
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		err = d.checkSize(name, fi.Size(), size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// section is a part of a file.
type section struct {
	*io.SectionReader
	io.Closer
}

// Check implements [indexed.Data].
func (d *dir) Check(_ context.Context, name string, size int64) error {
	fi, err := os.Stat(d.file(name))
	if err != nil {
		return err
	}
	return d.checkSize(name, fi.Size(), size)
}

func (d *dir) checkSize(name string, got, want int64) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%w: %s has %d bytes of %d; store the value again", backend.ErrCorrupt, d.file(name), got, want)
}

// Remove implements [indexed.Data].
func (d *dir) Remove(_ context.Context, names ...string) error {
	for _, name := range names {
		if err := d.disk.remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// found is a file in the data directory.
type found struct {
	name string
	size int64
	mod  time.Time
}

// files yields all files that are there, or came meanwhile or not.
func (d *dir) files() iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		shards, err := os.ReadDir(d.path)
		if err != nil {
			yield(found{}, err)
			return
		}
		for _, shard := range shards {
			entries, err := os.ReadDir(filepath.Join(d.path, shard.Name()))
			if err != nil {
				yield(found{}, err)
				return
			}
			for _, e := range entries {
				if _, ok := parseID(e.Name()); !ok || e.Name()[:2] != shard.Name() {
					continue // not ours
				}
				fi, err := e.Info()
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					yield(found{}, err)
					return
				}
				if !yield(found{e.Name(), fi.Size(), fi.ModTime()}, nil) {
					return
				}
			}
		}
	}
}

// claim keeps sweeps off the data of one batch of writers, by a share in the turnstile of
// the data directory.
type claim struct {
	hold *turnstile.Hold
	left int // names that are not settled; guarded by place.mu
}

// claimNames returns n fresh names, protected until each was settled.
func (p *place) claimNames(ctx context.Context, w turnstile.WaitPolicy, n int) ([]string, error) {
	h, err := p.data.Enter(ctx, w, true)
	if err != nil {
		return nil, err
	}
	c := &claim{hold: h, left: n}
	names := make([]string, n)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range names {
		names[i] = newID().String()
		p.claims[names[i]] = c
	}
	return names, nil
}

// settle ends the protection of names.
func (p *place) settle(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		c := p.claims[name]
		if c == nil {
			continue
		}
		delete(p.claims, name)
		if c.left--; c.left == 0 {
			c.hold.Leave()
		}
	}
}
