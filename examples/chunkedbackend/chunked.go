// Package chunkedbackend shows a backend with atomic conditions and with values in chunks, on a
// service that keeps small items and compares before it writes.
//
// A value is a head, which is one item, and chunks under a name that is used once. A Put writes the chunks first,
// which are not seen, and then the head, if that is still what its condition was decided by. Then the chunks
// of the old value go: whoever still reads them gets an error, and gets the value again.
package chunkedbackend

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

const scheme = "chunks"

func init() {
	backend.Register(scheme, func(_ context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
		if err := p.Err(); err != nil {
			return nil, err
		}
		if u.Host == "" || u.User != nil || u.Path != "" {
			return nil, backend.InvalidURL("a place of chunks is written chunks://name")
		}
		return Open(u.Host), nil
	})
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Describer = (*Backend)(nil)
)

// Backend is a handle on a service.
type Backend struct {
	service *service
	closed  atomic.Bool
}

var (
	servicesMu sync.Mutex // guards services
	services   = map[string]*service{}
)

// Open returns a handle on the service called name, which lives as long as the process.
func Open(name string) *Backend {
	servicesMu.Lock()
	defer servicesMu.Unlock()
	s, ok := services[name]
	if !ok {
		s = &service{items: map[string]item{}}
		services[name] = s
	}
	return &Backend{service: s}
}

// Limits implements [backend.Describer]. The service compares and writes in one step, so conditions are atomic.
func (b *Backend) Limits() backend.Limits {
	return backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true}
}

// head is what is known of a value.
type head struct {
	Size   int64        `json:"size"`
	Digest []byte       `json:"digest"`
	Sum    uint32       `json:"sum"`
	Stored time.Time    `json:"stored"`
	Meta   backend.Meta `json:"meta,omitempty"`
	Chunks string       `json:"chunks"` // what their keys begin with
}

// Keys of heads sort as shelves do and then names do: no byte of either is less than the one between.
const between = "\x00"

func shelfKey(shelf string) string                   { return "head/" + shelf + between }
func headKey(key backend.Key) string                 { return shelfKey(key.Shelf) + key.Name }
func (h head) chunk(n int64) string                  { return h.Chunks + strconv.FormatInt(n, 10) }
func (h head) chunks() int64                         { return (h.Size + maxItem - 1) / maxItem }
func version(revision uint64) string                 { return strconv.FormatUint(revision, 10) }
func wrap(op string, k backend.Key, err error) error { return backend.Wrap(op, scheme, k, err) }

// ready is what every call asks first: may it go on, and are its arguments valid?
func (b *Backend) ready(ctx context.Context, invalid error) error {
	if b.closed.Load() {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return invalid
}

// find returns the head of a key and its revision.
func (b *Backend) find(ctx context.Context, key backend.Key) (h head, revision uint64, err error) {
	if err := b.ready(ctx, key.Validate()); err != nil {
		return h, 0, err
	}
	it := b.service.get(headKey(key))
	if it.revision == 0 {
		return h, 0, backend.ErrNotFound
	}
	if err := json.Unmarshal(it.value, &h); err != nil {
		return h, 0, fmt.Errorf("%w: %v", backend.ErrCorrupt, err)
	}
	return h, it.revision, nil
}

func (h head) info(key backend.Key, revision uint64) backend.Info {
	info := backend.Info{Key: key, Size: h.Size, Sum: h.Sum, Version: version(revision), ModTime: h.Stored, Meta: h.Meta}
	copy(info.Digest[:], h.Digest)
	return info
}

// Get implements [backend.Backend].
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	h, revision, err := b.find(ctx, key)
	if err != nil {
		return nil, backend.Info{}, wrap("get", key, err)
	}
	return &body{ctx: ctx, b: b, key: key, head: h, revision: revision}, h.info(key, revision), nil
}

// body reads chunk by chunk.
type body struct {
	ctx      context.Context
	b        *Backend
	key      backend.Key
	head     head
	revision uint64
	next     int64 // the chunk after rest
	rest     []byte
}

// Read implements [io.Reader].
func (r *body) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next == r.head.chunks() {
			return 0, io.EOF
		}
		if err := r.b.ready(r.ctx, nil); err != nil {
			return 0, wrap("get", r.key, err)
		}
		it := r.b.service.get(r.head.chunk(r.next))
		if it.revision == 0 {
			err := backend.ErrChanged // which is no end: a caller may Get what is there now
			if _, now, ferr := r.b.find(r.ctx, r.key); ferr == nil && now == r.revision {
				err = backend.ErrCorrupt
			}
			return 0, wrap("get", r.key, fmt.Errorf("chunk %d of %d is gone: %w", r.next, r.head.chunks(), err))
		}
		r.rest = it.value
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *body) Close() error { return nil }

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	h, revision, err := b.find(ctx, key)
	if err != nil {
		return backend.Info{}, wrap("stat", key, err)
	}
	return h.info(key, revision), nil
}

