package indexed

import (
	"context"

	"github.com/larder-store/larder/backend"
)

// DeleteMatch is [backend.MatchDeleter] for an Index that decides the IfMatch of a deletion: it is no method, because not every
// Index does.
func DeleteMatch(ctx context.Context, h *Handle, seen []backend.Seen) error {
	errs := make(backend.BatchError, len(seen))
	var changes []Change
	var at []int
	for i, s := range seen {
		if errs[i] = s.Key.Validate(); errs[i] == nil && s.Version == "" {
			errs[i] = backend.ErrChanged // no entry has it
		}
		if errs[i] == nil {
			changes = append(changes, Change{Key: s.Key, Delete: true, Options: backend.PutOptions{IfMatch: s.Version}})
			at = append(at, i)
		}
	}
	err := h.BeginChange(ctx)
	if err == nil {
		defer h.p.Calls.End()
		for n, failed := range h.p.Store.Remove(ctx, changes) {
			errs[at[n]] = failed
		}
	}
	for i, s := range seen {
		if errs[i] == nil {
			errs[i] = err
		}
		errs[i] = h.p.Wrap("delete", s.Key, errs[i])
	}
	return errs.OrNil()
}
