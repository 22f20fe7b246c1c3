// Package mem keeps values in the memory of this process. It is the reference that
// other backends are compared with, and serves examples and tests.
//
// Importing it registers the scheme "mem": mem: is a fresh place of its own,
// mem://name is the same place wherever this process opens that name.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

const scheme = "mem"

func init() { backend.Register(scheme, openURL) }

var _ backend.Backend = (*Backend)(nil)

// Options change how a handle works; nil and the zero value mean the defaults.
type Options struct {
	// Now is the clock of the store: it stamps values and judges leases. Handles on
	// one place should share one clock. The default is [time.Now].
	Now func() time.Time

	// MaxValue is the largest value that a Put through this handle stores, in
	// bytes; a larger one is [backend.ErrTooLarge]. 0 is no limit.
	MaxValue int64
}

// Backend is a handle on a place in memory.
type Backend struct {
	opts   Options
	place  *place
	closed bool // guarded by place.mu
}

// place is what the handles that were opened under one name share.
type place struct {
	mu       sync.RWMutex // guards all below, and is never held across a yield or a read of a body
	shelves  map[string]*shelf
	versions uint64
	leases   map[string]grant
}

// An entry is never changed once it is on a shelf: a reader that has found it may read on
// without the lock, whatever happens to its key.
type entry struct {
	info backend.Info
	body []byte
}

var (
	namedMu sync.Mutex // guards named
	named   = map[string]*place{}
)

func newPlace() *place {
	return &place{shelves: map[string]*shelf{}, leases: map[string]grant{}}
}

// New returns a handle on a fresh place that no other handle can reach.
func New(opts *Options) *Backend {
	return newHandle(newPlace(), opts)
}

// Open returns a handle on the place called name, which lives as long as the process, or until [Forget].
func Open(name string, opts *Options) *Backend {
	namedMu.Lock()
	defer namedMu.Unlock()
	p, ok := named[name]
	if !ok {
		p = newPlace()
		named[name] = p
	}
	return newHandle(p, opts)
}

// Forget drops the place called name and its contents. Handles that are open on it go on working; the next Open of
// the name makes a fresh place.
func Forget(name string) {
	namedMu.Lock()
	defer namedMu.Unlock()
	delete(named, name)
}

func newHandle(p *place, opts *Options) *Backend {
	b := &Backend{place: p}
	if opts != nil {
		b.opts = *opts
	}
	if b.opts.Now == nil {
		b.opts.Now = time.Now
	}
	return b
}

func openURL(_ context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	if u.Opaque != "" || u.User != nil || u.Path != "" || u.Fragment != "" {
		return nil, backend.InvalidURL("a place in memory is written mem: (a fresh one) or mem://name")
	}
	if u.Host == "" {
		return New(nil), nil
	}
	return Open(u.Host, nil), nil
}

// Limits implements [backend.Describer].
func (b *Backend) Limits() backend.Limits {
	return backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true, MaxValue: b.opts.MaxValue}
}

// Get implements [backend.Backend].
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	e, err := b.find(ctx, key)
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("get", scheme, key, err)
	}
	return io.NopCloser(bytes.NewReader(e.body)), e.told(), nil
}

// GetRange implements [backend.RangeGetter].
func (b *Backend) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	e, err := b.find(ctx, key)
	switch {
	case err != nil:
	case off < 0:
		err = fmt.Errorf("offset %d is negative", off)
	case version != "" && version != e.info.Version:
		err = backend.ErrChanged
	}
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("get range", scheme, key, err)
	}
	part := e.body[min(off, e.info.Size):]
	if n >= 0 {
		part = part[:min(n, int64(len(part)))]
	}
	return io.NopCloser(bytes.NewReader(part)), e.told(), nil
}

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	e, err := b.find(ctx, key)
	if err != nil {
		return backend.Info{}, backend.Wrap("stat", scheme, key, err)
	}
	return e.told(), nil
}

