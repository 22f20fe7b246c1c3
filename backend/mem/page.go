package mem

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// pageSize is how many entries a list takes under one lock: enough that the lock
// costs nothing, few enough that writers do not notice.
const pageSize = 256

// List implements [backend.Backend].
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for e, err := range b.entries(ctx, "list", shelf, opts) {
			if err != nil {
				yield(backend.Info{}, err)
				return
			}
			if !yield(e.told(), nil) {
				return
			}
		}
	}
}

// Scan implements [backend.Scanner].
func (b *Backend) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for e, err := range b.entries(ctx, "scan", shelf, opts) {
			if err != nil {
				yield(backend.Entry{}, err)
				return
			}
			if !yield(backend.Entry{Info: e.told(), Body: bytes.NewReader(e.body)}, nil) {
				return
			}
		}
	}
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := opts.ValidateShelves(); err != nil {
			yield("", backend.Wrap("shelves", scheme, backend.Key{}, err))
			return
		}
		names := b.shelves(opts)
		for i := 0; ; i++ {
			b.place.mu.RLock()
			err := b.ready(ctx)
			b.place.mu.RUnlock()
			if err != nil {
				yield("", backend.Wrap("shelves", scheme, backend.Key{}, err))
				return
			}
			if i == len(names) || !yield(names[i], nil) {
				return
			}
		}
	}
}

// shelves returns the names of the shelves that there are, and that opts choose.
func (b *Backend) shelves(opts backend.ListOptions) []string {
	b.place.mu.RLock()
	defer b.place.mu.RUnlock()
	var names []string
	for name := range b.place.shelves {
		if strings.HasPrefix(name, opts.Prefix) && name > opts.After {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if opts.Limit > 0 && len(names) > opts.Limit {
		names = names[:opts.Limit]
	}
	return names
}

// entries yields page after page, each taken under the lock and yielded without it.
func (b *Backend) entries(ctx context.Context, op, shelf string, opts backend.ListOptions) iter.Seq2[*entry, error] {
	return func(yield func(*entry, error) bool) {
		fail := func(err error) { yield(nil, backend.Wrap(op, scheme, backend.Key{Shelf: shelf}, err)) }
		left, after := opts.Limit, opts.After
		for {
			n := pageSize
			if opts.Limit > 0 {
				n = min(n, left)
			}
			page, err := b.page(ctx, shelf, opts, after, n)
			if err != nil {
				fail(err)
				return
			}
			for _, e := range page {
				if err := ctx.Err(); err != nil {
					fail(err)
					return
				}
				if !yield(e, nil) {
					return
				}
				after = e.info.Key.Name
			}
			left -= len(page)
			if len(page) < n || opts.Limit > 0 && left == 0 {
				return
			}
		}
	}
}

func (b *Backend) page(ctx context.Context, shelf string, opts backend.ListOptions, after string, n int) ([]*entry, error) {
	b.place.mu.RLock()
	defer b.place.mu.RUnlock()
	if err := b.ready(ctx); err != nil {
		return nil, err
	}
	if err := opts.Validate(shelf); err != nil {
		return nil, err
	}
	return b.place.shelves[shelf].page(opts.Prefix, after, n), nil
}
