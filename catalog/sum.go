package catalog

import (
	"context"
	"errors"
	"slices"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// SumOf counts entries. What they cost takes a request for each where lists leave it out, and is not asked for where
// requests are costly.
func SumOf(ctx context.Context, store *larder.Store, entries []Entry) (Sum, error) {
	var s Sum
	costly := backend.LimitsOf(store.Backend()).CostlyRequests
	for _, e := range entries {
		s.Values++
		s.Bytes += e.Info.Size
		info := e.Info
		if info.Meta == nil && !costly {
			var err error
			info, err = store.Backend().Stat(ctx, e.Info.Key)
			if err != nil && !errors.Is(err, larder.ErrNotFound) && !errors.Is(err, larder.ErrCorrupt) {
				return s, err
			}
		}
		cost, known := larder.Cost(info)
		if !known {
			s.NoCost++
		}
		s.Cost += cost
	}
	return s, nil
}

// First returns the first n values that fulfil q, in an order; all, if n is 0. It holds no more than some 2n in memory, and equal
// ones are in the order of [Find].
func First(ctx context.Context, store *larder.Store, q component.Query, n int, order func(a, b Entry) int) ([]Entry, error) {
	var all []Entry
	for e, err := range Find(ctx, store, q) {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if n > 0 && len(all) >= 2*n+100 {
			slices.SortStableFunc(all, order)
			clear(all[n:])
			all = all[:n]
		}
	}
	slices.SortStableFunc(all, order)
	if n > 0 && len(all) > n {
		all = all[:n]
	}
	return all, nil
}
