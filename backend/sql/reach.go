package sql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

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
		how := "by looking at all components of the type"
		if paths := t.undeclared(); len(paths) > 0 {
			how += "; an index may help: larder index add " + strings.Join(paths, " ")
		}
		return how
	}
	return "by looking at all components"
}

// undeclared returns the parameters, as "larder index add" takes them, whose own index would lead to what fulfils the condition: each
// of several that do so by itself, else all that do so together.
func (t *translation) undeclared() []string {
	var paths []string
	_, _ = t.where.Map(func(c component.Condition) (component.Condition, error) {
		if c.Field == component.FieldParam && c.Path != "" && !t.declared[c.Path] && !slices.Contains(paths, c.Path) {
			paths = append(paths, c.Path)
		}
		return c, nil
	})
	lead := func(paths ...string) bool {
		with := *t
		with.declared = maps.Clone(t.declared)
		if with.declared == nil {
			with.declared = map[string]bool{}
		}
		for _, path := range paths {
			with.declared[path] = true
		}
		return with.leads(t.where)
	}
	alone := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return !lead(path) })
	switch {
	case len(alone) > 0:
		paths = alone
	case !lead(paths...):
		return nil
	}
	for i, path := range paths {
		paths[i] = "params." + path
	}
	return paths
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
