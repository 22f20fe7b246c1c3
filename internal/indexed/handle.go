package indexed

import (
	"context"
	"io"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
)

// A Handle is what backends over an index have in common: the methods that check their arguments, count as a call, and name
// what failed. A backend embeds it, and keeps the Parts to itself, which users of a backend have no business with.
type Handle struct{ p *Parts }

// NewHandle returns the methods over parts, which the backend may go on to complete.
func NewHandle(p *Parts) Handle { return Handle{p} }

// Parts are what a [Handle] is made of.
type Parts struct {
	Store Store
	Calls *calls.Counter

	// Wrap names the call in an error; nil stays nil.
	Wrap func(op string, key backend.Key, err error) error
	// Check refuses a put beyond what [backend.CheckPut] does; nil refuses none.
	Check func(item backend.Item) error
	// ReadOnly, unless nil, is the error of every change.
	ReadOnly error
	// Present refuses every put where the place has gone; nil refuses none.
	Present func() error
}

// Get implements [backend.Backend]. With [backend.ErrCorrupt] the Info is that of the
// entry, if it could be decoded, so that a Put with IfMatch can heal it.
func (h *Handle) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if err := h.beginKey(ctx, key); err != nil {
		return nil, backend.Info{}, h.p.Wrap("get", key, err)
	}
	defer h.p.Calls.End()
	body, info, err := h.p.Store.Get(ctx, key)
	if err != nil {
		return nil, info, h.p.Wrap("get", key, err)
	}
	return body, info, nil
}

func (h *Handle) beginKey(ctx context.Context, key backend.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return h.p.Calls.Begin(ctx)
}

// GetRange implements [backend.RangeGetter].
func (h *Handle) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	if err := h.beginKey(ctx, key); err != nil {
		return nil, backend.Info{}, h.p.Wrap("get range", key, err)
	}
	defer h.p.Calls.End()
	body, info, err := h.p.Store.GetRange(ctx, key, version, off, n)
	if err != nil {
		return nil, info, h.p.Wrap("get range", key, err)
	}
	return body, info, nil
}

// Stat implements [backend.Backend].
func (h *Handle) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if err := h.beginKey(ctx, key); err != nil {
		return backend.Info{}, h.p.Wrap("stat", key, err)
	}
	defer h.p.Calls.End()
	info, err := h.p.Store.Stat(ctx, key)
	return info, h.p.Wrap("stat", key, err)
}

// Put implements [backend.Backend].
func (h *Handle) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	infos, errs := h.putBatch(ctx, []backend.Item{{Key: key, Body: body, PutOptions: opts}})
	return infos[0], errs[0]
}

// PutBatch implements [backend.BatchPutter], by as few commits as the index allows. Large values are written side by side.
func (h *Handle) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos, errs := h.putBatch(ctx, items)
	return infos, errs.OrNil()
}

func (h *Handle) putBatch(ctx context.Context, items []backend.Item) ([]backend.Info, backend.BatchError) {
	infos, errs := make([]backend.Info, len(items)), make(backend.BatchError, len(items))
	var good []backend.Item
	var at []int
	for i, it := range items {
		errs[i] = backend.CheckPut(it.Key, it.PutOptions)
		if errs[i] == nil && h.p.Check != nil {
			errs[i] = h.p.Check(it)
		}
		if errs[i] == nil {
			good, at = append(good, it), append(at, i)
		}
	}
	err := h.BeginChange(ctx)
	if err == nil {
		defer h.p.Calls.End()
		if h.p.Present != nil {
			err = h.p.Present()
		}
	}
	if err == nil {
		stored, failed := h.p.Store.PutBatch(ctx, good)
		for n, i := range at {
			infos[i], errs[i] = stored[n], failed[n]
		}
	}
	for i, it := range items {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = h.p.Wrap("put", it.Key, errs[i])
	}
	return infos, errs
}

// BeginChange begins a call that changes the store, which Calls.End ends.
func (h *Handle) BeginChange(ctx context.Context) error {
	if err := h.p.Calls.Begin(ctx); err != nil {
		return err
	}
	if h.p.ReadOnly != nil {
		h.p.Calls.End()
	}
	return h.p.ReadOnly
}

// Delete implements [backend.Backend].
func (h *Handle) Delete(ctx context.Context, key backend.Key) error {
	return h.deleteBatch(ctx, []backend.Key{key})[0]
}

// DeleteBatch implements [backend.BatchDeleter].
func (h *Handle) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	return h.deleteBatch(ctx, keys).OrNil()
}

func (h *Handle) deleteBatch(ctx context.Context, keys []backend.Key) backend.BatchError {
	errs := make(backend.BatchError, len(keys))
	var good []backend.Key
	var at []int
	for i, key := range keys {
		if errs[i] = key.Validate(); errs[i] == nil {
			good, at = append(good, key), append(at, i)
		}
	}
	err := h.BeginChange(ctx)
	if err == nil {
		defer h.p.Calls.End()
		for n, failed := range h.p.Store.Delete(ctx, good) {
			errs[at[n]] = failed
		}
	}
	for i, key := range keys {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = h.p.Wrap("delete", key, errs[i])
	}
	return errs
}

// List implements [backend.Backend]. Entries that cannot be decoded are left out, and reported by the error at the end.
func (h *Handle) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		err := opts.Validate(shelf)
		if err != nil {
			yield(backend.Info{}, h.p.Wrap("list", backend.Key{Shelf: shelf}, err))
			return
		}
		for e, err := range h.p.Store.List(ctx, shelf, opts) {
			if !yield(e.Info, h.p.Wrap("list", backend.Key{Shelf: shelf}, err)) {
				return
			}
		}
	}
}

// Scan implements [backend.Scanner].
func (h *Handle) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		if err := opts.Validate(shelf); err != nil {
			yield(backend.Entry{}, h.p.Wrap("scan", backend.Key{Shelf: shelf}, err))
			return
		}
		for e, err := range h.p.Store.Scan(ctx, shelf, opts) {
			if !yield(e, h.p.Wrap("scan", backend.Key{Shelf: shelf}, err)) {
				return
			}
		}
	}
}
