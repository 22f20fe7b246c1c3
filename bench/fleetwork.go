package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/place"
	"github.com/larder-store/larder/internal/sums"
)

// workers are what a process of this command does if its first argument says so.
var workers = map[string]func(args []string) error{
	"-worker-fleet": fleetWorker, // number engine dir work shelves: works for a window, prints a lap
	"-worker-busy":  busyWorker,
	"-worker-in":    streamIn, // dir: stores a long stream
	"-worker-out":   streamOut,
}

// fleetKnown is how many values a shelf of a fleet holds from the beginning, for gets.
const fleetKnown = 1000

// engine is what a process of a fleet works with: names on numbered shelves.
type engine struct {
	put, get func(shelf int, name string) error
	fill     func(shelf int, names []string) error
	close    func() error
}

// The kinds of engines.
const (
	engineBolt   = "bolt"
	engineOwn    = "own" // bolt, in a directory for each process
	engineLarder = "larder"
)

func openEngine(ctx context.Context, kind, dir string, shelves int) (*engine, error) {
	if kind == engineLarder {
		return openLarder(ctx, dir)
	}
	return openBolts(dir, shelves)
}

// known is the name of one of the values that a shelf holds from the beginning.
func known(i int) string { return id(fmt.Sprint("known", i%fleetKnown)) }

func fillFleet(ctx context.Context, kind, dir string, shelves int) error {
	e, err := openEngine(ctx, kind, dir, shelves)
	if err != nil {
		return err
	}
	names := make([]string, fleetKnown)
	for i := range names {
		names[i] = known(i)
	}
	for shelf := range shelves {
		if err := e.fill(shelf, names); err != nil {
			return err
		}
	}
	return e.close()
}

// fleetWorker says that it is ready, is told when to begin and how long to work, and tells what it did.
func fleetWorker(args []string) error {
	number, work := args[0], args[3]
	shelves, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	dir := args[2]
	if args[1] == engineOwn {
		dir = filepath.Join(dir, number)
	}
	e, err := openEngine(context.Background(), args[1], dir, shelves)
	if err != nil {
		return err
	}
	fmt.Println(`"ready"`)
	var nanos, window int64
	if _, err := fmt.Scan(&nanos, &window); err != nil {
		return err
	}
	begin := time.Unix(0, nanos)
	time.Sleep(time.Until(begin))
	l, err := doLap(e, work, fmt.Sprint(number, ".", nanos, "."), shelves, begin.Add(time.Duration(window)))
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		return err
	}
	return e.close()
}

func doLap(e *engine, work, prefix string, shelves int, end time.Time) (lap, error) {
	var l lap
	cpu := cpuTime()
	for i := 0; ; i++ {
		start := time.Now()
		if !start.Before(end) {
			l.CPU = cpuTime() - cpu
			return l, nil
		}
		// Half and half visits all shelves with both.
		if shelf := i / 2 % shelves; work == fleetGets || work == fleetHalf && i%2 == 1 {
			if err := e.get(shelf, known(i*7919)); err != nil {
				return l, err
			}
		} else {
			if err := e.put(shelf, id(fmt.Sprint(prefix, i))); err != nil {
				return l, err
			}
			took := time.Since(start)
			l.Puts++
			l.In += took
			l.Max = max(l.Max, took)
		}
		if !time.Now().After(end) {
			l.Ops++
		}
	}
}

func openLarder(ctx context.Context, dir string) (*engine, error) {
	s, err := larder.Open(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	value := random(1024)
	key := func(shelf int, name string) (backend.Key, error) {
		if shelf == 0 {
			return place.Of(name, "x")
		}
		return backend.Key{Shelf: fmt.Sprint("bench-", shelf), Name: name}, nil
	}
	return &engine{
		put: func(shelf int, name string) error {
			k, err := key(shelf, name)
			if err == nil {
				_, err = backend.PutBytes(ctx, s.Backend(), k, value, backend.PutOptions{})
			}
			return err
		},
		get: func(shelf int, name string) error {
			k, err := key(shelf, name)
			if err == nil {
				_, _, err = backend.GetVerified(ctx, s.Backend(), k)
			}
			return err
		},
		fill: func(shelf int, names []string) error {
			digest, sum := sums.Of(value)
			var items []backend.Item
			for _, name := range names {
				k, err := key(shelf, name)
				if err != nil {
					return err
				}
				items = append(items, backend.Item{Key: k, Body: bytes.NewReader(value),
					PutOptions: backend.PutOptions{Size: int64(len(value)), Digest: digest, Sum: sum}})
			}
			_, err := backend.PutBatch(ctx, s.Backend(), items)
			return err
		},
		close: s.Close,
	}, nil
}

func openBolts(dir string, shelves int) (*engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var dbs []*bbolt.DB
	for i := range shelves {
		db, err := bbolt.Open(filepath.Join(dir, fmt.Sprint(i, ".db")), 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			return nil, err
		}
		dbs = append(dbs, db)
	}
	value := random(1024)
	fill := func(shelf int, names []string) error {
		return dbs[shelf].Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := b.Put([]byte(name), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return &engine{
		fill: fill,
		put:  func(shelf int, name string) error { return fill(shelf, []string{name}) },
		get: func(shelf int, name string) error {
			return dbs[shelf].View(func(tx *bbolt.Tx) error {
				if got := bytes.Clone(tx.Bucket(bucket).Get([]byte(name))); len(got) != len(value) {
					return fmt.Errorf("got %d bytes", len(got))
				}
				return nil
			})
		},
		close: func() error {
			for _, db := range dbs {
				if err := db.Close(); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}
