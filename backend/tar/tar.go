// Package tar reads a store out of a tar file, and writes one: to carry a store, or to publish one.
//
// Importing it registers the scheme "tar", as in tar:results.tar; a plain path that ends in .tar is one too. The
// file is read in place: its members are listed once, when it is opened, and each value is one range of it. It is
// never changed: Put and Delete fail with [errors.ErrUnsupported]. A [Writer] makes a new one.
//
// A tar may come from a stranger: it is refused if it is anything but what a [Writer] makes, and what it claims of its
// values proves nothing before it is verified. docs/copying.md has the layout.
package tar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

const scheme = "tar"

func init() { backend.RegisterFile(scheme, ".tar", openURL) }

var (
	_ backend.Backend     = (*Backend)(nil)
	_ backend.Describer   = (*Backend)(nil)
	_ backend.RangeGetter = (*Backend)(nil)
)

// A Backend is a tar that was opened to be read. It keeps the names and sums of all values in memory: some 250 bytes each.
type Backend struct {
	f       *os.File
	shelves []shelf // in byte order
	closed  atomic.Bool
}

type shelf struct {
	name    string
	entries []entry // in byte order of their names
}

// Open opens the tar at path, and reads the headers of all its members.
func Open(ctx context.Context, path string) (*Backend, error) {
	f, err := durable.Open(path)
	if errors.Is(err, durable.ErrIrregular) {
		err = fmt.Errorf("%w; a directory of that name is opened as shelve:PATH", err)
	}
	if err != nil {
		return nil, backend.Wrap("open", scheme, backend.Key{}, err)
	}
	b := &Backend{f: f}
	if b.shelves, err = readIndex(ctx, f); err != nil {
		f.Close()
		return nil, backend.Wrap("open", scheme, backend.Key{}, fmt.Errorf("%s: %w", filepath.Base(path), err))
	}
	return b, nil
}

func openURL(ctx context.Context, path string, p *backend.Params) (backend.Backend, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	p.ReadOnly() // it is anyway
	b, err := Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Limits implements [backend.Describer].
func (b *Backend) Limits() backend.Limits { return backend.Limits{Lasting: true} }

// check returns why a call cannot begin.
func (b *Backend) check(ctx context.Context) error {
	if b.closed.Load() {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// find returns the entry of a key.
func (b *Backend) find(ctx context.Context, key backend.Key) (*entry, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	entries := b.shelf(key.Shelf)
	i, ok := slices.BinarySearchFunc(entries, key.Name, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return nil, backend.ErrNotFound
	}
	return &entries[i], nil
}

func (b *Backend) shelf(name string) []entry {
	i, ok := slices.BinarySearchFunc(b.shelves, name, func(s shelf, name string) int { return strings.Compare(s.name, name) })
	if !ok {
		return nil
	}
	return b.shelves[i].entries
}

// inMemory is the size up to which Get reads a value at once.
const inMemory = 64 << 10

// Get implements [backend.Backend].
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	e, err := b.find(ctx, key)
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("get", scheme, key, err)
	}
	if e.size > inMemory {
		return b.body(ctx, key, e, 0, e.size), e.info(key.Shelf), nil
	}
	all := make([]byte, e.size)
	if _, err := b.f.ReadAt(all, e.at); err != nil {
		return nil, backend.Info{}, backend.Wrap("get", scheme, key, b.failed(err))
	}
	return backend.NewBody(all), e.info(key.Shelf), nil
}

// GetRange implements [backend.RangeGetter].
func (b *Backend) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	e, err := b.find(ctx, key)
	if err == nil && version != "" && version != e.version() {
		err = backend.ErrChanged
	}
	if err == nil && off < 0 {
		err = fmt.Errorf("offset %d is negative", off)
	}
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("get range", scheme, key, err)
	}
	off = min(off, e.size)
	if n < 0 || n > e.size-off {
		n = e.size - off
	}
	return b.body(ctx, key, e, off, n), e.info(key.Shelf), nil
}

