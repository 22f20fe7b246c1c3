package tier

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

var errReadOnly = errors.Join(errors.ErrUnsupported, errors.New("the store was opened read-only"))

// Put implements [backend.Backend].
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if err := b.beginPut(ctx, key, opts); err != nil {
		return backend.Info{}, wrap("put", key, err)
	}
	defer b.calls.End()
	put := b.putThrough
	if b.overlays() {
		put = b.putOwn
	}
	info, err := put(ctx, key, body, opts)
	if err != nil {
		return backend.Info{}, wrap("put", key, err)
	}
	return info, nil
}

func (b *Backend) beginPut(ctx context.Context, key backend.Key, opts backend.PutOptions) error {
	if err := checkPut(key, opts); err != nil {
		return err
	}
	if b.opts.ReadOnly {
		return errReadOnly
	}
	return b.calls.Begin(ctx)
}

// putThrough writes far, and lays a copy. What IfAbsent creates replaced nothing that somebody may have read far and be about
// to lay: it needs no mark.
func (b *Backend) putThrough(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	var mark string
	var err error
	if !opts.IfAbsent {
		if mark, err = b.mark(ctx, key); err != nil {
			return backend.Info{}, err
		}
	}
	info, err := b.far.Put(ctx, key, body, opts)
	// From here on the near store has to follow, whoever gives up.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		if mark != "" {
			b.count(b.unmark(ctx, key, mark))
		}
		return backend.Info{}, b.notice(err)
	}
	return info, b.seal(ctx, info, body, mark)
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	err := valid(key)
	if err == nil && b.opts.ReadOnly {
		err = errReadOnly
	}
	if err == nil {
		err = b.calls.Begin(ctx)
	}
	if err != nil {
		return wrap("delete", key, err)
	}
	defer b.calls.End()
	if b.overlays() {
		return wrap("delete", key, b.deleteOwn(ctx, key))
	}
	mark, err := b.mark(ctx, key) // it stays: who read far before must lay no copy now
	if err != nil {
		return wrap("delete", key, err)
	}
	if err = b.notice(b.far.Delete(ctx, key)); err == nil {
		err = b.unmark(context.WithoutCancel(ctx), key, mark)
	} else {
		b.count(b.unmark(context.WithoutCancel(ctx), key, mark))
	}
	return wrap("delete", key, err)
}

// PutBatch implements [backend.BatchPutter].
func (b *Backend) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, errs := make([]backend.Info, len(items)), make(backend.BatchError, len(items))
	if b.overlays() || b.opts.ReadOnly || len(items) == 0 || ctx.Err() != nil {
		for i, it := range items {
			infos[i], errs[i] = b.Put(ctx, it.Key, it.Body, it.PutOptions)
		}
		return infos, errs.OrNil()
	}
	if err := b.calls.Begin(ctx); err != nil {
		return infos, wrap("put batch", backend.Key{}, err)
	}
	defer b.calls.End()
	var good []backend.Item
	var at []int
	for i, it := range items {
		if errs[i] = wrap("put", it.Key, checkPut(it.Key, it.PutOptions)); errs[i] == nil {
			good, at = append(good, it), append(at, i)
		}
	}
	marks, err := b.markAll(ctx, good)
	if err != nil {
		return infos, wrap("put batch", backend.Key{}, err)
	}
	stored, err := backend.PutBatch(ctx, b.far, good)
	ctx = context.WithoutCancel(ctx)
	copies := make([]backend.Item, 0, len(good))
	for n, it := range good {
		i, mark := at[n], marks[it.Key]
		errs[i] = wrap("put", it.Key, b.notice(backend.ItemError(err, n)))
		if errs[i] == nil {
			infos[i] = stored[n]
		}
		if o, ok := b.copyOptions(infos[i], mark.version); ok && errs[i] == nil && mark.version != "" && mark.times == 1 {
			copies = append(copies, backend.Item{Key: it.Key, Body: it.Body, PutOptions: o})
		} else if failed := b.unmark(ctx, it.Key, mark.version); errs[i] == nil {
			errs[i] = wrap("put", it.Key, failed)
		}
	}
	if err := b.sealAll(ctx, copies); err != nil {
		return infos, err
	}
	return infos, errs.OrNil()
}

// laid is a mark of a batch, and how many of its items are about the key.
type laid struct {
	version string
	times   int
}

// markAll lays marks for the keys of a batch.
func (b *Backend) markAll(ctx context.Context, items []backend.Item) (map[backend.Key]laid, error) {
	marks := map[backend.Key]laid{}
	var keys []backend.Key
	var put []backend.Item
	for _, it := range items {
		m := marks[it.Key]
		if m.times++; m.times == 1 {
			keys, put = append(keys, it.Key), append(put, backend.Item{Key: nearKey(it.Key), Body: strings.NewReader(""), PutOptions: markOptions()})
		}
		marks[it.Key] = m
	}
	infos, err := backend.PutBatch(ctx, b.near, put)
	for i, key := range keys {
		m := marks[key]
		if failed := backend.ItemError(err, i); failed != nil {
			if m.version, failed = b.mark(ctx, key); failed != nil {
				return nil, failed
			}
		} else {
			m.version = infos[i].Version
		}
		marks[key] = m
	}
	return marks, nil
}

// sealAll lays the copies of a batch; see seal.
func (b *Backend) sealAll(ctx context.Context, copies []backend.Item) error {
	if len(copies) == 0 {
		return nil
	}
	near := slices.Clone(copies)
	for i := range near {
		near[i].Key = nearKey(near[i].Key)
	}
	_, err := backend.PutBatch(ctx, b.near, near)
	for i, it := range copies {
		failed := backend.ItemError(err, i)
		if failed == nil {
			b.limiter.grew(it.Size)
			continue
		}
		b.failures.Add(1)
		if errors.Is(failed, backend.ErrChanged) {
			if _, err := b.mark(ctx, it.Key); err != nil {
				return wrap("put", it.Key, err)
			}
		}
	}
	return nil
}

// DeleteBatch implements [backend.BatchDeleter].
func (b *Backend) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	errs := make(backend.BatchError, len(keys))
	if b.overlays() || b.opts.ReadOnly || len(keys) == 0 || ctx.Err() != nil {
		for i, key := range keys {
			errs[i] = b.Delete(ctx, key)
		}
		return errs.OrNil()
	}
	if err := b.calls.Begin(ctx); err != nil {
		return wrap("delete batch", backend.Key{}, err)
	}
	defer b.calls.End()
	var good []backend.Key
	var at []int
	var items []backend.Item
	for i, key := range keys {
		if errs[i] = wrap("delete", key, valid(key)); errs[i] == nil {
			good, at, items = append(good, key), append(at, i), append(items, backend.Item{Key: key})
		}
	}
	marks, err := b.markAll(ctx, items)
	if err != nil {
		return wrap("delete batch", backend.Key{}, err)
	}
	err = backend.DeleteBatch(ctx, b.far, good)
	ctx = context.WithoutCancel(ctx)
	for n, i := range at {
		errs[i] = wrap("delete", keys[i], b.notice(backend.ItemError(err, n)))
		if failed := b.unmark(ctx, keys[i], marks[keys[i]].version); errs[i] == nil {
			errs[i] = wrap("delete", keys[i], failed)
		}
	}
	return errs.OrNil()
}