// Put implements [backend.Backend].
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	e, err := b.prepare(ctx, key, body, opts)
	if err != nil {
		return backend.Info{}, backend.Wrap("put", scheme, key, err)
	}
	b.place.mu.Lock()
	defer b.place.mu.Unlock()
	info, err := b.commit(ctx, e, opts)
	return info, backend.Wrap("put", scheme, key, err)
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	return backend.Wrap("delete", scheme, key, b.remove(ctx, key, nil))
}

// Close implements [backend.Backend]. It does not wait: a call in progress that
// has not stored its value yet fails.
func (b *Backend) Close() error {
	b.place.mu.Lock()
	defer b.place.mu.Unlock()
	b.closed = true
	return nil
}

// ready returns why no call may go on: the caller gave up, or the handle is closed.
// The lock is held.
func (b *Backend) ready(ctx context.Context) error {
	if b.closed {
		return backend.ErrClosed
	}
	return ctx.Err()
}

// find returns the entry of key.
func (b *Backend) find(ctx context.Context, key backend.Key) (*entry, error) {
	b.place.mu.RLock()
	defer b.place.mu.RUnlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	if e := b.place.shelves[key.Shelf].get(key.Name); e != nil {
		return e, nil
	}
	return nil, backend.ErrNotFound
}

// prepare does all of a Put that needs no lock.
func (b *Backend) prepare(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (*entry, error) {
	b.place.mu.RLock()
	err := b.ready(ctx)
	b.place.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	if err := backend.CheckPut(key, opts); err != nil {
		return nil, err
	}
	if b.opts.MaxValue > 0 && opts.Size > b.opts.MaxValue {
		return nil, fmt.Errorf("%w: the value has %d bytes, %d are allowed", backend.ErrTooLarge, opts.Size, b.opts.MaxValue)
	}
	bytes, err := backend.ReadBody(body, opts.Size)
	if err != nil {
		return nil, err
	}
	return &entry{body: bytes, info: backend.Info{
		Key: key, Size: opts.Size, Digest: opts.Digest, Sum: opts.Sum, Meta: maps.Clone(opts.Meta),
	}}, nil
}

// commit decides the condition and puts e on its shelf. The lock is held for writing.
func (b *Backend) commit(ctx context.Context, e *entry, opts backend.PutOptions) (backend.Info, error) {
	if err := b.ready(ctx); err != nil {
		return backend.Info{}, err
	}
	p, key := b.place, e.info.Key
	old := p.shelves[key.Shelf].get(key.Name)
	if opts.IfAbsent && old != nil {
		return backend.Info{}, backend.ErrExists
	}
	if opts.IfMatch != "" && (old == nil || old.info.Version != opts.IfMatch) {
		return backend.Info{}, backend.ErrChanged
	}
	p.versions++
	e.info.Version = strconv.FormatUint(p.versions, 10)
	e.info.ModTime = b.opts.Now().Round(0) // without the reading of a monotonic clock
	if p.shelves[key.Shelf] == nil {
		p.shelves[key.Shelf] = &shelf{}
	}
	p.shelves[key.Shelf].set(e)
	return e.told(), nil
}

// remove removes a key; where a version is given, only if its entry has it.
func (b *Backend) remove(ctx context.Context, key backend.Key, version *string) error {
	b.place.mu.Lock()
	defer b.place.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return err
	}
	if err := key.Validate(); err != nil {
		return err
	}
	s := b.place.shelves[key.Shelf]
	if old := s.get(key.Name); version != nil && (old == nil || old.info.Version != *version) {
		return backend.ErrChanged
	}
	s.remove(key.Name)
	if s.empty() {
		delete(b.place.shelves, key.Shelf)
	}
	return nil
}

// told returns the Info for a caller, who may change its Meta.
func (e *entry) told() backend.Info {
	info := e.info
	info.Meta = maps.Clone(info.Meta)
	return info
}
