package shelve

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/larder-store/larder/internal/indexed"
)

// Garbage implements [indexed.Index]. What was there before all writers of that time
// had finished, and is named by no entry now, will never be: names are not used twice.
// So the writers need to be kept out for an instant only.
func (x *index) Garbage(ctx context.Context, grace time.Duration) iter.Seq2[indexed.Garbage, error] {
	return func(yield func(indexed.Garbage, error) bool) {
		unnamed, err := x.unnamed(ctx)
		if err != nil {
			yield(indexed.Garbage{}, err)
			return
		}
		before := time.Now().Add(-grace)
		for name, f := range unnamed {
			kept := grace > 0 && f.mod.After(before)
			if !yield(indexed.Garbage{Name: name, Size: f.size, Kept: kept}, nil) {
				return
			}
		}
	}
}

func (x *index) unnamed(ctx context.Context) (map[string]found, error) {
	unnamed := map[string]found{}
	for f, err := range x.data.files() {
		if err != nil {
			return nil, err
		}
		unnamed[f.name] = f
	}
	if len(unnamed) == 0 {
		return nil, nil
	}
	barrier, err := x.place.data.enter(ctx, x.patience, false)
	if err != nil {
		return nil, err
	}
	barrier.leave()
	for e, err := range x.entries(ctx) {
		if err != nil {
			return nil, fmt.Errorf("nothing was removed: %w", err)
		}
		delete(unnamed, e.Name)
	}
	return unnamed, nil
}

// Forget implements [indexed.Index]: there is nothing to forget.
func (x *index) Forget(context.Context, string) error { return nil }
