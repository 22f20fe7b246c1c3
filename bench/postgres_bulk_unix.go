//go:build unix

package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

func postgresBatch(b *bench, size int) (*group, error) {
	g := &group{title: fmt.Sprintf(postgresTitle+"a batch of %d values of 256 bytes", size), most: 5}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	value := random(256)
	var round atomic.Int64
	rows := func(fresh int64) pgx.CopyFromSource {
		names := make([]string, size)
		for i := range names {
			names[i] = id(int(fresh)*size + i)
		}
		slices.Sort(names)
		return pgx.CopyFromSlice(size, func(i int) ([]any, error) {
			row := rawRow(names[i], value)
			return []any{row[0], row[1], [16]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(fresh)}, row[2], row[3], row[4], time.Now(), row[5], row[6]}, nil
		})
	}
	columns := []string{"shelf", "name", "id", "size", "sum", "digest", "stored", "meta", "body"}
	g.add("raw COPY", 1, timed(func(int) error {
		_, err := d.pool.CopyFrom(b.ctx, pgx.Identifier{"raw"}, columns, rows(round.Add(1)))
		return err
	}))
	g.add("raw COPY and INSERT .. SELECT", 1, timed(func(int) error {
		return pgx.BeginFunc(b.ctx, d.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(b.ctx, "CREATE TEMPORARY TABLE staged (LIKE raw) ON COMMIT DROP"); err != nil {
				return err
			}
			if _, err := tx.CopyFrom(b.ctx, pgx.Identifier{"staged"}, columns, rows(round.Add(1))); err != nil {
				return err
			}
			_, err := tx.Exec(b.ctx, "INSERT INTO raw SELECT * FROM staged ON CONFLICT (shelf, name) DO UPDATE SET id = EXCLUDED.id, body = EXCLUDED.body")
			return err
		})
	}))
	g.add("larder PutBatch", 1, timed(func(int) error {
		fresh := round.Add(1)
		items := make([]backend.Item, size)
		for i := range items {
			items[i] = itemOf("s", id(int(fresh)*size+i), value)
		}
		_, err := d.store.PutBatch(b.ctx, items)
		return err
	}))
	if size <= 10_000 {
		g.goals = []goal{{"larder PutBatch", "raw COPY", 2}}
	} else {
		g.goals = []goal{{"larder PutBatch", "raw COPY and INSERT .. SELECT", 1.25}, {"larder PutBatch", "raw COPY", 1 / 0.3}}
	}
	return g, nil
}

