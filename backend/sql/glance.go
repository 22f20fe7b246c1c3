package sql

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// glances is how many keys a first look takes in. Where one in four is an answer it nearly always finds one, and a look that finds nothing
// costs less than to plan a query (measured).
const glances = 12

// glimpses is how many candidates a first look returns: as few as tell dense from rare. Each costs a tenth of the look (measured), and who reads
// on has the others from the next page.
const glimpses = 2

// glance looks at the next few keys, whatever an index would say, by a statement that is planned once: so the first answers of
// what is dense come without a plan, which takes most of the time of a small page. It returns the first candidates among them.
func (f *finder) glance(ctx context.Context) ([]candidate, error) {
	a := &arguments{}
	t := *f.t
	t.declared = nil // without its index the function of a declared parameter takes 15 times as long as a path (measured)
	schema := quote(f.b.db.schema) + "."
	after := a.add(f.after)
	looked := "(SELECT c.key, (c.odd OR " + t.sql(a, false) + ") IS TRUE AS hit FROM " + schema + "components c WHERE "
	last := " LIMIT " + strconv.Itoa(glances) + ")"
	if t.typ == nil {
		looked += "c.key > " + after + " ORDER BY c.key" + last
	} else {
		// The order of two columns leaves one index to a plan that knows no type: among keys alone a rare type is far away. The
		// server has one plan for all types only if it cannot look at them.
		typ := "(SELECT " + a.add(*t.typ) + "::text)"
		odd := "(SELECT c.key, true FROM " + schema + "components c WHERE c.odd AND c.type <> " + typ + " AND c.key > " + after + " ORDER BY c.key" + last
		looked += "(c.type, c.key) > (" + typ + ", " + after + ") AND c.type <= " + typ + " ORDER BY c.type, c.key" + last
		looked = "(SELECT key, hit FROM (" + looked + " UNION ALL " + odd + ") AS u ORDER BY key" + last
	}
	sql := "WITH w AS MATERIALIZED " + looked + ", h AS (SELECT key FROM w WHERE hit ORDER BY key LIMIT " + strconv.Itoa(glimpses) + ") " +
		"SELECT a.n, a.last, h.key, e.stored, e.sum, e.size, e.body FROM (SELECT count(*) AS n, coalesce(max(key), '') AS last FROM w) AS a " +
		"LEFT JOIN h ON true LEFT JOIN " + schema + "entries e ON e.shelf = 'components' AND e.name = h.key ORDER BY h.key"
	var found []candidate
	var end string
	var keys, hits int
	err := f.b.db.query(ctx, sql, a.values, func() { found, end, keys, hits = nil, "", 0, 0 }, func(rows pgx.Rows) error {
		var c candidate
		var key *string
		var stored *time.Time
		var sum, size *int64
		if err := rows.Scan(&keys, &end, &key, &stored, &sum, &size, &c.body); err != nil || key == nil {
			return err
		}
		if hits++; hits == glimpses {
			end = *key
		}
		if stored != nil {
			c.key, c.info = *key, backend.Info{ModTime: *stored, Sum: uint32(*sum), Size: *size}
			found = append(found, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if keys > 0 {
		f.after = end
	}
	f.ended = keys < glances && hits < glimpses
	f.limit = firstFind
	if hits == glimpses {
		f.limit = secondFind
	}
	return found, nil
}

// glimpsed reports whether a first look is worth it: not where the query names keys or inputs, which indexes find by themselves.
func glimpsed(c component.Condition) bool {
	if c.Field == component.FieldKey || c.Field == component.FieldInput {
		return false
	}
	return !slices.ContainsFunc(c.Of, func(c component.Condition) bool { return !glimpsed(c) })
}