// failed says what a failure to read means.
func (b *Backend) failed(err error) error {
	switch {
	case b.closed.Load():
		return backend.ErrClosed
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the tar is shorter than when it was opened", backend.ErrCorrupt)
	}
	return err
}

// body is a part of a value.
func (b *Backend) body(ctx context.Context, key backend.Key, e *entry, off, n int64) io.ReadCloser {
	return &section{b: b, ctx: ctx, key: key, at: e.at + off, left: n}
}

type section struct {
	b        *Backend
	ctx      context.Context
	key      backend.Key
	at, left int64
}

func (s *section) Read(p []byte) (int, error) {
	if err := s.b.check(s.ctx); err != nil {
		return 0, backend.Wrap("get", scheme, s.key, err)
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.b.f.ReadAt(p[:min(int64(len(p)), s.left)], s.at)
	s.at += int64(n)
	s.left -= int64(n)
	if n > 0 {
		return n, nil // what is wrong comes again
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, backend.Wrap("get", scheme, s.key, s.b.failed(err))
}

// Close implements [io.Closer].
func (s *section) Close() error { return nil }

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	e, err := b.find(ctx, key)
	if err != nil {
		return backend.Info{}, backend.Wrap("stat", scheme, key, err)
	}
	return e.info(key.Shelf), nil
}

var errFixed = fmt.Errorf("%w: a tar is never changed; copy it to a store (larder cp), or write a new one", errors.ErrUnsupported)

// Put implements [backend.Backend]: it fails.
func (b *Backend) Put(ctx context.Context, key backend.Key, _ io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	err := b.check(ctx)
	if err == nil {
		err = backend.CheckPut(key, opts)
	}
	if err == nil {
		err = errFixed
	}
	return backend.Info{}, backend.Wrap("put", scheme, key, err)
}

// Delete implements [backend.Backend]: it fails, unless the key is absent.
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	_, err := b.find(ctx, key)
	if errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = errFixed
	}
	return backend.Wrap("delete", scheme, key, err)
}

// List implements [backend.Backend].
func (b *Backend) List(ctx context.Context, name string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		fail := func(err error) { yield(backend.Info{}, backend.Wrap("list", scheme, backend.Key{Shelf: name}, err)) }
		if err := opts.Validate(name); err != nil {
			fail(err)
			return
		}
		entries, n := b.shelf(name), 0
		for _, e := range entries[begin(len(entries), func(i int) string { return entries[i].name }, opts):] {
			if err := b.check(ctx); err != nil {
				fail(err)
				return
			}
			if !strings.HasPrefix(e.name, opts.Prefix) {
				return
			}
			if n++; !yield(e.info(name), nil) || n == opts.Limit {
				return
			}
		}
		if err := b.check(ctx); err != nil && len(entries) == 0 {
			fail(err)
		}
	}
}

// begin returns the index of the first of n names in order that the options choose, or of what is behind them.
func begin(n int, name func(int) string, opts backend.ListOptions) int {
	return sort.Search(n, func(i int) bool { return name(i) > opts.After && name(i) >= opts.Prefix })
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := opts.ValidateShelves()
		if err == nil {
			err = b.check(ctx)
		}
		if err != nil {
			yield("", backend.Wrap("shelves", scheme, backend.Key{}, err))
			return
		}
		n := 0
		for _, s := range b.shelves[begin(len(b.shelves), func(i int) string { return b.shelves[i].name }, opts):] {
			if !strings.HasPrefix(s.name, opts.Prefix) {
				return
			}
			if err := b.check(ctx); err != nil {
				yield("", backend.Wrap("shelves", scheme, backend.Key{}, err))
				return
			}
			if n++; !yield(s.name, nil) || n == opts.Limit {
				return
			}
		}
	}
}

// Close implements [backend.Backend]. Bodies that are open fail from now on.
func (b *Backend) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	return backend.Wrap("close", scheme, backend.Key{}, b.f.Close())
}