func postgresList(b *bench) (*group, error) {
	g := &group{title: postgresTitle + "list of 100,000"}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	const n = 100_000
	items := make([]backend.Item, n)
	for i := range items {
		items[i] = itemOf("s", id(i), []byte("0123456789abcdef"))
	}
	if _, err := d.store.PutBatch(b.ctx, items); err != nil {
		return nil, err
	}
	if _, err := d.pool.Exec(b.ctx, "VACUUM ANALYZE larder.entries"); err != nil {
		return nil, err
	}
	g.add("raw SELECT of the same columns", 1, timed(func(int) error {
		rows, err := d.pool.Query(b.ctx, "SELECT name, id, size, sum, digest, stored, meta, body IS NULL FROM larder.entries WHERE shelf = $1 ORDER BY name", "s")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var uuid [16]byte
			var size, sum int64
			var digest []byte
			var stored time.Time
			var meta *string
			var apart bool
			if err := rows.Scan(&name, &uuid, &size, &sum, &digest, &stored, &meta, &apart); err != nil {
				return err
			}
		}
		return rows.Err()
	}))
	g.add("larder List", 1, timed(func(int) error {
		for _, err := range d.store.List(b.ctx, "s", backend.ListOptions{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder List", "raw SELECT of the same columns", 1.5}}
	return g, nil
}

// described returns the pre-image of one of many components, and its key.
func described(b *bench, i int) (key string, preimage []byte, err error) {
	c := component.New("lab/fit", fmt.Sprint(i%3), map[string]any{
		"seed": i, "rate": float64(i%1000) / 8, "kind": []string{"a", "b", "c", "d"}[i%4], "rare": i % 5000, "on": i%2 == 0,
		"filter": map[string]any{"order": i % 7, "name": "bessel", "low": 300, "high": 5000}, "lab": "north", "path": fmt.Sprintf("/data/%06d.abf", i),
	}, component.Ref(id(i%1000)))
	return keying.Hash{}.Preimage(b.ctx, c)
}

func postgresDescribed(b *bench) (*group, error) {
	g := &group{title: postgresTitle + "a new result of 1 KiB with its description"}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	value := random(1024)
	var serial atomic.Int64
	g.add("raw transaction with the same rows", 500, timed(func(n int) error {
		for range n {
			i := int(serial.Add(1))
			key, preimage, err := described(b, i)
			if err != nil {
				return err
			}
			row := rawRow(key, preimage)
			row[0] = "components"
			batch := &pgx.Batch{}
			batch.Queue(rawInsert, rawRow(key+"/x", value)...)
			batch.Queue(rawInsert, row...)
			batch.Queue("INSERT INTO raw_components (key, type, version, params, as_of, stored, odd) VALUES ($1, 'lab/fit', '1', $2::text::jsonb, NULL, clock_timestamp(), false)", key,
				fmt.Sprintf(`{"seed": %d, "rate": %v, "kind": "a", "rare": %d, "on": true, "filter": {"order": %d, "name": "bessel", "low": 300, "high": 5000}, "lab": "north", "path": "/data/%06d.abf"}`,
					i, float64(i%1000)/8, i%5000, i%7, i))
			batch.Queue("INSERT INTO raw_inputs (component, n, input) VALUES ($1, 1, $2)", key, id(i%1000))
			if err := d.pool.SendBatch(b.ctx, batch).Close(); err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder PutBatch", 500, timed(func(n int) error {
		for range n {
			key, preimage, err := described(b, int(serial.Add(1)))
			if err != nil {
				return err
			}
			items := []backend.Item{itemOf(backend.ShelfCache, key+"/x", value), itemOf(backend.ShelfComponents, key, preimage)}
			if _, err := d.store.PutBatch(b.ctx, items); err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder PutBatch", "raw transaction with the same rows", 1.3}}
	return g, nil
}

// componentsVariable makes the queries run over another number of components. With -full they are a million, and filling it takes minutes.
const componentsVariable = "LARDER_BENCH_COMPONENTS"

func postgresQueries(b *bench) (*group, error) {
	n := b.size(100_000, 1_000_000)
	if text := os.Getenv(componentsVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			return nil, err
		}
	}
	g := &group{title: fmt.Sprintf(postgresTitle+"first answer among %d components", n)}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	for start := 0; start < n; start += 50_000 {
		var items []backend.Item
		for i := start; i < min(n, start+50_000); i++ {
			key, preimage, err := described(b, i)
			if err != nil {
				return nil, err
			}
			items = append(items, itemOf(backend.ShelfComponents, key, preimage))
		}
		if _, err := d.store.PutBatch(b.ctx, items); err != nil {
			return nil, err
		}
	}
	if err := d.store.AddIndex(b.ctx, "params.rate"); err != nil {
		return nil, err
	}
	if _, err := d.pool.Exec(b.ctx, "VACUUM ANALYZE"); err != nil {
		return nil, err
	}
	raw := func(where string, args ...any) func(int) (measured, error) {
		return timed(func(n int) error {
			for range n {
				var key string
				var body []byte
				sql := "SELECT c.key, e.body FROM larder.components c JOIN larder.entries e ON e.shelf = 'components' AND e.name = c.key WHERE " + where + " ORDER BY c.key LIMIT 1"
				if err := d.pool.QueryRow(b.ctx, sql, args...).Scan(&key, &body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	find := func(where component.Condition) func(int) (measured, error) {
		return timed(func(n int) error {
			for range n {
				for _, err := range d.store.Find(b.ctx, component.Query{Where: where}) {
					if err != nil {
						return err
					}
					break
				}
			}
			return nil
		})
	}
	of := component.Where(component.FieldType, component.Equal, "lab/fit")
	g.add("raw SQL, a rare value", 100, raw("c.params @> $1::text::jsonb", `{"rare": 77}`))
	g.add("larder Find, a rare value", 100, find(component.WhereParam("rare", component.Equal, int64(77))))
	g.add("raw SQL, a quarter of all", 100, raw("c.params @> $1::text::jsonb", `{"kind": "a"}`))
	g.add("larder Find, a quarter of all", 100, find(component.WhereParam("kind", component.Equal, "a")))
	g.add("raw SQL, a narrow range", 100, raw("c.type = 'lab/fit' AND larder.number(c.params, 'rate') < 0.125"))
	g.add("larder Find, a narrow range", 100, find(component.And(of, component.WhereParam("rate", component.Less, 0.125))))
	g.add("raw SQL, a wide range", 100, raw("c.type = 'lab/fit' AND larder.number(c.params, 'rate') < 110"))
	g.add("larder Find, a wide range", 100, find(component.And(of, component.WhereParam("rate", component.Less, int64(110)))))
	for _, what := range []string{"a rare value", "a quarter of all", "a narrow range", "a wide range"} {
		g.goals = append(g.goals, goal{"larder Find, " + what, "raw SQL, " + what, 3})
	}
	var size [3]int64
	err = d.pool.QueryRow(b.ctx, "SELECT pg_total_relation_size('larder.entries'), pg_total_relation_size('larder.components'), pg_total_relation_size('larder.inputs')").Scan(&size[0], &size[1], &size[2])
	g.notes = append(g.notes, fmt.Sprintf("sizes: entries %d MB, components %d MB, inputs %d MB; a key has %d bytes", size[0]>>20, size[1]>>20, size[2]>>20, hex.EncodedLen(32)))
	return g, err
}
