package main

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/session"
)

// A sweep as large as Brian's users made: each session is one worker's.
const (
	sweepSessions     = 100
	sweepSessionsFull = 1000
	sweepItems        = 1000
	sweepValue        = 100 // bytes
)

func collating(b *bench) (*group, error) {
	sessions := b.size(sweepSessions, sweepSessionsFull)
	g := &group{title: fmt.Sprintf("collating %d sessions of %d items of %d bytes, per item", sessions, sweepItems, sweepValue), most: 5}
	dir := filepath.Join(b.dir, "sweep")
	store, err := larder.Open(b.ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	g.onClose(func() { store.Close() })
	m, err := session.Open(b.ctx, store, "sweep", nil)
	if err != nil {
		return nil, err
	}
	var files []string
	fill := func() error {
		if files != nil {
			return nil
		}
		for i := range sessions {
			shelf, err := fillSession(b.ctx, m, fmt.Sprintf("%04d", i))
			if err != nil {
				return err
			}
			files = append(files, filepath.Join(dir, "shelves", "shelf-"+shelf+".db"))
		}
		return nil
	}
	n := sessions * sweepItems
	g.addWhole("raw bbolt, the same files, values decoded", n, func(n int) (measured, error) {
		if err := fill(); err != nil {
			return measured{}, err
		}
		time.Sleep(100 * time.Millisecond) // shelves closes what it has open
		return timed(func(n int) error { return iterateFiles(files, n) })(n)
	})
	g.addWhole("larder, session.Matching", n, func(n int) (measured, error) {
		if err := fill(); err != nil {
			return measured{}, err
		}
		return timed(func(n int) error { return collateAll(b.ctx, m, n) })(n)
	})
	g.goals = append(g.goals, goal{"larder, session.Matching", "raw bbolt, the same files, values decoded", 2})
	const brian = "Brian's algorithm, python3 shelve, a tenth of the sessions"
	python := startPython(brianPy, filepath.Join(b.dir, "brian"), "shelve")
	g.onClose(python.stop)
	if python.bad != "" {
		g.absent(brian, python.bad)
	} else {
		g.addWhole(brian, n/10, func(int) (measured, error) { return python.ask(sessions/10, sweepItems, sweepValue) })
	}
	g.goals = append(g.goals, goal{"larder, session.Matching", brian, 1. / 20})
	return g, nil
}

func fillSession(ctx context.Context, m *session.Manager, name string) (shelf string, err error) {
	s, err := m.Session(ctx, name, nil)
	if err != nil {
		return "", err
	}
	if err := s.PutAll(ctx, sweepOf()); err != nil {
		return "", err
	}
	if err := s.Close(ctx); err != nil {
		return "", err
	}
	return m.Location(name)
}

// sweepOf yields the items of a session.
func sweepOf() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i := range sweepItems {
			if !yield(fmt.Sprintf("current=%06d", i), random(sweepValue)) {
				return
			}
		}
	}
}

func collateAll(ctx context.Context, m *session.Manager, want int) error {
	n := 0
	for item, err := range session.Matching[[]byte](ctx, m, session.All) {
		if err != nil {
			return err
		}
		if len(item.Value) != sweepValue {
			return fmt.Errorf("%q has %d bytes", item.Key, len(item.Value))
		}
		n++
	}
	if n != want {
		return fmt.Errorf("%d items of %d", n, want)
	}
	return nil
}

// iterateFiles reads all items as a program that knows the format of shelves would: the value is the end of each record.
func iterateFiles(files []string, want int) error {
	n := 0
	for _, file := range files {
		db, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
				return b.ForEach(func(k, v []byte) error {
					if k[0] != 'k' {
						return nil
					}
					value := append([]byte(nil), v[len(v)-sweepValue:]...)
					key := string(k[1:])
					if len(key) == 0 || len(value) != sweepValue {
						return fmt.Errorf("%q has %d bytes", k, len(v))
					}
					n++
					return nil
				})
			})
		})
		if closing := db.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return err
		}
	}
	if n != want {
		return fmt.Errorf("%d items of %d", n, want)
	}
	return nil
}

func sessionPuts(b *bench) (*group, error) {
	g := &group{title: "session puts of 100 bytes, one goroutine"}
	s, err := b.store(g, "session-puts")
	if err != nil {
		return nil, err
	}
	db, err := b.bolt(g, "session-puts.db")
	if err != nil {
		return nil, err
	}
	m, err := session.Open(b.ctx, s, "puts", nil)
	if err != nil {
		return nil, err
	}
	ses, err := m.Session(b.ctx, "one", nil)
	if err != nil {
		return nil, err
	}
	g.onClose(func() { ses.Close(b.ctx) })
	value := random(sweepValue)
	serial := 0
	g.add("raw bbolt, one commit each", 300, timed(func(n int) error {
		for range n {
			serial++
			err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(fmt.Appendf(nil, "k%06d", serial), value) })
			if err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder, Session.Put", 300, timed(func(n int) error {
		for range n {
			serial++
			if err := ses.Put(b.ctx, fmt.Sprintf("%06d", serial), value); err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder, Session.Put", "raw bbolt, one commit each", 1 / 0.8}}
	return g, nil
}
