package mem

import (
	"context"

	"github.com/larder-store/larder/backend"
)

// PutBatch implements [backend.BatchPutter]: the values become visible together.
func (b *Backend) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, error) {
	infos := make([]backend.Info, len(items))
	errs := make(backend.BatchError, len(items))
	entries := make([]*entry, len(items))
	for i, it := range items {
		entries[i], errs[i] = b.prepare(ctx, it.Key, it.Body, it.PutOptions)
	}
	b.place.mu.Lock()
	defer b.place.mu.Unlock()
	if err := b.ready(ctx); err != nil {
		return infos, backend.Wrap("put batch", scheme, backend.Key{}, err)
	}
	for i, it := range items {
		if errs[i] == nil {
			infos[i], errs[i] = b.commit(ctx, entries[i], it.PutOptions)
		}
		errs[i] = backend.Wrap("put", scheme, it.Key, errs[i])
	}
	return infos, errs.OrNil()
}

// DeleteBatch implements [backend.BatchDeleter].
func (b *Backend) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	errs := make(backend.BatchError, len(keys))
	for i, key := range keys {
		errs[i] = b.Delete(ctx, key)
	}
	return errs.OrNil()
}

// DeleteMatch implements [backend.MatchDeleter].
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	errs := make(backend.BatchError, len(seen))
	for i, s := range seen {
		errs[i] = backend.Wrap("delete", scheme, s.Key, b.remove(ctx, s.Key, &s.Version))
	}
	return errs.OrNil()
}
