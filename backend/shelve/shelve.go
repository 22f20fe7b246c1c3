// Package shelve keeps values on this machine, in bbolt files under one directory, and
// large ones in files of their own beside them. Any number of processes may use one
// directory at the same time.
//
// Importing it registers the scheme "shelve", as in shelve:///var/cache/x. Its parameters
// are those of [Options]: sync=full or index, inline, timeout, readonly, network.
//
// docs/shelve.md has the format on the disk, how processes take turns, and why.
package shelve

import (
	"context"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

const scheme = "shelve"

func init() {
	backend.RegisterDir(scheme, openDir, "sync", "inline", "timeout", "readonly", "network")
}

var (
	_ backend.Backend      = (*Backend)(nil)
	_ backend.Describer    = (*Backend)(nil)
	_ backend.RangeGetter  = (*Backend)(nil)
	_ backend.Scanner      = (*Backend)(nil)
	_ backend.BatchPutter  = (*Backend)(nil)
	_ backend.BatchDeleter = (*Backend)(nil)
	_ backend.MatchDeleter = (*Backend)(nil)
	_ backend.Leaser       = (*Backend)(nil)
	_ backend.Sweeper      = (*Backend)(nil)
	_ backend.Stager       = (*Backend)(nil)
	_ backend.Mapper       = (*Backend)(nil)
)

// handle has the methods of a [Backend] that are the same over any index: Get, Put, List and their like.
type handle = indexed.Handle

// Backend is a handle on a store's directory. It has the methods of [backend.Backend], and those of the abilities above.
type Backend struct {
	place *place
	opts  Options
	index *index
	parts indexed.Parts
	handle
}

// Close implements [backend.Backend]. Calls that wait for another process fail, the others
// are waited for. Bodies that were returned by Get can be read on.
func (b *Backend) Close() error {
	if b.parts.Calls.Close() {
		b.place.release()
	}
	return nil
}

// Limits implements [backend.Describer].
func (b *Backend) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: true,
		AtomicIfMatch:  true,
		Durable:        !b.opts.NoSync,
		Lasting:        true,
	}
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := opts.ValidateShelves(); err != nil {
			yield("", wrap("shelves", backend.Key{}, err))
			return
		}
		for shelf, err := range b.index.shelves(ctx, opts) {
			if !yield(shelf, wrap("shelves", backend.Key{}, err)) {
				return
			}
		}
	}
}
