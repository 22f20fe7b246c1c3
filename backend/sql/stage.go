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

// The columns of entries, and the further ones of the staging table, where there are components.
const (
	plainColumns = "shelf, name, id, size, sum, digest, stored, meta, body"
	moreColumns  = ", type, version, params, as_of, odd, inputs"

	staging = "CREATE TEMPORARY TABLE larder_staged (shelf text COLLATE \"C\", name text COLLATE \"C\", id uuid, size bigint, sum bigint, digest bytea, stored timestamptz, " +
		"meta text, body bytea, type text, version text, params text, as_of timestamptz, odd boolean, inputs text[]) ON COMMIT DROP"
)

// stage makes many puts by COPY: right into the entries where all are new, else into a table of the transaction, and from
// there at once.
func (p *publication) stage(ctx context.Context, at []int) {
	components := slices.ContainsFunc(at, func(i int) bool { return p.changes[i].Key.Shelf == backend.ShelfComponents })
	s := staged{p: p, at: at, components: components, direct: !components}
	denied := false
	put := func() error {
		return p.x.db.do(ctx, false, func(conn *pgxpool.Conn) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				err := s.put(ctx, tx)
				denied = isCode(err, noPrivilege)
				return err
			})
		})
	}
	err := put()
	if err != nil && s.refused {
		err = put()
	}
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
		if s.won != nil && !s.won[p.ids[i]] {
			p.lose(i, backend.ErrExists)
		} else {
			p.win(i, s.stored)
		}
	}
}

// staged is puts that are made together, in a transaction that may be repeated.
type staged struct {
	p          *publication
	at         []int
	components bool // some of them describe components
	direct     bool // into the entries, as far as is known

	refused bool // to be copied directly
	stored  time.Time
	won     map[string]bool // the ids of what was stored; nil for all
}

func (s *staged) put(ctx context.Context, tx pgx.Tx) error {
	s.won, s.refused = nil, false
	fresh, err := s.begin(ctx, tx)
	if err != nil {
		return err
	}
	if !fresh {
		return s.stage(ctx, tx)
	}
	err = s.copy(ctx, tx, quote(s.p.x.db.schema)+".entries ("+plainColumns+")")
	s.refused = isCode(err, uniqueViolation) || isCode(err, rowSecurity)
	s.direct = !s.refused
	return err
}

// samples is how many keys are looked for before all are copied directly: where one in ten is there, they find it nearly always. A
// copy that meets a key that is there is thrown away.
const samples = 32

// begin sets when the values are stored, and reports whether their keys look new.
func (s *staged) begin(ctx context.Context, tx pgx.Tx) (fresh bool, err error) {
	var shelves, names []string
	for n := range samples {
		key := s.p.changes[s.at[n*(len(s.at)-1)/(samples-1)]].Key
		shelves, names = append(shelves, key.Shelf), append(names, key.Name)
	}
	err = tx.QueryRow(ctx, "SELECT clock_timestamp(), NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS k (shelf, name) JOIN "+
		quote(s.p.x.db.schema)+".entries e ON e.shelf = k.shelf AND e.name = k.name)", s.p.x.db.mode(), shelves, names).Scan(&s.stored, &fresh)
	return fresh && s.direct, err
}

// copy copies the rows to a table.
func (s *staged) copy(ctx context.Context, tx pgx.Tx, table string) error {
	rows := newCopyReader(len(s.at), func(n int, b []byte) []byte { return s.append(b, s.at[n]) })
	_, err := tx.Conn().PgConn().CopyFrom(ctx, rows, "COPY "+table+" FROM STDIN BINARY")
	return err
}

func (s *staged) stage(ctx context.Context, tx pgx.Tx) error {
	mode := s.p.x.db.mode()
	if _, err := tx.Exec(ctx, staging, mode); err != nil {
		return err
	}
	columns := plainColumns
	if s.components {
		columns += moreColumns
	}
	if err := s.copy(ctx, tx, "larder_staged ("+columns+")"); err != nil {
		return err
	}
	schema := quote(s.p.x.db.schema) + "."
	conflict := "DO UPDATE SET id = EXCLUDED.id, size = EXCLUDED.size, sum = EXCLUDED.sum, digest = EXCLUDED.digest, stored = EXCLUDED.stored, meta = EXCLUDED.meta, body = EXCLUDED.body"
	if s.p.changes[s.at[0]].Options.IfAbsent {
		conflict, s.won = "DO NOTHING RETURNING id::text", map[string]bool{}
	}
	inserted, err := tx.Query(ctx, "INSERT INTO "+schema+"entries ("+plainColumns+") SELECT "+plainColumns+" FROM larder_staged ON CONFLICT (shelf, name) "+conflict, mode)
	if err != nil {
		return err
	}
	for inserted.Next() {
		var id string
		if err := inserted.Scan(&id); err != nil {
			inserted.Close()
			return err
		}
		s.won[plain(id)] = true
	}
	if inserted.Close(); inserted.Err() != nil || !s.components {
		return inserted.Err()
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
			return err
		}
	}
	return nil
}

// append appends the row of a put.
func (s *staged) append(b []byte, i int) []byte {
	c := &s.p.changes[i]
	if s.components {
		b = appendUint16(b, 9+6)
	} else {
		b = appendUint16(b, 9)
	}
	b = appendField(b, c.Key.Shelf)
	b = appendField(b, c.Key.Name)
	id, _ := hex.DecodeString(s.p.ids[i]) // as newID wrote it
	b = appendField(b, id)
	b = appendBigint(b, c.Options.Size)
	b = appendBigint(b, int64(c.Options.Sum))
	b = appendField(b, c.Options.Digest[:])
	b = appendTime(b, s.stored)
	if len(c.Options.Meta) == 0 {
		b = appendNull(b)
	} else {
		b = appendSized(b, func(b []byte) []byte { return appendMeta(b, c.Options.Meta) })
	}
	b = appendField(b, c.Inline)
	switch {
	case !s.components:
		return b
	case c.Key.Shelf == backend.ShelfComponents:
		return describe(c.Inline).append(b)
	}
	for range 6 {
		b = appendNull(b)
	}
	return b
}
