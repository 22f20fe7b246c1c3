package sql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
)

var (
	_ backend.Migrator    = (*Backend)(nil)
	_ backend.Indexer     = (*Backend)(nil)
	_ backend.Informer    = (*Backend)(nil)
	_ backend.StrayFinder = (*Backend)(nil)
	_ backend.Planner     = (*Backend)(nil)
	_ backend.Reacher     = (*Backend)(nil)
)

// Migrate implements [backend.Migrator].
func (b *Backend) Migrate(ctx context.Context, dryRun bool) ([]backend.Migration, error) {
	steps, err := b.steps(ctx, dryRun)
	if err != nil {
		return nil, wrap("migrate", backend.Key{}, err)
	}
	all := make([]backend.Migration, len(steps))
	for i, m := range steps {
		all[i] = backend.Migration{Name: m.name, Script: m.in(b.db.schema)}
	}
	return all, nil
}

func (b *Backend) steps(ctx context.Context, dryRun bool) ([]migration, error) {
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	if b.opts.ReadOnly && !dryRun {
		return nil, errReadOnly
	}
	if dryRun {
		m, err := b.db.inspect(ctx)
		if err != nil {
			return nil, err
		}
		return migrations[m.format:], nil
	}
	steps, err := b.db.migrate(ctx)
	if err != nil {
		return nil, err
	}
	return steps, b.settle(ctx, false)
}

// Facts implements [backend.Informer].
func (b *Backend) Facts(ctx context.Context) ([]backend.Fact, error) {
	facts, err := b.facts(ctx)
	return facts, wrap("info", backend.Key{}, err)
}

func (b *Backend) facts(ctx context.Context) (facts []backend.Fact, err error) {
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	m, err := b.db.inspect(ctx)
	if err != nil {
		return nil, err
	}
	add := func(name, format string, args ...any) {
		facts = append(facts, backend.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	err = b.db.do(ctx, true, func(conn *pgxpool.Conn) error {
		facts = nil
		add("server", "PostgreSQL %s", conn.Conn().PgConn().ParameterStatus("server_version"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if b.db.pooled.Load() == poolBetween {
		add("pooler", "yes: statements are not prepared")
	}
	add("schema", "%s, format %d of %d", b.db.schema, m.format, len(migrations))
	add("store", "%s", m.store)
	switch {
	case m.shown:
		add("data", "%s, values above %s", m.data, size(b.parts.Store.Inline))
	default:
		add("data", "none: values up to %s", size(MaxValueAlone))
	}
	sql := "SELECT c.relname, c.relkind::text, pg_total_relation_size(c.oid), pg_relation_size(c.oid), " +
		"greatest(c.reltuples, 0)::bigint, coalesce(s.n_dead_tup, 0), coalesce(s.last_autovacuum::text, 'never') " +
		"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid " +
		"WHERE n.nspname = $1 AND (c.relkind = 'r' OR (c.relname LIKE 'declared\\_number\\_%' OR c.relname LIKE 'declared\\_words\\_%') AND c.relkind = 'i') ORDER BY c.relkind DESC, c.relname"
	begin := len(facts)
	err = b.db.query(ctx, sql, []any{b.db.schema}, func() { facts = facts[:begin] }, func(rows pgx.Rows) error {
		var name, kind, vacuumed string
		var total, own, live, dead int64
		if err := rows.Scan(&name, &kind, &total, &own, &live, &dead, &vacuumed); err != nil {
			return err
		}
		if kind == "i" {
			add("index "+name, "%s", size(total))
		} else {
			add("table "+name, "%s (%s without indexes and long values), about %d rows, %d dead, vacuumed %s", size(total), size(own), live, dead, vacuumed)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := b.loadDeclared(ctx); err != nil {
		return nil, err
	}
	for path := range b.declared.paths() {
		add("indexed", "%s%s", paramsPrefix, path)
	}
	return facts, nil
}

// size returns a number of bytes for people.
func size(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.bytes {
			return strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', 1, 64) + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

// straysPage is how many objects are looked for in the tables at once: each time the entries are read through, since
// nothing else needs an index on their ids.
const straysPage = 50_000

// Strays implements [backend.StrayFinder]. A name is claimed in the tables before there is data under it, so that
// writers at work are not found.
func (b *Backend) Strays(ctx context.Context, remove bool) iter.Seq2[backend.Stray, error] {
	return func(yield func(backend.Stray, error) bool) {
		if b.data == nil {
			return
		}
		if remove && b.opts.ReadOnly {
			yield(backend.Stray{}, wrap("check", backend.Key{}, errReadOnly))
			return
		}
		if remove {
			var behind bool
			err := b.db.row(ctx, true, "SELECT pg_is_in_recovery()", nil, &behind)
			if err == nil && behind {
				err = fmt.Errorf("%w: the server is a standby, whose tables may lack what the primary names; name the primary", errors.ErrUnsupported)
			}
			if err != nil {
				yield(backend.Stray{}, wrap("check", backend.Key{}, err))
				return
			}
		}
		if err := b.data.belongs(ctx); err != nil {
			yield(backend.Stray{}, wrap("check", backend.Key{}, err))
			return
		}
		var page []backend.Info
		ended := false
		look := func() {
			found, err := b.strays(ctx, page, remove)
			page = page[:0]
			if err != nil {
				ended = true
				yield(backend.Stray{}, wrap("check", backend.Key{}, err))
				return
			}
			for _, info := range found {
				if ended = !yield(backend.Stray{Name: b.data.place + "/" + info.Key.String(), Size: info.Size}, nil); ended {
					return
				}
			}
		}
		for info, err := range b.data.b.List(ctx, dataShelf, backend.ListOptions{}) {
			if err != nil {
				yield(backend.Stray{}, wrap("check", backend.Key{}, err))
				return
			}
			if page = append(page, info); len(page) == straysPage {
				if look(); ended {
					return
				}
			}
		}
		if !ended && len(page) > 0 {
			look()
		}
	}
}

// strays returns those objects that no table names, and that are there still.
func (b *Backend) strays(ctx context.Context, page []backend.Info, remove bool) (found []backend.Info, err error) {
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	ids, of := []string{}, map[string]backend.Info{}
	for _, info := range page {
		id := info.Key.Name[strings.LastIndexByte(info.Key.Name, '/')+1:]
		if isID(id) && info.Key == b.data.key(id) {
			ids, of[id] = append(ids, id), info
		}
	}
	schema := quote(b.db.schema) + "."
	sql := "WITH names AS (SELECT i::uuid AS id FROM unnest($1::text[]) AS i) SELECT n.id::text FROM names n " +
		"LEFT JOIN " + schema + "loose l ON l.id = n.id LEFT JOIN (SELECT id FROM " + schema + "entries WHERE body IS NULL) e ON e.id = n.id " +
		"WHERE l.id IS NULL AND e.id IS NULL ORDER BY n.id"
	var stray []string
	err = b.db.query(ctx, sql, []any{ids}, func() { stray = nil }, func(rows pgx.Rows) error {
		var id string
		err := rows.Scan(&id)
		stray = append(stray, plain(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range stray {
		switch _, err := b.data.b.Stat(ctx, b.data.key(id)); {
		case errors.Is(err, backend.ErrNotFound): // a sweep was faster
			continue
		case err != nil && !errors.Is(err, backend.ErrCorrupt):
			return found, err
		}
		found = append(found, of[id])
		if remove {
			if err := b.data.Remove(ctx, id); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}
