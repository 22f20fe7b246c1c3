package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// Deleted is what a deletion removed.
type Deleted struct {
	Values int
	Bytes  int64
}

// deleteBatch is how many values are deleted at once: the most that S3 takes in one request.
const deleteBatch = 1000

// Delete removes the values that fulfil q. The zero query is refused: it would empty the
// store. Descriptions stay: they are small, and others may be computed from the component. After an error, what
// was deleted before it stays deleted, and is returned.
func Delete(ctx context.Context, store *larder.Store, q component.Query) (Deleted, error) {
	if q.Where.Op == component.All && len(q.Where.Of) == 0 {
		return Deleted{}, fmt.Errorf("delete: the query chooses everything; give it a condition")
	}
	var done Deleted
	var batch []Entry
	flush := func() error {
		d, err := DeleteEntries(ctx, store, batch)
		done.Values += d.Values
		done.Bytes += d.Bytes
		batch = batch[:0]
		return err
	}
	for e, err := range Find(ctx, store, q) {
		if err != nil {
			return done, err
		}
		if batch = append(batch, e); len(batch) == deleteBatch {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}

// DeleteEntries removes values that were found.
func DeleteEntries(ctx context.Context, store *larder.Store, entries []Entry) (Deleted, error) {
	if err := ownOnly(ctx, store.Backend(), entries); err != nil {
		return Deleted{}, err
	}
	keys := make([]backend.Key, len(entries))
	for i, e := range entries {
		keys[i] = e.Info.Key
	}
	err := backend.DeleteBatch(ctx, store.Backend(), keys)
	var done Deleted
	for i, e := range entries {
		if backend.ItemError(err, i) == nil {
			done.Values++
			done.Bytes += e.Info.Size
		}
	}
	return done, err
}

// ownOnly refuses to remove what may be of another store, whose prefix in the bucket begins with this one's:
// its keys look like attributes of components whose names are no digests.
func ownOnly(ctx context.Context, b larder.Backend, entries []Entry) error {
	for _, e := range entries {
		if len(e.ID) == idLength && !strings.ContainsFunc(e.ID, notHex) {
			continue
		}
		_, err := b.Stat(ctx, e.Info.Key)
		if err != nil && !errors.Is(err, larder.ErrNotFound) && !errors.Is(err, larder.ErrCorrupt) {
			return fmt.Errorf("nothing is removed: %w", err)
		}
	}
	return nil
}
