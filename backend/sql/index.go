package sql

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// index is the tables of a schema as [indexed.Index].
type index struct {
	db *database

	lookupBody, lookupBare string
	claim, renew           string
	put                    puts

	mu      sync.Mutex // guards claimed and renewal
	claimed map[string]bool
	renewal *time.Timer
}

// newIndex returns the index of a schema. Every name is qualified: a pooler passes on no search_path.
func newIndex(db *database) *index {
	s := quote(db.schema) + "."
	const bare = "id, size, sum, digest, stored, meta"
	return &index{
		db:         db,
		lookupBody: "SELECT " + bare + ", body FROM " + s + "entries WHERE shelf = $1 AND name = $2",
		lookupBare: "SELECT " + bare + ", body IS NULL FROM " + s + "entries WHERE shelf = $1 AND name = $2",
		claim: "INSERT INTO " + s + "loose (id, state, until) SELECT i::uuid, 'p', clock_timestamp() + $2::bigint * interval '1 microsecond' " +
			"FROM unnest($1::text[]) AS i",
		renew: "UPDATE " + s + "loose SET until = clock_timestamp() + $2::bigint * interval '1 microsecond' " +
			"WHERE id IN (SELECT i::uuid FROM unnest($1::text[]) AS i) AND state = 'p'",
		put:     newPuts(s),
		claimed: map[string]bool{},
	}
}

// row is where a row of entries is scanned to.
type row struct {
	id     pgtype.UUID
	size   int64
	sum    int64
	digest []byte
	stored time.Time
	meta   *string
	body   []byte
	apart  bool
}

// entry returns what a row says.
func (r *row) entry(key backend.Key) (indexed.Entry, error) {
	return r.versioned(key, hex.EncodeToString(r.id.Bytes[:]))
}

func (r *row) versioned(key backend.Key, version string) (indexed.Entry, error) {
	e := indexed.Entry{Info: backend.Info{Key: key, Size: r.size, Sum: uint32(r.sum), Version: version, ModTime: r.stored}}
	if len(r.digest) != len(e.Digest) {
		return e, fmt.Errorf("%w: the row of %s has a digest of %d bytes; store the value again", backend.ErrCorrupt, key, len(r.digest))
	}
	copy(e.Digest[:], r.digest)
	if r.meta != nil {
		e.Meta = parseMeta(*r.meta)
	}
	if r.apart {
		e.Name = e.Version
	}
	return e, nil
}

// formatMeta writes metadata as lines; nil for none. Values hold no line ends.
func formatMeta(m backend.Meta) *string {
	if len(m) == 0 {
		return nil
	}
	s := string(appendMeta(nil, m))
	return &s
}

func appendMeta(b []byte, m backend.Meta) []byte {
	for k, v := range m {
		b = append(append(append(append(b, k...), '='), v...), '\n')
	}
	return b
}

func parseMeta(text string) backend.Meta {
	m := backend.Meta{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			m[k] = v
		}
	}
	return m
}

// decoder decodes one row of a page after the other.
type decoder struct {
	shelf string
	text  []byte // of the present row: its name and version, which are one allocation

	// Neighbours in a scan with the same metadata, as those of a session are, share a map. Those of a list are the caller's to change.
	share bool
	last  string
	meta  backend.Meta
}

// entry decodes name, id, size, sum, digest, stored, meta, whether the body is apart, and the body.
func (d *decoder) entry(c columns) (indexed.Entry, error) {
	name := c.of(0)
	d.text = hex.AppendEncode(append(d.text[:0], name...), c.of(1))
	text := string(d.text)
	r := row{size: c.bigint(2), sum: c.bigint(3), digest: c.of(4), stored: c.time(5), apart: c.boolean(7)}
	e, err := r.versioned(backend.Key{Shelf: d.shelf, Name: text[:len(name)]}, text[len(name):])
	e.Meta = d.parsed(c.of(6))
	if body := c.of(8); body != nil {
		e.Inline = append([]byte{}, body...)
	}
	return e, err
}

func (d *decoder) parsed(meta []byte) backend.Meta {
	if meta == nil {
		return nil
	}
	if d.meta == nil || d.last != string(meta) {
		d.last = string(meta)
		d.meta = parseMeta(d.last)
	}
	if d.share {
		return d.meta
	}
	return maps.Clone(d.meta) // half as long as to parse it
}

// Lookup implements [indexed.Index].
func (x *index) Lookup(ctx context.Context, key backend.Key, bodies bool) (indexed.Entry, error) {
	var r row
	sql, last := x.lookupBare, any(&r.apart)
	if bodies {
		sql, last = x.lookupBody, any(&r.body)
	}
	err := x.db.row(ctx, true, sql, []any{key.Shelf, key.Name}, &r.id, &r.size, &r.sum, &r.digest, &r.stored, &r.meta, last)
	if errors.Is(err, pgx.ErrNoRows) {
		return indexed.Entry{}, backend.ErrNotFound
	}
	if err != nil {
		return indexed.Entry{}, err
	}
	if bodies {
		r.apart = r.body == nil
	}
	e, err := r.entry(key)
	e.Inline = r.body
	return e, err
}

