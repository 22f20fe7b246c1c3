package sql

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
)

// stages reports whether puts, in order of their keys, can go through a staging table: all are in rows, under keys that
// differ, and either all or none are to be the first. One INSERT cannot change a row twice.
func (p *publication) stages(at []int) bool {
	cond := conditionOf(p.changes[at[0]].Options)
	for n, i := range at {
		c := &p.changes[i]
		if c.Name != "" || conditionOf(c.Options) != cond || cond == ifMatch || n > 0 && p.changes[at[n-1]].Key == c.Key {
			return false
		}
	}
	return true
}

// The columns of the staging table; those from type on only where there are components.
const (
	plainColumns = "shelf, name, id, size, sum, digest, meta, body"
	moreColumns  = ", type, version, params, as_of, odd, inputs"

	staging = "CREATE TEMPORARY TABLE larder_staged (shelf text COLLATE \"C\", name text COLLATE \"C\", id uuid, size bigint, sum bigint, digest bytea, " +
		"meta text, body bytea, type text, version text, params text, as_of timestamptz, odd boolean, inputs text[]) ON COMMIT DROP"
)

// stage makes many puts by COPY into a table of the transaction, and from there at once.
func (p *publication) stage(ctx context.Context, at []int) {
	var stored time.Time
	won, denied := map[string]bool{}, false
	err := p.x.db.do(ctx, false, func(conn *pgxpool.Conn) error {
		clear(won)
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			stored, err = p.stageIn(ctx, tx, at, won)
			denied = isCode(err, noPrivilege)
			return err
		})
	})
	if denied { // perhaps to make temporary tables
		for start := 0; start < len(at); start += batchSize {
			p.batch(ctx, at[start:min(start+batchSize, len(at))])
		}
		return
	}
	if err != nil {
		p.fail(ctx, at, err)
		return
	}
	for _, i := range at {
		if p.changes[i].Options.IfAbsent && !won[p.ids[i]] {
			p.lose(i, backend.ErrExists)
		} else {
			p.win(i, stored)
		}
	}
}

// stageIn does it in a transaction, and fills won with the ids of what was stored where not all is.
func (p *publication) stageIn(ctx context.Context, tx pgx.Tx, at []int, won map[string]bool) (stored time.Time, err error) {
	mode := p.x.db.mode()
	if err := tx.QueryRow(ctx, "SELECT clock_timestamp()", mode).Scan(&stored); err != nil {
		return stored, err
	}
	if _, err := tx.Exec(ctx, staging, mode); err != nil {
		return stored, err
	}
	components := slices.ContainsFunc(at, func(i int) bool { return p.changes[i].Key.Shelf == backend.ShelfComponents })
	columns := plainColumns
	if components {
		columns += moreColumns
	}
	rows := newCopyReader(len(at), func(n int, b []byte) []byte { return p.appendStaged(b, at[n], components) })
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, rows, "COPY larder_staged ("+columns+") FROM STDIN BINARY"); err != nil {
		return stored, err
	}
	schema := quote(p.x.db.schema) + "."
	first := p.changes[at[0]].Options.IfAbsent
	conflict := "DO UPDATE SET id = EXCLUDED.id, size = EXCLUDED.size, sum = EXCLUDED.sum, digest = EXCLUDED.digest, stored = EXCLUDED.stored, meta = EXCLUDED.meta, body = EXCLUDED.body"
	if first {
		conflict = "DO NOTHING RETURNING id::text"
	}
	inserted, err := tx.Query(ctx, "INSERT INTO "+schema+"entries (shelf, name, id, size, sum, digest, stored, meta, body) "+
		"SELECT shelf, name, id, size, sum, digest, $1, meta, body FROM larder_staged ON CONFLICT (shelf, name) "+conflict, mode, stored)
	if err != nil {
		return stored, err
	}
	for inserted.Next() {
		var id string
		if err := inserted.Scan(&id); err != nil {
			inserted.Close()
			return stored, err
		}
		won[plain(id)] = true
	}
	if inserted.Close(); inserted.Err() != nil || !components {
		return stored, inserted.Err()
	}
	// Descriptions that were there already are not described anew.
	from := "larder_staged s JOIN " + schema + "entries e ON e.shelf = s.shelf AND e.name = s.name AND e.id = s.id WHERE s.shelf = 'components'"
	for _, sql := range []string{
		"INSERT INTO " + schema + "components (key, type, version, params, as_of, stored, odd) " +
			"SELECT s.name, s.type, s.version, s.params::jsonb, s.as_of, e.stored, s.odd FROM " + from + " ORDER BY s.name " + onKnown,
		"DELETE FROM " + schema + "inputs i USING " + from + " AND i.component = s.name AND i.n > cardinality(s.inputs)",
		"INSERT INTO " + schema + "inputs (component, n, input) SELECT f.name, i.n, i.input FROM (SELECT s.name, s.inputs FROM " + from + ") AS f, " +
			"unnest(f.inputs) WITH ORDINALITY AS i (input, n) ORDER BY f.name, i.n " + onKnownInput,
	} {
		if _, err := tx.Exec(ctx, sql, mode); err != nil {
			return stored, err
		}
	}
	return stored, nil
}

// appendStaged appends a row of the staging table, with what a component is or without.
func (p *publication) appendStaged(b []byte, i int, components bool) []byte {
	c := &p.changes[i]
	if components {
		b = appendUint16(b, 14)
	} else {
		b = appendUint16(b, 8)
	}
	b = appendField(b, c.Key.Shelf)
	b = appendField(b, c.Key.Name)
	id, _ := hex.DecodeString(p.ids[i]) // as newID wrote it
	b = appendField(b, id)
	b = appendBigint(b, c.Options.Size)
	b = appendBigint(b, int64(c.Options.Sum))
	b = appendField(b, c.Options.Digest[:])
	if len(c.Options.Meta) == 0 {
		b = appendNull(b)
	} else {
		b = appendSized(b, func(b []byte) []byte { return appendMeta(b, c.Options.Meta) })
	}
	b = appendField(b, c.Inline)
	switch {
	case !components:
		return b
	case c.Key.Shelf == backend.ShelfComponents:
		return describe(c.Inline).append(b)
	}
	for range 6 {
		b = appendNull(b)
	}
	return b
}
