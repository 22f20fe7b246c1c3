package shelve

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/turnstile"
)

// Options change how a handle works; nil and the zero value mean the defaults.
type Options struct {
	// NoSync skips the fsync of value files ("sync=index" in a URL). Values are written
	// faster, and a kill -9 still loses nothing. After a power cut a value that was
	// acknowledged may be torn, which its checksum reveals: it is a miss. The index is
	// synced always.
	NoSync bool

	// Inline is the largest value that is kept in the index itself, in bytes, at most
	// MaxInline. 0 is DefaultInline, a negative one keeps all but empty values in files.
	Inline int64

	// Timeout is how long a call waits for a process that has what it needs and shows
	// no sign of life; then the call fails with backend.ErrLocked. A process that works
	// or waits in turn is waited for without end; use ctx to bound that. 0 is
	// DefaultTimeout, the least is a second.
	Timeout time.Duration

	// ReadOnly opens a store to read; nothing in its directory is changed but locks.
	ReadOnly bool

	// MustExist opens a store only if there is one; else Open fails with an error that matches fs.ErrNotExist.
	MustExist bool

	// Network allows a directory on a network file system. The index needs what most of
	// them do not promise: locks that hold between machines, and mapped memory that
	// shows what others wrote. Allow it if only one machine uses the store.
	Network bool

	disk disk
}

// Defaults and limits of [Options].
const (
	// DefaultInline: up to here writing a value into the index is as fast as into a
	// file of its own, and saves two fsyncs and an inode; see docs/shelve.md for the
	// measurement.
	DefaultInline = 64 << 10
	MaxInline     = 1 << 20

	DefaultTimeout = 10 * time.Second
)

// Open opens the store in dir, and makes it if the directory is absent or empty. Any number
// of processes, and of handles within one, may have it open at once.
func Open(dir string, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	b, err := open(dir, o)
	if err != nil {
		return nil, wrap("open", backend.Key{}, err)
	}
	return b, nil
}

func open(dir string, o Options) (*Backend, error) {
	if o.Inline == 0 {
		o.Inline = DefaultInline
	}
	if o.Inline > MaxInline {
		return nil, backend.InvalidURL("inline size %d is above the limit of %d", o.Inline, MaxInline)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Timeout < turnstile.MinTimeout {
		return nil, backend.InvalidURL("timeout %v is below the limit of %v", o.Timeout, turnstile.MinTimeout)
	}
	if dir == "" {
		return nil, backend.InvalidURL("the path of the store is empty")
	}
	if err := prepare(dir, o); err != nil {
		return nil, err
	}
	p, err := openPlace(dir, o.disk)
	if err != nil {
		return nil, err
	}
	return newBackend(p, o), nil
}

// prepare makes sure that dir is a store.
func prepare(dir string, o Options) error {
	is, err := inspect(dir)
	if err != nil {
		return err
	}
	if is == absent && (o.ReadOnly || o.MustExist) {
		return fmt.Errorf("there is no store at %s yet; check the path, or store something there first (%w)", dir, fs.ErrNotExist)
	}
	if !o.Network {
		if err := o.disk.refuseNetwork(dir); err != nil {
			return err
		}
	}
	switch {
	case is == absent:
		return build(dir, o.disk)
	case o.ReadOnly:
		return nil
	}
	// A process may have died while it made the store. One that may only be read is
	// good for reading.
	if err := complete(dir, o.disk); !durable.Unwritable(err) {
		return err
	}
	return nil
}

func newBackend(p *place, o Options) *Backend {
	b := &Backend{place: p, opts: o, parts: indexed.Parts{Calls: calls.New(), Wrap: wrap, Present: p.present}}
	b.handle = indexed.NewHandle(&b.parts)
	if o.ReadOnly {
		b.parts.ReadOnly = errReadOnly
	}
	data := &dir{disk: o.disk, path: filepath.Join(p.path, dataDir), sync: !o.NoSync}
	b.index = &index{
		place:    p,
		data:     data,
		calls:    b.parts.Calls,
		wait:     turnstile.WaitPolicy{Timeout: o.Timeout, Closing: b.parts.Calls.Closing()},
		readOnly: o.ReadOnly,
	}
	b.parts.Store = indexed.Store{Index: b.index, Data: data, Inline: max(o.Inline, 0)}
	return b
}

func openDir(_ context.Context, dir string, p *backend.Params) (backend.Backend, error) {
	o := Options{
		NoSync:    p.Choice("sync", "full", "full", "index") == "index",
		Inline:    p.Size("inline", DefaultInline),
		Timeout:   p.Duration("timeout", DefaultTimeout, turnstile.MinTimeout),
		ReadOnly:  p.ReadOnly(),
		MustExist: p.MustExist(),
		Network:   p.Bool("network", false),
	}
	o.ReadOnly = p.Bool("readonly", false) || o.ReadOnly
	if o.Inline > MaxInline {
		p.Fail("inline", fmt.Sprintf("at most %d bytes", MaxInline))
	}
	if o.Inline == 0 {
		o.Inline = -1
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return Open(dir, &o)
}