// What a page holds. The first one is small, for callers that look at a few; later ones are
// large, since each costs a round trip and a plan (measured: a list of 50,000 in pages of 512 takes 3 to 4 times
// as long as one SELECT). The bytes are those of bodies.
const (
	firstPage = 500
	nextPage  = 10_000
	pageBytes = 4 << 20
)

// afterPrefix sorts behind every name that begins with a prefix: ~ is above all that names hold.
const afterPrefix = "~"

// Page implements [indexed.Index].
func (x *index) Page(ctx context.Context, shelf string, opts backend.ListOptions, room *indexed.Room) (indexed.Page, error) {
	bodies := room.Scan
	limit := nextPage
	if opts.After == "" {
		limit = firstPage
	}
	if opts.Limit > 0 {
		limit = min(limit, opts.Limit)
	}
	where, args := "shelf = $1 AND name > $2", []any{shelf, opts.After, limit}
	if opts.Prefix != "" {
		where += " AND name >= $4 AND name < $5"
		args = append(args, opts.Prefix, opts.Prefix+afterPrefix)
	}
	// Bodies are fetched for those rows only that the outermost SELECT returns.
	sql := "SELECT name, id, size, sum, digest, stored, meta, body IS NULL, NULL::bytea FROM " + quote(x.db.schema) + ".entries WHERE " + where +
		" ORDER BY name LIMIT $3"
	if bodies {
		sql = "SELECT name, id, size, sum, digest, stored, meta, body IS NULL, body FROM (" +
			"SELECT *, sum(CASE WHEN body IS NULL THEN 0 ELSE size END) OVER (ORDER BY name) - size AS ahead FROM (" +
			"SELECT * FROM " + quote(x.db.schema) + ".entries WHERE " + where + " ORDER BY name LIMIT $3) AS page) AS summed " +
			fmt.Sprintf("WHERE ahead < %d ORDER BY name", pageBytes)
	}
	var p indexed.Page
	n, last := 0, ""
	d := decoder{shelf: shelf, share: bodies}
	begin := func() { p, n = indexed.Page{Entries: room.Entries[:0]}, 0 }
	begin() // a query may fail before it does
	defer func() { room.Entries = p.Entries }()
	err := x.db.queryBinary(ctx, sql, args, begin, func(row columns) error {
		e, err := d.entry(row)
		n, last = n+1, e.Key.Name
		if err != nil {
			p.Corrupt = append(p.Corrupt, err)
			return nil
		}
		if have := len(p.Entries); have == cap(p.Entries) { // append itself would grow by a quarter, and copy each five times
			p.Entries = slices.Grow(p.Entries, min(max(firstPage, 3*have), limit-have))
		}
		p.Entries = append(p.Entries, e)
		return nil
	})
	if n > 0 && (bodies || n == limit) { // with bodies a page may have been cut off
		p.Next = last
	}
	return p, err
}

// shelves returns the next names of shelves, by a step along the index for each.
func (x *index) shelves(ctx context.Context, opts backend.ListOptions) ([]string, error) {
	entries, args := quote(x.db.schema)+".entries", []any{opts.After, opts.Limit}
	from, within := "shelf > $1", ""
	if opts.Prefix != "" {
		from, within = "shelf > $1 AND shelf >= $3", " AND shelf < $4"
		args = append(args, opts.Prefix, opts.Prefix+afterPrefix)
	}
	sql := "WITH RECURSIVE s AS ((SELECT shelf FROM " + entries + " WHERE " + from + " ORDER BY shelf LIMIT 1) UNION ALL " +
		"SELECT (SELECT e.shelf FROM " + entries + " e WHERE e.shelf > s.shelf ORDER BY e.shelf LIMIT 1) FROM s WHERE s.shelf IS NOT NULL" + within + ") " +
		"SELECT shelf FROM s WHERE shelf IS NOT NULL" + within + " LIMIT $2"
	var names []string
	err := x.db.query(ctx, sql, args, func() { names = nil }, func(rows pgx.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}

// apart returns the next entries whose data is apart, in order of their keys.
func (x *index) apart(ctx context.Context, after backend.Key) ([]indexed.Entry, error) {
	sql := "SELECT shelf, name, id, size FROM " + quote(x.db.schema) + ".entries WHERE (shelf, name) > ($1, $2) AND body IS NULL ORDER BY shelf, name LIMIT $3"
	var found []indexed.Entry
	err := x.db.query(ctx, sql, []any{after.Shelf, after.Name, nextPage}, func() { found = nil }, func(rows pgx.Rows) error {
		r := row{apart: true, digest: make([]byte, 32)}
		var key backend.Key
		if err := rows.Scan(&key.Shelf, &key.Name, &r.id, &r.size); err != nil {
			return err
		}
		e, err := r.entry(key)
		found = append(found, e)
		return err
	})
	return found, err
}
