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
	"io"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
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
	_ backend.Leaser       = (*Backend)(nil)
	_ backend.Sweeper      = (*Backend)(nil)
)

// Backend is a handle on a store's directory.
type Backend struct {
	place *place
	opts  Options
	index *index
	store indexed.Store

	calls *calls.Counter
}

// Close implements [backend.Backend]. Calls that wait for another process fail, the others
// are waited for. Bodies that were returned by Get can be read on.
func (b *Backend) Close() error {
	if b.calls.Close() {
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

// Get implements [backend.Backend]. With [backend.ErrCorrupt] the Info is that of the
// entry, if it could be decoded, so that a Put with IfMatch can heal it.
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	err := b.beginKey(ctx, key)
	if err != nil {
		return nil, backend.Info{}, wrap("get", key, err)
	}
	defer b.calls.End()
	body, info, err := b.store.Get(ctx, key)
	if err != nil {
		return nil, info, wrap("get", key, err)
	}
	return body, info, nil
}

func (b *Backend) beginKey(ctx context.Context, key backend.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return b.calls.Begin(ctx)
}

// GetRange implements [backend.RangeGetter].
func (b *Backend) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	err := b.beginKey(ctx, key)
	if err != nil {
		return nil, backend.Info{}, wrap("get range", key, err)
	}
	defer b.calls.End()
	body, info, err := b.store.GetRange(ctx, key, version, off, n)
	if err != nil {
		return nil, info, wrap("get range", key, err)
	}
	return body, info, nil
}

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if err := b.beginKey(ctx, key); err != nil {
		return backend.Info{}, wrap("stat", key, err)
	}
	defer b.calls.End()
	info, err := b.store.Stat(ctx, key)
	return info, wrap("stat", key, err)
}

// Put implements [backend.Backend].
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	infos, errs := b.putBatch(ctx, []backend.Item{{Key: key, Body: body, PutOptions: opts}})
	return infos[0], errs[0]
}

// PutBatch implements [backend.BatchPutter]: one commit for the shelves cache and components
// together, and one for each other shelf. Large values are written side by side.
func (b *Backend) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, errs := b.putBatch(ctx, items)
	return infos, errs.OrNil()
}

func (b *Backend) putBatch(ctx context.Context, items []backend.Item) ([]backend.Info, backend.BatchError) {
	infos, errs := make([]backend.Info, len(items)), make(backend.BatchError, len(items))
	var good []backend.Item
	var at []int
	for i, it := range items {
		if errs[i] = backend.CheckPut(it.Key, it.PutOptions); errs[i] == nil {
			good, at = append(good, it), append(at, i)
		}
	}
	err := b.calls.Begin(ctx)
	if err == nil {
		defer b.calls.End()
		err = b.place.present()
	}
	if err == nil {
		stored, failed := b.store.PutBatch(ctx, good)
		for n, i := range at {
			infos[i], errs[i] = stored[n], failed[n]
		}
	}
	for i, it := range items {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = wrap("put", it.Key, errs[i])
	}
	return infos, errs
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	return b.deleteBatch(ctx, []backend.Key{key})[0]
}

// DeleteBatch implements [backend.BatchDeleter].
func (b *Backend) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	return b.deleteBatch(ctx, keys).OrNil()
}

func (b *Backend) deleteBatch(ctx context.Context, keys []backend.Key) backend.BatchError {
	errs := make(backend.BatchError, len(keys))
	var good []backend.Key
	var at []int
	for i, key := range keys {
		if errs[i] = key.Validate(); errs[i] == nil {
			good, at = append(good, key), append(at, i)
		}
	}
	err := b.calls.Begin(ctx)
	if err == nil {
		defer b.calls.End()
		for n, failed := range b.store.Delete(ctx, good) {
			errs[at[n]] = failed
		}
	}
	for i, key := range keys {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = wrap("delete", key, errs[i])
	}
	return errs
}

// List implements [backend.Backend]. Entries that cannot be decoded are left out, and told
// of by the error at the end.
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		if err := opts.Validate(shelf); err != nil {
			yield(backend.Info{}, wrap("list", backend.Key{Shelf: shelf}, err))
			return
		}
		for e, err := range b.store.List(ctx, shelf, opts) {
			if !yield(e.Info, wrap("list", backend.Key{Shelf: shelf}, err)) {
				return
			}
		}
	}
}

// Scan implements [backend.Scanner].
func (b *Backend) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		if err := opts.Validate(shelf); err != nil {
			yield(backend.Entry{}, wrap("scan", backend.Key{Shelf: shelf}, err))
			return
		}
		for e, err := range b.store.Scan(ctx, shelf, opts) {
			if !yield(e, wrap("scan", backend.Key{Shelf: shelf}, err)) {
				return
			}
		}
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
