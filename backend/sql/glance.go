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

// glance looks at the next few keys, whatever an index would say, by a statement that is planned once: so the first answers of
// what is dense come without a plan, which takes most of the time of a small page. It returns the candidates among them.
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
	sql := "SELECT key, hit, stored, sum, size, CASE WHEN ahead < " + strconv.Itoa(pageBytes) + " THEN body END, ahead >= " + strconv.Itoa(pageBytes) + " FROM (" +
		"SELECT w.key, w.hit, e.stored, e.sum, e.size, e.body, coalesce(sum(e.size) OVER (ORDER BY w.key) - e.size, 0) AS ahead FROM " + looked + " AS w " +
		"LEFT JOIN " + schema + "entries e ON w.hit AND e.shelf = 'components' AND e.name = w.key) AS s ORDER BY key"
	var found []candidate
	var end string
	var keys int
	var cut bool
	err := f.b.db.query(ctx, sql, a.values, func() { found, end, keys, cut = nil, f.after, 0, false }, func(rows pgx.Rows) error {
		var c candidate
		var stored *time.Time
		var hit, over bool
		var sum, size *int64
		if err := rows.Scan(&c.key, &hit, &stored, &sum, &size, &c.body, &over); err != nil {
			return err
		}
		if cut = cut || over; cut {
			return nil
		}
		end = c.key
		if keys++; hit && stored != nil {
			c.info = backend.Info{ModTime: *stored, Sum: uint32(*sum), Size: *size}
			found = append(found, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.after, f.ended = end, keys < glances && !cut
	f.limit = firstFind
	if len(found) > glances/8 {
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
