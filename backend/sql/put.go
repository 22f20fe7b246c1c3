package sql

import (
	"encoding/json"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// puts are the statements that change entries. Each is one round trip and one transaction:
// what of it happens and what not is decided by its condition at the instant of the change.
//
// All of them return at most one row: when the value was stored. For one whose data is apart a
// second column counts the claims that were held, 1 or 0.
type puts struct {
	byCondition [3]string // values in the row
	apart       [3]string // values in the data
	described   [3]string // values in the row, on the shelf of components
	remove      string
	removeMatch string // returns which of the arguments it deleted, from 1

	// The same for several keys, which are locked in order first, as puts lock them: a join deletes in any order.
	removeMany, removeManyMatch string
}

// condition is what a Put asks for.
type condition int

const (
	always condition = iota
	ifAbsent
	ifMatch
)

func conditionOf(opts backend.PutOptions) condition {
	switch {
	case opts.IfAbsent:
		return ifAbsent
	case opts.IfMatch != "":
		return ifMatch
	}
	return always
}

// The parameters of a put: 1 shelf, 2 name, 3 id, 4 size, 5 sum, 6 digest, 7 meta, then the
// body unless it is apart, then the version to match if there is one; for a component further ones.
func newPuts(schema string) (p puts) {
	entries, loose := schema+"entries", schema+"loose"
	const columns = " (shelf, name, id, size, sum, digest, stored, meta, body)"
	const set = "SET id = EXCLUDED.id, size = EXCLUDED.size, sum = EXCLUDED.sum, digest = EXCLUDED.digest, stored = EXCLUDED.stored, meta = EXCLUDED.meta, body = EXCLUDED.body"
	onConflict := [2]string{" ON CONFLICT (shelf, name) DO UPDATE " + set, " ON CONFLICT (shelf, name) DO NOTHING"}

	const values = "$1, $2, $3::text::uuid, $4, $5, $6, clock_timestamp(), $7, "
	const change = "SET id = $3::text::uuid, size = $4, sum = $5, digest = $6, stored = clock_timestamp(), meta = $7, body = "
	for c := range onConflict {
		p.byCondition[c] = "INSERT INTO " + entries + columns + " VALUES (" + values + "$8)" + onConflict[c] + " RETURNING stored"
		p.apart[c] = "INSERT INTO " + entries + columns + " SELECT " + values + "NULL FROM held" + onConflict[c] + " RETURNING id, stored"
	}
	p.byCondition[ifMatch] = "UPDATE " + entries + " " + change + "$8 WHERE shelf = $1 AND name = $2 AND id = $9::text::uuid RETURNING stored"
	p.apart[ifMatch] = "UPDATE " + entries + " AS e " + change + "NULL FROM held WHERE e.shelf = $1 AND e.name = $2 AND e.id = $8::text::uuid RETURNING e.id, e.stored"
	for c := range p.apart {
		// The claim is locked until the end, so that either this or a sweep has it.
		p.apart[c] = "WITH held AS MATERIALIZED (SELECT id FROM " + loose + " WHERE id = $3::text::uuid AND state = 'p' FOR UPDATE), " +
			"put AS (" + p.apart[c] + "), gone AS (DELETE FROM " + loose + " l USING put p WHERE l.id = p.id) " +
			"SELECT (SELECT stored FROM put), (SELECT count(*) FROM held)"
	}
	for c := range p.described {
		p.described[c] = describedPut(schema, p.byCondition[c], len(valuesOf(indexed.Change{}, condition(c))))
	}
	const keys, sameKey = "$1::text[], $2::text[]", "e.shelf = k.shelf AND e.name = k.name"
	const ids, sameID = keys + ", $3::text[]", sameKey + " AND e.id = k.id::uuid"
	p.remove = "DELETE FROM " + entries + " e USING unnest(" + keys + ") AS k (shelf, name) WHERE " + sameKey
	p.removeMatch = "DELETE FROM " + entries + " e USING unnest(" + ids + ") WITH ORDINALITY AS k (shelf, name, id, n) WHERE " + sameID + " RETURNING k.n"
	// What another replaced between the two steps is compared once more, as it is then.
	ordered := func(key, from, same string) string {
		return "WITH k AS MATERIALIZED (SELECT " + key + " FROM unnest(" + from + " JOIN " + entries + " e ON " + same + " ORDER BY e.shelf, e.name FOR UPDATE OF e) " +
			"DELETE FROM " + entries + " e USING k WHERE " + same
	}
	p.removeMany = ordered("k.shelf, k.name", keys+") AS k (shelf, name)", sameKey)
	p.removeManyMatch = ordered("k.shelf, k.name, k.id, k.n", ids+") WITH ORDINALITY AS k (shelf, name, id, n)", sameID) + " RETURNING k.n"
	return p
}

// describedPut returns a put that also writes down what a component is. n is the number of parameters
// of the put alone.
func describedPut(schema, put string, n int) string {
	p := func(i int) string { return "$" + string(rune('0'+(n+i)/10)) + string(rune('0'+(n+i)%10)) }
	return "WITH put AS (" + put + "), " +
		"component AS (INSERT INTO " + schema + "components (key, type, version, params, as_of, stored, odd) " +
		"SELECT $2, " + p(1) + ", " + p(2) + ", " + p(3) + "::text::jsonb, " + p(4) + ", put.stored, " + p(5) + " FROM put " + onKnown + "), " +
		"input AS (INSERT INTO " + schema + "inputs (component, n, input) SELECT $2, i.n, i.input FROM put, unnest(" + p(6) + "::text[]) WITH ORDINALITY AS i (input, n) " +
		onKnownInput + "), " +
		"gone AS (DELETE FROM " + schema + "inputs USING put WHERE component = $2 AND n > cardinality(" + p(6) + "::text[])) " +
		"SELECT stored FROM put"
}

const (
	onKnown = "ON CONFLICT (key) DO UPDATE SET type = EXCLUDED.type, version = EXCLUDED.version, params = EXCLUDED.params, " +
		"as_of = EXCLUDED.as_of, stored = EXCLUDED.stored, odd = EXCLUDED.odd"
	onKnownInput = "ON CONFLICT (component, n) DO UPDATE SET input = EXCLUDED.input"
)

// statement returns what makes a change, and its arguments. id names it.
func (x *index) statement(c indexed.Change, id string) (sql string, args []any) {
	cond := conditionOf(c.Options)
	args = valuesOf(c, cond)
	args[2] = id
	switch {
	case c.Name != "":
		return x.put.apart[cond], args
	case c.Key.Shelf == backend.ShelfComponents:
		return x.put.described[cond], append(args, describe(c.Inline).args()...)
	}
	return x.put.byCondition[cond], args
}

// valuesOf returns the arguments of a put, without its id.
func valuesOf(c indexed.Change, cond condition) []any {
	args := []any{c.Key.Shelf, c.Key.Name, "", c.Options.Size, int64(c.Options.Sum), c.Options.Digest[:], formatMeta(c.Options.Meta)}
	if c.Name == "" {
		body := c.Inline
		if body == nil {
			body = []byte{}
		}
		args = append(args, body)
	}
	if cond == ifMatch {
		args = append(args, c.Options.IfMatch)
	}
	return args
}

// described is a row of the components.
type described struct {
	typ, version string
	params       json.RawMessage
	asOf         *time.Time
	odd          bool
	inputs       []string
}

func (d described) args() []any {
	inputs := d.inputs
	if inputs == nil {
		inputs = []string{}
	}
	return []any{d.typ, d.version, string(d.params), d.asOf, d.odd, inputs}
}

// append appends the columns to a row of the staging table.
func (d described) append(b []byte) []byte {
	b = appendField(b, d.typ)
	b = appendField(b, d.version)
	b = appendField(b, d.params)
	if d.asOf == nil {
		b = appendNull(b)
	} else {
		b = appendTime(b, *d.asOf)
	}
	b = appendBool(b, d.odd)
	return appendTexts(b, d.inputs)
}
