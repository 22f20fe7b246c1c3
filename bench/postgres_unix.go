//go:build unix

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/sql"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/sums"
)

// postgresTitle begins the titles of all groups about Postgres.
const postgresTitle = "Postgres: "

// postgresGroups put the database beside raw pgx on the same server, which syncs as servers do. They run if they are
// asked for: a server is started and filled for each.
func postgresGroups() []entry {
	var all []entry
	add := func(name string, build func(*bench) (*group, error)) {
		all = append(all, entry{name: postgresTitle + name, more: true, asked: true, build: build})
	}
	for _, clients := range []int{1, 8, 32} {
		add(fmt.Sprint("hit by ", clients), func(b *bench) (*group, error) { return postgresHit(b, clients) })
		add(fmt.Sprint("put by ", clients), func(b *bench) (*group, error) { return postgresPut(b, clients) })
	}
	add("large", postgresLarge)
	add("described put", postgresDescribed)
	add("lease", postgresLease)
	add("overwrites", postgresOverwrites)
	for _, n := range []int{10_000, 100_000} {
		add(fmt.Sprint("batch of ", n), func(b *bench) (*group, error) { return postgresBatch(b, n) })
	}
	add("list", postgresList)
	add("queries", postgresQueries)
	return all
}

// database is a store and a pool of our own on one server.
type database struct {
	pool   *pgxpool.Pool
	store  *sql.Backend
	schema string
	data   string
}

// database starts a server and opens both; nil where no server can be started. The raw tables are like the store's.
func (b *bench) database(g *group) (*database, error) {
	c, err := pgtest.Start("fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB", "autovacuum=on")
	if err != nil {
		g.absent("all", err.Error())
		return nil, nil
	}
	g.onClose(c.Remove)
	d := &database{schema: "larder", data: "file://" + filepath.ToSlash(filepath.Join(b.dir, "data-"+filepath.Base(c.Dir)))}
	opened, err := backend.Open(b.ctx, pgtest.With(pgtest.With(c.URL(), "data", d.data), "pool_max_conns", "32"))
	if err != nil {
		return nil, err
	}
	d.store = opened.(*sql.Backend)
	g.onClose(func() { d.store.Close() })
	config, err := pgxpool.ParseConfig(pgtest.With(c.URL(), "pool_max_conns", "32"))
	if err != nil {
		return nil, err
	}
	if d.pool, err = pgxpool.NewWithConfig(b.ctx, config); err != nil {
		return nil, err
	}
	g.onClose(d.pool.Close)
	_, err = d.pool.Exec(b.ctx, `CREATE TABLE raw (LIKE larder.entries INCLUDING ALL); CREATE TABLE raw_components (LIKE larder.components INCLUDING ALL);
		CREATE TABLE raw_inputs (LIKE larder.inputs INCLUDING ALL)`, pgx.QueryExecModeSimpleProtocol)
	return d, err
}

const (
	rawColumns = "shelf, name, id, size, sum, digest, stored, meta, body"
	rawInsert  = "INSERT INTO raw (" + rawColumns + ") VALUES ($1, $2, gen_random_uuid(), $3, $4, $5, clock_timestamp(), $6, $7)"
)

func rawRow(name string, value []byte) []any {
	digest, sum := sums.Of(value)
	return []any{"s", name, int64(len(value)), int64(sum), digest[:], "codec=bytes\n", value}
}

func itemOf(shelf, name string, value []byte) backend.Item {
	it := backend.Item{Key: backend.Key{Shelf: shelf, Name: name}, Body: strings.NewReader(string(value))}
	it.Size, it.Meta = int64(len(value)), backend.Meta{"codec": "bytes"}
	it.Digest, it.Sum = sums.Of(value)
	return it
}

func (d *database) put(b *bench, name string, value []byte) error {
	it := itemOf("s", name, value)
	_, err := d.store.Put(b.ctx, it.Key, it.Body, it.PutOptions)
	return err
}

