// Package sql keeps values in a Postgres database, and large ones in a bucket or directory beside
// it: the store of a group or a cluster. What is stored where, and what components are, stands
// in tables, so that queries are answered by an index.
//
// Importing it registers the schemes "postgres" and "postgresql", as in
// postgres://user@host/db?data=s3://bucket/prefix. Its parameters are those of [Options], and those of libpq.
// The package of the data's scheme must be linked too.
//
// docs/sql.md has the schema, what is guaranteed, and how to run it.
package sql

import (
	"context"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/indexed"
)

const (
	scheme = "postgres"
	alias  = "postgresql"
)

func init() {
	for _, name := range []string{scheme, alias} {
		backend.Register(name, openURL, append(ours, connection...)...)
	}
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
	_ backend.Finder       = (*Backend)(nil)
)

// Backend is a handle on a schema of a database.
type Backend struct {
	db    *database
	opts  Options
	index *index
	data  *data // nil without
	store indexed.Store
	calls *calls.Counter

	awaited  names // leases that others were seen to hold
	declared declared
}

// Close implements [backend.Backend]. Calls that wait for a server that is away fail, the others are
// waited for.
func (b *Backend) Close() error {
	if !b.calls.Close() {
		return nil
	}
	b.index.stop()
	b.db.pool.Close()
	if b.data == nil {
		return nil
	}
	return wrap("close", backend.Key{}, b.data.b.Close())
}

// Limits implements [backend.Describer]. What the server does at a power cut is its fsync and
// synchronous_commit, which are on unless they were turned off.
func (b *Backend) Limits() backend.Limits {
	l := backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, MaxValue: MaxValueAlone}
	if b.data != nil {
		data := backend.LimitsOf(b.data.b)
		l.Durable, l.Lasting, l.Shared, l.MaxValue = data.Durable, data.Lasting, data.Shared, data.MaxValue
	}
	return l
}

// Get implements [backend.Backend]. With [backend.ErrCorrupt] the Info is that of the
// entry, so that a Put with IfMatch can heal it.
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

// beginChange begins a call that changes the store.
func (b *Backend) beginChange(ctx context.Context) error {
	if b.opts.ReadOnly {
		return errReadOnly
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

// PutBatch implements [backend.BatchPutter]: one transaction for all items, unless there are more than
// 10,000 with conditions or data of their own. Large values are uploaded side by side.
func (b *Backend) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, errs := b.putBatch(ctx, items)
	return infos, errs.OrNil()
}

func (b *Backend) putBatch(ctx context.Context, items []backend.Item) ([]backend.Info, backend.BatchError) {
	infos, errs := make([]backend.Info, len(items)), make(backend.BatchError, len(items))
	var good []backend.Item
	var at []int
	for i, it := range items {
		errs[i] = backend.CheckPut(it.Key, it.PutOptions)
		if errs[i] == nil && b.data == nil && it.Size > MaxValueAlone {
			errs[i] = errNoData(it.Size)
		}
		if errs[i] == nil {
			good, at = append(good, it), append(at, i)
		}
	}
	err := b.beginChange(ctx)
	if err == nil {
		defer b.calls.End()
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
	err := b.beginChange(ctx)
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
