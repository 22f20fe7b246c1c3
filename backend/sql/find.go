package sql

import (
	"bytes"
	"context"
	"io"
	"iter"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// What Find reads at a time. The first pages are small, so that the first answers come soon.
const (
	firstFind  = 8
	secondFind = 100
	nextFind   = 5000
	window     = 20_000 // keys that one statement looks at, where no index leads to the answers
	dense      = 40     // an index that finds one in so many is worse than a scan in order of the keys
)

// Find implements [backend.Finder]. The tables find candidates, and the pre-image of each decides, so that the
// answers are those of any other backend. Pages follow the keys: nothing is held between two of them, and each
// statement is bounded.
func (b *Backend) Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
	return func(yield func(component.Description, error) bool) {
		f := &finder{b: b, t: b.translate(q.Where), after: q.After, limit: firstFind, unseen: glimpsed(q.Where)}
		f.windowed = !f.t.indexed()
		for !isText(f.after) { // no key is like that, but some may be greater
			f.after = f.after[:len(f.after)-1]
		}
		n := 0
		for !f.ended {
			found, err := f.page(ctx)
			if err != nil {
				yield(component.Description{}, wrap("find", backend.Key{}, err))
				return
			}
			for _, c := range found {
				if c.key <= q.After {
					continue
				}
				d, ok := c.parse()
				if !ok || !q.Match(d, nil) {
					continue
				}
				if n++; !yield(d, nil) || n == q.Limit {
					return
				}
			}
		}
	}
}

// finder is a Find in progress.
type finder struct {
	b        *Backend
	t        *translation
	after    string
	limit    int
	unseen   bool // a glance comes first
	windowed bool // by windows of keys, rather than from an index to the keys
	probing  bool // a window is tried, since the index finds so many
	ended    bool
}

// candidate is a component that may be an answer: what its row of entries says. It is decoded when its turn comes, which may be never.
type candidate struct {
	key  string
	info backend.Info
	body []byte
}

// page returns the next candidates.
func (f *finder) page(ctx context.Context) ([]candidate, error) {
	if err := f.b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer f.b.parts.Calls.End()
	if f.unseen {
		f.unseen = false
		return f.glance(ctx)
	}
	if !f.windowed {
		found, n, err := f.candidates(ctx, f.after, "", f.limit)
		f.ended = n < f.limit
		if f.limit == firstFind {
			f.limit = secondFind // how many there are is not known yet
			return found, err
		}
		if !f.ended && !f.t.ordered() {
			f.windowed, f.probing = true, true
		}
		f.limit = nextFind
		return found, err
	}
	last, keys, err := f.window(ctx)
	if err != nil || keys == 0 {
		f.ended = true
		return nil, err
	}
	found, n, err := f.candidates(ctx, f.after, last, keys)
	if n < keys || f.after >= last { // else the page was cut off for its bytes
		f.after, f.ended = last, keys < window
	}
	if f.probing && n*dense < keys {
		f.windowed = false
	}
	f.probing = false
	return found, err
}

// window returns the last of the next keys, and how many they are.
func (f *finder) window(ctx context.Context) (last string, keys int, err error) {
	args := []any{f.after, window}
	where := "key > $1"
	if f.t.typ != nil {
		where, args = "type = $3 AND key > $1", append(args, *f.t.typ)
	}
	components := quote(f.b.db.schema) + ".components"
	// Odd rows may be of another type than they say.
	sql := "SELECT coalesce(max(key), ''), count(*) FROM (SELECT key FROM " + components + " WHERE " + where + " ORDER BY key LIMIT $2) AS w"
	if f.t.typ != nil {
		sql = "SELECT coalesce(max(key), ''), count(*) FROM (" +
			"(SELECT key FROM " + components + " WHERE " + where + " ORDER BY key LIMIT $2) UNION " +
			"(SELECT key FROM " + components + " WHERE odd AND key > $1 ORDER BY key LIMIT $2) ORDER BY key LIMIT $2) AS w"
	}
	err = f.b.db.row(ctx, true, sql, args, &last, &keys)
	return last, keys, err
}

// candidates reads the pre-images of at most limit candidates behind a key, up to another unless that is empty,
// and moves on behind them. n is how many candidates there were, or limit if some were left.
func (f *finder) candidates(ctx context.Context, after, to string, limit int) (found []candidate, n int, err error) {
	a := &arguments{}
	schema := quote(f.b.db.schema) + "."
	bounds := "c.key > " + a.add(after)
	if to != "" {
		bounds += " AND c.key <= " + a.add(to)
	}
	where := f.t.sql(a, to != "")
	max := a.add(limit)
	sql := "SELECT key, stored, sum, size, body, ahead::bigint FROM (SELECT p.key, e.stored, e.sum, e.size, e.body, sum(e.size) OVER (ORDER BY p.key) - e.size AS ahead FROM (" +
		"(SELECT c.key FROM " + schema + "components c WHERE NOT c.odd AND " + bounds + " AND " + where + " ORDER BY c.key LIMIT " + max + ") UNION ALL " +
		"(SELECT c.key FROM " + schema + "components c WHERE c.odd AND " + bounds + " ORDER BY c.key LIMIT " + max + ") ORDER BY key LIMIT " + max + ") AS p " +
		"JOIN " + schema + "entries e ON e.shelf = 'components' AND e.name = p.key) AS s WHERE ahead < " + a.add(pageBytes) + " ORDER BY key"
	var last string
	var read int64
	err = f.b.db.queryBinary(ctx, sql, a.values, func() { found, n, last, read = nil, 0, "", 0 }, func(row columns) error {
		last = string(row.of(0))
		info := backend.Info{ModTime: row.time(1), Sum: uint32(row.bigint(2)), Size: row.bigint(3)}
		n, read = n+1, row.bigint(5)+info.Size
		found = append(found, candidate{last, info, bytes.Clone(row.of(4))})
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if n > 0 {
		f.after = last
	}
	if read >= pageBytes { // perhaps cut off
		n = limit
	}
	return found, n, nil
}

// parse decodes a pre-image. One that is corrupt describes nothing; "larder check" reports it.
func (c candidate) parse() (component.Description, bool) {
	if c.body == nil {
		return component.Description{}, false
	}
	sound, err := backend.Verify(backend.NewBody(c.body), c.info)
	if err == nil {
		_, err = io.Copy(io.Discard, sound)
	}
	if err != nil {
		return component.Description{}, false
	}
	d, err := keying.Decode(c.body)
	d.Key, d.Stored = c.key, c.info.ModTime
	return d, err == nil
}

// times in rows are exact to a microsecond only.
func near(t time.Time) (low, high time.Time) {
	return t.Add(-time.Microsecond), t.Add(time.Microsecond)
}