// clients runs f for 0 to n-1, spread over so many goroutines.
func spread(clients, n int, f func(i int) error) error {
	var next atomic.Int64
	errs := make(chan error, clients)
	for range clients {
		go func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var failed error
	for range clients {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

func postgresHit(b *bench, clients int) (*group, error) {
	g := &group{title: fmt.Sprintf(postgresTitle+"hit of 1 KiB by %d", clients)}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	value := random(1024)
	const keys = 1000
	for i := range keys {
		if err := d.put(b, fmt.Sprint("k", i), value); err != nil {
			return nil, err
		}
		if _, err := d.pool.Exec(b.ctx, rawInsert, rawRow(fmt.Sprint("k", i), value)...); err != nil {
			return nil, err
		}
	}
	g.add("raw SELECT of the same columns", 4000, timed(func(n int) error {
		return spread(clients, n, func(i int) error {
			var id [16]byte
			var size, sum int64
			var digest, body []byte
			var stored time.Time
			var meta *string
			return d.pool.QueryRow(b.ctx, "SELECT id, size, sum, digest, stored, meta, body FROM raw WHERE shelf = $1 AND name = $2", "s", fmt.Sprint("k", i%keys)).
				Scan(&id, &size, &sum, &digest, &stored, &meta, &body)
		})
	}))
	g.add("larder Get", 4000, timed(func(n int) error {
		return spread(clients, n, func(i int) error {
			body, _, err := d.store.Get(b.ctx, backend.Key{Shelf: "s", Name: fmt.Sprint("k", i%keys)})
			if err == nil {
				_, err = io.Copy(io.Discard, body)
			}
			return err
		})
	}))
	g.goals = []goal{{"larder Get", "raw SELECT of the same columns", 1.25}}
	return g, nil
}

func postgresPut(b *bench, clients int) (*group, error) {
	g := &group{title: fmt.Sprintf(postgresTitle+"put of 1 KiB by %d", clients)}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	value := random(1024)
	var serial atomic.Int64
	g.add("raw INSERT", 1000, timed(func(n int) error {
		return spread(clients, n, func(int) error {
			_, err := d.pool.Exec(b.ctx, rawInsert, rawRow(id(int(serial.Add(1))), value)...)
			return err
		})
	}))
	g.add("larder Put", 1000, timed(func(n int) error {
		return spread(clients, n, func(int) error { return d.put(b, id(int(serial.Add(1))), value) })
	}))
	g.goals = []goal{{"larder Put", "raw INSERT", 1.2}}
	return g, nil
}

func postgresLarge(b *bench) (*group, error) {
	g := &group{title: postgresTitle + "put of 256 KiB, in a directory"}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	files, err := backend.Open(b.ctx, d.data+"-raw")
	if err != nil {
		return nil, err
	}
	g.onClose(func() { files.Close() })
	value, small := random(256<<10), random(100)
	var serial atomic.Int64
	upload := func() error {
		it := itemOf("data", id(int(serial.Add(1))), value)
		_, err := files.Put(b.ctx, it.Key, it.Body, it.PutOptions)
		return err
	}
	g.add("its upload and 3.5 raw INSERTs", 200, timed(func(n int) error {
		for i := range n {
			if err := upload(); err != nil {
				return err
			}
			for range 3 + i%2 {
				if _, err := d.pool.Exec(b.ctx, rawInsert, rawRow(id(int(serial.Add(1))), small)...); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	g.add("its upload", 200, timed(func(n int) error {
		for range n {
			if err := upload(); err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder Put", 200, timed(func(n int) error {
		for range n {
			if err := d.put(b, id(int(serial.Add(1))), value); err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder Put", "its upload and 3.5 raw INSERTs", 1}}
	return g, nil
}

func postgresLease(b *bench) (*group, error) {
	g := &group{title: postgresTitle + "a lease acquired and released"}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	var serial atomic.Int64
	g.add("raw INSERT", 500, timed(func(n int) error {
		for range n {
			if _, err := d.pool.Exec(b.ctx, rawInsert, rawRow(id(int(serial.Add(1))), nil)...); err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder Acquire and Release", 500, timed(func(n int) error {
		for range n {
			l, err := d.store.Acquire(b.ctx, id(int(serial.Add(1))), time.Minute)
			if err != nil {
				return err
			}
			if err := l.Release(b.ctx); err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder Acquire and Release", "raw INSERT", 2}}
	return g, nil
}

func postgresOverwrites(b *bench) (*group, error) {
	g := &group{title: postgresTitle + "overwrites of 1 KiB"}
	d, err := b.database(g)
	if d == nil {
		return g, err
	}
	value := random(1024)
	const keys = 20_000
	var items []backend.Item
	for i := range keys {
		items = append(items, itemOf("s", fmt.Sprint("k", i), value))
	}
	if _, err := d.store.PutBatch(b.ctx, items); err != nil {
		return nil, err
	}
	var serial atomic.Int64
	g.add("larder Put over another", 2000, timed(func(n int) error {
		return spread(8, n, func(int) error { return d.put(b, fmt.Sprint("k", serial.Add(7919)%keys), value) })
	}))
	g.onClose(func() {
		time.Sleep(time.Second) // statistics come late
		var share float64
		err := d.pool.QueryRow(b.ctx, "SELECT 100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1) FROM pg_stat_all_tables WHERE schemaname = 'larder' AND relname = 'entries'").Scan(&share)
		fmt.Printf("  HOT updates: %.0f %% (goal: 90), %v\n\n", share, err)
	})
	return g, nil
}
