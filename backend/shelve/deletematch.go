package shelve

import (
	"context"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// DeleteMatch implements [backend.MatchDeleter]: the versions are compared in the transaction that deletes.
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	errs := make(backend.BatchError, len(seen))
	var changes []indexed.Change
	var at []int
	for i, s := range seen {
		if errs[i] = s.Key.Validate(); errs[i] == nil {
			changes = append(changes, indexed.Change{Key: s.Key, Delete: true, Options: backend.PutOptions{IfMatch: s.Version}})
			at = append(at, i)
		}
	}
	err := b.BeginChange(ctx)
	if err == nil {
		defer b.Calls.End()
		for n, failed := range b.Store.Remove(ctx, changes) {
			errs[at[n]] = failed
		}
	}
	for i, s := range seen {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = wrap("delete", s.Key, errs[i])
	}
	return errs.OrNil()
}
