// Package custombackend shows how to bring a place of your own to keep values in: plain
// files in a folder, one for each value. It is small and right rather than quick: it
// promises no conditions, and says so, and it reads a whole shelf to list a part of it.
//
// Its test proves it in ten lines.
package custombackend

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/larder-store/larder/backend"
)

const scheme = "folder"

func init() {
	backend.Register(scheme, func(_ context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
		return Open(filepath.FromSlash(u.Path))
	})
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Describer = (*Backend)(nil)
)

// Backend keeps values in a folder: shelf s, name a/b is the file s/a/b!, whose first line
// is a header and whose rest is the body. The mark keeps a file a! apart from a folder a. What
// is being written is in the folder .tmp, which no shelf can be called.
type Backend struct {
	dir string

	mu     sync.RWMutex // guards closed, and is held while a file changes its name
	closed bool
}

const mark = "!"

// header is what a file knows about its value.
type header struct {
	Size    int64        `json:"size"`
	Digest  []byte       `json:"digest"`
	Sum     uint32       `json:"sum"`
	Version string       `json:"version"`
	Meta    backend.Meta `json:"meta,omitempty"`
}

// Open opens the folder dir, and makes it if there is none.
func Open(dir string) (*Backend, error) {
	if err := os.MkdirAll(filepath.Join(dir, ".tmp"), 0o700); err != nil {
		return nil, backend.Wrap("open", scheme, backend.Key{}, err)
	}
	return &Backend{dir: dir}, nil
}

// Limits implements [backend.Describer]: values stay, and that is all that is promised.
func (b *Backend) Limits() backend.Limits { return backend.Limits{Lasting: true} }

func (b *Backend) path(key backend.Key) string {
	return filepath.Join(b.dir, key.Shelf, filepath.FromSlash(key.Name)+mark)
}

// ready is what every call asks first: may it go on, and are its arguments valid?
func (b *Backend) ready(ctx context.Context, invalid error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return invalid
}

// Get implements [backend.Backend]. An open file is a snapshot: what replaces or removes
// it takes another file in its place.
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	f, r, info, err := b.open(ctx, key)
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("get", scheme, key, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, info, nil
}

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	f, _, info, err := b.open(ctx, key)
	if err != nil {
		return backend.Info{}, backend.Wrap("stat", scheme, key, err)
	}
	f.Close()
	return info, nil
}

// open opens a value's file and reads its header.
func (b *Backend) open(ctx context.Context, key backend.Key) (*os.File, io.Reader, backend.Info, error) {
	if err := b.ready(ctx, key.Validate()); err != nil {
		return nil, nil, backend.Info{}, err
	}
	f, err := os.Open(b.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		err = backend.ErrNotFound
	}
	if err != nil {
		return nil, nil, backend.Info{}, err
	}
	r := bufio.NewReader(f)
	info, err := readHeader(f, r)
	if err != nil {
		f.Close()
		return nil, nil, backend.Info{}, fmt.Errorf("%w: %s: %v", backend.ErrCorrupt, f.Name(), err)
	}
	info.Key = key
	return f, r, info, nil
}

func readHeader(f *os.File, r *bufio.Reader) (backend.Info, error) {
	var h header
	line, err := r.ReadBytes('\n')
	if err != nil {
		return backend.Info{}, err
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return backend.Info{}, err
	}
	st, err := f.Stat()
	if err != nil {
		return backend.Info{}, err
	}
	info := backend.Info{Size: h.Size, Sum: h.Sum, Version: h.Version, ModTime: st.ModTime(), Meta: h.Meta}
	copy(info.Digest[:], h.Digest)
	return info, nil
}

// Put implements [backend.Backend]. A file under a temporary name becomes the value by one
// rename, so that no part of it is ever seen. A rename cannot ask a question: conditions are refused.
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	info, err := b.put(ctx, key, body, opts)
	return info, backend.Wrap("put", scheme, key, err)
}