// Put implements [backend.Backend].
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	h := head{Size: opts.Size, Digest: opts.Digest[:], Sum: opts.Sum, Meta: maps.Clone(opts.Meta), Chunks: "chunk/" + rand.Text() + "/"}
	err := b.ready(ctx, backend.CheckPut(key, opts))
	if err == nil {
		err = backend.CopyBody(&chunker{ctx, b, h, 0, nil}, body, opts.Size)
	}
	var revision uint64
	if err == nil {
		h.Stored = time.Now().Round(0)
		revision, err = b.publish(ctx, key, h, opts)
	}
	if err != nil {
		b.remove(h)
		return backend.Info{}, wrap("put", key, err)
	}
	return h.info(key, revision), nil
}

// chunker writes a body as chunks. It holds nothing that another call could wait for.
type chunker struct {
	ctx  context.Context
	b    *Backend
	head head
	next int64
	part []byte
}

// Write implements [io.Writer]. The last chunk is written when Size bytes are there.
func (c *chunker) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := c.b.ready(c.ctx, nil); err != nil {
			return n, err
		}
		want := int(min(maxItem, c.head.Size-c.next*maxItem)) - len(c.part)
		taken := min(want, len(p)-n)
		c.part = append(c.part, p[n:n+taken]...)
		if n += taken; taken == want {
			c.b.service.write("", 0, map[string][]byte{c.head.chunk(c.next): c.part})
			c.next, c.part = c.next+1, nil
		}
	}
	return n, nil
}

// publish writes the head, if it is what opts say, and removes the chunks of the value that it replaced.
func (b *Backend) publish(ctx context.Context, key backend.Key, h head, opts backend.PutOptions) (uint64, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	for {
		old, now, err := b.find(ctx, key) // now is 0 where nothing is
		switch {
		case err != nil && !errors.Is(err, backend.ErrNotFound):
			return 0, err
		case opts.IfAbsent && now > 0:
			return 0, backend.ErrExists
		case opts.IfMatch != "" && (now == 0 || version(now) != opts.IfMatch):
			return 0, backend.ErrChanged
		}
		if revision := b.service.write(headKey(key), now, map[string][]byte{headKey(key): text}); revision > 0 {
			b.remove(old)
			return revision, nil
		}
		// Another was quicker: the condition is decided anew.
	}
}

// remove removes the chunks of a value that no head names.
func (b *Backend) remove(h head) {
	gone := map[string][]byte{}
	for n := range h.chunks() {
		gone[h.chunk(n)] = nil
	}
	if len(gone) > 0 {
		b.service.write("", 0, gone)
	}
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	for {
		h, now, err := b.find(ctx, key)
		if errors.Is(err, backend.ErrNotFound) {
			return nil
		}
		if err != nil {
			return wrap("delete", key, err)
		}
		if b.service.write(headKey(key), now, map[string][]byte{headKey(key): nil}) > 0 {
			b.remove(h)
			return nil
		}
	}
}

// List implements [backend.Backend], page by page.
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		fail := func(err error) { yield(backend.Info{}, wrap("list", backend.Key{Shelf: shelf}, err)) }
		if err := b.ready(ctx, opts.Validate(shelf)); err != nil {
			fail(err)
			return
		}
		const most = 100
		after := shelfKey(shelf) + opts.After
		for n := 0; ; {
			page := b.service.page(shelfKey(shelf)+opts.Prefix, after, most)
			for _, at := range page {
				key := backend.Key{Shelf: shelf, Name: strings.TrimPrefix(at, shelfKey(shelf))}
				h, revision, err := b.find(ctx, key)
				if errors.Is(err, backend.ErrNotFound) {
					continue // it was deleted meanwhile
				}
				if err != nil {
					fail(err)
					return
				}
				if n++; !yield(h.info(key, revision), nil) || n == opts.Limit {
					return
				}
			}
			if len(page) < most {
				return
			}
			after = page[len(page)-1]
		}
	}
}

// Shelves implements [backend.Backend]: it asks for the first head of each shelf.
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		invalid := opts.ValidateShelves()
		after := "head/"
		if opts.After != "" {
			after = shelfKey(opts.After) + "\xff"
		}
		for n := 0; ; {
			if err := b.ready(ctx, invalid); err != nil {
				yield("", wrap("shelves", backend.Key{}, err))
				return
			}
			first := b.service.page("head/"+opts.Prefix, after, 1)
			if len(first) == 0 {
				return
			}
			shelf, _, _ := strings.Cut(strings.TrimPrefix(first[0], "head/"), between)
			if n++; !yield(shelf, nil) || n == opts.Limit {
				return
			}
			after = shelfKey(shelf) + "\xff"
		}
	}
}

// Close implements [backend.Backend]. A Put that has not written its head yet fails.
func (b *Backend) Close() error {
	b.closed.Store(true)
	return nil
}
