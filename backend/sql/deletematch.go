package sql

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// DeleteMatch implements [backend.MatchDeleter]: the versions are compared by the statement that deletes. Of many entries a part may
// be gone when it fails.
func (b *Backend) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	return indexed.DeleteMatch(ctx, &b.handle, seen)
}

// removeMatch deletes the entries that have their changes' versions. Triggers condemn their data. Like remove, it is not repeated where it
// may have taken effect: what it deleted would count as changed.
func (p *publication) removeMatch(ctx context.Context, at []int) {
	var shelves, names, ids []string
	var asked []int
	named := make(map[backend.Seen]bool, len(at))
	p.sort(at)
	for _, i := range at {
		c := p.changes[i]
		p.outcomes[i].Err = backend.ErrChanged
		seen := backend.Seen{Key: c.Key, Version: c.Options.IfMatch}
		if !isID(seen.Version) || named[seen] { // no entry ever had that version, or it is gone the second time
			continue
		}
		named[seen] = true
		shelves, names, ids = append(shelves, c.Key.Shelf), append(names, c.Key.Name), append(ids, seen.Version)
		asked = append(asked, i)
	}
	if len(asked) == 0 {
		return
	}
	sql := p.x.put.removeManyMatch
	if len(asked) == 1 {
		sql = p.x.put.removeMatch
	}
	var deleted []int64 // from 1
	err := p.x.db.do(ctx, false, func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(ctx, sql, p.x.db.args([]any{shelves, names, ids})...)
		if err != nil {
			return err
		}
		deleted, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		for _, i := range asked {
			p.outcomes[i].Err = err
		}
		return
	}
	for _, n := range deleted {
		p.outcomes[asked[n-1]].Err = nil
	}
}
