package tier

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
)

// DeleteMatch implements [backend.MatchDeleter]. The far store compares the versions, for a copy may be older than what another machine stored. Where
// values wait or stay near, it is asked for each that is not one of those.
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	errs := make(backend.BatchError, len(seen))
	all := func(err error) error {
		for i, s := range seen {
			errs[i] = wrap("delete", s.Key, backend.ItemError(err, i))
		}
		return errs.OrNil()
	}
	if b.overlays() || b.opts.ReadOnly || len(seen) == 0 {
		return all(backend.LookAndDelete(ctx, beyondCopies{b}, seen))
	}
	if err := b.calls.Begin(ctx); err != nil {
		return all(err)
	}
	defer b.calls.End()
	var good []backend.Seen
	var at []int
	var items []backend.Item
	for i, s := range seen {
		if errs[i] = wrap("delete", s.Key, valid(s.Key)); errs[i] == nil {
			good, at, items = append(good, s), append(at, i), append(items, backend.Item{Key: s.Key})
		}
	}
	marks, err := b.markAll(ctx, items)
	if err != nil {
		return all(err)
	}
	err = backend.DeleteMatch(ctx, b.far, good)
	ctx = context.WithoutCancel(ctx)
	for n, i := range at {
		errs[i] = wrap("delete", seen[i].Key, b.notice(backend.ItemError(err, n)))
		if failed := b.unmark(ctx, seen[i].Key, marks[seen[i].Key]); errs[i] == nil {
			errs[i] = wrap("delete", seen[i].Key, failed)
		}
	}
	return errs.OrNil()
}

// beyondCopies is a Backend that describes what it holds without a look at copies.
type beyondCopies struct{ *Backend }

// Stat implements [backend.Backend].
func (b beyondCopies) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if !b.overlays() {
		return b.Backend.Stat(ctx, key)
	}
	if err := b.begin(ctx, key); err != nil {
		return backend.Info{}, wrap("stat", key, err)
	}
	defer b.calls.End()
	info, err := b.statOwn(ctx, key)
	if errors.Is(err, errNotOwn) {
		info, err = b.far.Stat(ctx, key)
		info.Version = b.told(info)
	}
	return info, wrap("stat", key, b.notice(err))
}
