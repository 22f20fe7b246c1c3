// Package latelist is for tests of what reads a list beside writers.
package latelist

import (
	"context"
	"iter"

	"github.com/larder-store/larder/backend"
)

// Backend is a backend whose lists take all names first, and leave out what is gone by the time that its turn comes, as those of a directory
// do. Such a list lacks what was replaced meanwhile, and what took its place.
type Backend struct {
	backend.Backend
	Between func()                                 // is called once between the two, in the first list that In takes
	In      func(shelf string, prefix string) bool // nil takes every list
}

// Limits are those of the backend below.
func (b *Backend) Limits() backend.Limits { return backend.LimitsOf(b.Backend) }

// List implements [backend.Backend].
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		var all []backend.Info
		for info, err := range b.Backend.List(ctx, shelf, opts) {
			if err != nil {
				yield(info, err)
				return
			}
			all = append(all, info)
		}
		if between := b.Between; between != nil && (b.In == nil || b.In(shelf, opts.Prefix)) {
			b.Between = nil
			between()
		}
		for _, info := range all {
			if _, err := b.Backend.Stat(ctx, info.Key); err == nil && !yield(info, nil) {
				return
			}
		}
	}
}