func (b *Backend) put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if err := b.ready(ctx, backend.CheckPut(key, opts)); err != nil {
		return backend.Info{}, err
	}
	if opts.IfAbsent || opts.IfMatch != "" {
		return backend.Info{}, fmt.Errorf("a condition: %w", errors.ErrUnsupported)
	}
	f, err := os.CreateTemp(filepath.Join(b.dir, ".tmp"), "put-*")
	if err != nil {
		return backend.Info{}, err
	}
	defer os.Remove(f.Name()) // gone by then, if all went well
	h := header{opts.Size, opts.Digest[:], opts.Sum, rand.Text(), opts.Meta}
	line, err := json.Marshal(h)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if err == nil {
		err = backend.CopyBody(f, body, opts.Size)
	}
	st, serr := f.Stat()
	if err := errors.Join(err, serr, f.Close()); err != nil {
		return backend.Info{}, err
	}
	if err := b.publish(ctx, f.Name(), b.path(key)); err != nil {
		return backend.Info{}, err
	}
	return backend.Info{
		Key: key, Size: opts.Size, Digest: opts.Digest, Sum: opts.Sum,
		Version: h.Version, ModTime: st.ModTime(), Meta: opts.Meta,
	}, nil
}

// publish renames a file, unless the handle was closed or the caller gave up meanwhile.
func (b *Backend) publish(ctx context.Context, from, to string) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Delete implements [backend.Backend]. Empty folders stay.
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	err := b.ready(ctx, key.Validate())
	if err == nil {
		err = os.Remove(b.path(key))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return backend.Wrap("delete", scheme, key, err)
}

// List implements [backend.Backend]. It takes all names first: the order of a walk through
// folders is not that of names.
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		fail := func(err error) { yield(backend.Info{}, backend.Wrap("list", scheme, backend.Key{Shelf: shelf}, err)) }
		names, err := b.names(ctx, shelf, opts)
		if err != nil {
			fail(err)
			return
		}
		n := 0
		for _, name := range names {
			info, err := b.Stat(ctx, backend.Key{Shelf: shelf, Name: name})
			if errors.Is(err, backend.ErrNotFound) {
				continue // it was deleted meanwhile
			}
			if err != nil {
				fail(err)
				return
			}
			if n++; !yield(info, nil) || n == opts.Limit {
				return
			}
		}
	}
}

// names returns the names on a shelf that opts ask for, but for the limit.
func (b *Backend) names(ctx context.Context, shelf string, opts backend.ListOptions) ([]string, error) {
	if err := b.ready(ctx, opts.Validate(shelf)); err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, shelf)
	seen := map[string]bool{}
	// On some file systems, such as those in memory, a file that is replaced moves within its folder, perhaps to where the walk has been. So
	// it is taken again until it finds nothing new, or some times.
	for n, known := 0, -1; n < 8 && known < len(seen); n++ {
		known = len(seen)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return errors.Join(err, ctx.Err())
			}
			name, err := filepath.Rel(dir, strings.TrimSuffix(path, mark))
			name = filepath.ToSlash(name)
			if strings.HasPrefix(name, opts.Prefix) && name > opts.After {
				seen[name] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		fail := func(err error) { yield("", backend.Wrap("shelves", scheme, backend.Key{}, err)) }
		if err := b.ready(ctx, opts.ValidateShelves()); err != nil {
			fail(err)
			return
		}
		dirs, err := os.ReadDir(b.dir) // in byte order
		if err != nil {
			fail(err)
			return
		}
		yielded := 0
		for _, d := range dirs {
			shelf := d.Name()
			if backend.ValidateShelf(shelf) != nil || !strings.HasPrefix(shelf, opts.Prefix) || shelf <= opts.After {
				continue
			}
			names, err := b.names(ctx, shelf, backend.ListOptions{})
			if err != nil {
				fail(err)
				return
			}
			if len(names) == 0 {
				continue
			}
			if yielded++; !yield(shelf, nil) || yielded == opts.Limit {
				return
			}
		}
	}
}

// Close implements [backend.Backend]. A Put that has not renamed its file yet fails.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}
