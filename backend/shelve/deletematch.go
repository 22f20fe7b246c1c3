package shelve

import (
	"context"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// DeleteMatch implements [backend.MatchDeleter]: the versions are compared in the transaction that deletes.
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	return indexed.DeleteMatch(ctx, &b.handle, seen)
}
