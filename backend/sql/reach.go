package sql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// Plan implements [backend.Planner].
func (b *Backend) Plan(q component.Query) string {
	t := b.translate(q.Where)
	switch {
	case t.keyed:
		return "by an index, in order of the keys"
	case t.ordered() && t.typ != nil:
		return "by the index of types, in order of the keys"
	case t.ordered():
		return "by the index of keys"
	case t.typ != nil:
		return "by looking at all components of the type; an index may help: larder index add"
	}
	return "by looking at all components"
}

// Reach implements [backend.Reacher]. Edges are rows, so that the server follows them; the pre-images of odd rows have theirs
// in rows too.
func (b *Backend) Reach(ctx context.Context, where component.Condition) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		keys, err := b.reach(ctx, where)
		if err != nil {
			yield("", wrap("reach", backend.Key{}, err))
			return
		}
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (b *Backend) reach(ctx context.Context, where component.Condition) ([]string, error) {
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	a := &arguments{}
	w := writer{a: a, t: b.translate(component.Condition{})}
	begin, exact := w.text("i.input", where)
	if !exact {
		return nil, fmt.Errorf("%w: keys hold no text such as %q", errors.ErrUnsupported, where.Value)
	}
	inputs := w.t.inputs
	sql := "WITH RECURSIVE r AS (SELECT i.component AS key FROM " + inputs + " i WHERE " + begin +
		" UNION SELECT i.component FROM " + inputs + " i JOIN r ON i.input = r.key) SELECT key FROM r"
	var keys []string
	err := b.db.query(ctx, sql, a.values, func() { keys = nil }, func(rows pgx.Rows) error {
		var key string
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	})
	slices.Sort(keys)
	return keys, err
}
