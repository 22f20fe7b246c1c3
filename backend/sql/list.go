package sql

import (
	"context"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// Page is a call of its own: what is done between two pages is none.
func (p pager) Page(ctx context.Context, shelf string, opts backend.ListOptions, bodies bool) (indexed.Page, error) {
	if err := p.calls.begin(ctx); err != nil {
		return indexed.Page{}, err
	}
	defer p.calls.end()
	return p.Index.Page(ctx, shelf, opts, bodies)
}

// pager is an index whose pages are calls.
type pager struct {
	indexed.Index
	calls *calls
}

// List implements [backend.Backend], by pages of rows.
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

const shelvesPage = 1000

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		after := ""
		for {
			names, err := b.shelves(ctx, after)
			if err != nil {
				yield("", wrap("shelves", backend.Key{}, err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if len(names) < shelvesPage {
				return
			}
			after = names[len(names)-1]
		}
	}
}

func (b *Backend) shelves(ctx context.Context, after string) ([]string, error) {
	if err := b.calls.begin(ctx); err != nil {
		return nil, err
	}
	defer b.calls.end()
	return b.index.shelves(ctx, after, shelvesPage)
}
