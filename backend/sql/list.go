package sql

import (
	"context"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/indexed"
)

// Page is a call of its own: what is done between two pages is none.
func (p pager) Page(ctx context.Context, shelf string, opts backend.ListOptions, room *indexed.Room) (indexed.Page, error) {
	if err := p.calls.Begin(ctx); err != nil {
		return indexed.Page{}, err
	}
	defer p.calls.End()
	return p.Index.Page(ctx, shelf, opts, room)
}

// pager is an index whose pages are calls.
type pager struct {
	indexed.Index
	calls *calls.Counter
}

const shelvesPage = 1000

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := opts.ValidateShelves(); err != nil {
			yield("", wrap("shelves", backend.Key{}, err))
			return
		}
		left, page := opts.Limit, opts // what is returned may be ranged over again
		for {
			page.Limit = shelvesPage
			if left > 0 {
				page.Limit = min(left, shelvesPage)
			}
			names, err := b.shelves(ctx, page)
			if err != nil {
				yield("", wrap("shelves", backend.Key{}, err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if n := len(names); n < page.Limit || n == left {
				return
			}
			left -= min(left, len(names))
			page.After = names[len(names)-1]
		}
	}
}

func (b *Backend) shelves(ctx context.Context, opts backend.ListOptions) ([]string, error) {
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	return b.index.shelves(ctx, opts)
}
