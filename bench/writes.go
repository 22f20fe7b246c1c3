package main

import (
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/component"
)

// writers is how many goroutines put at once.
const writers = 64

// share runs f for 0 to n-1, spread over the writers.
func share(n int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for range writers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func groupedPuts(b *bench) (*group, error) {
	g := &group{title: "puts of 1 KiB by 64 goroutines"}
	s, err := b.store(g, "grouped")
	if err != nil {
		return nil, err
	}
	db, err := b.bolt(g, "grouped.db")
	if err != nil {
		return nil, err
	}
	value := random(1024)
	var serial atomic.Int64 // every put is of a new key
	group := newGroup(db)
	g.onClose(group.stop)
	g.add("raw bbolt, ideal group commit", 3200, timed(func(n int) error {
		return share(n, func(int) error { return group.put([]byte(id(int(serial.Add(1)))+"/x"), value) })
	}))
	g.add("larder Put", 3200, timed(func(n int) error {
		return share(n, func(int) error {
			_, err := s.Put(b.ctx, component.Ref(id(int(serial.Add(1)))), "x", value)
			return err
		})
	}))
	g.goals = []goal{{"larder Put", "raw bbolt, ideal group commit", 1 / 0.8}}
	return g, nil
}

// commits is a group commit with nothing beside it: one goroutine that commits what has
// queued up while it committed.
type commits struct{ queue chan *commit }

type commit struct {
	key, value []byte
	done       chan error
}

func newGroup(db *bbolt.DB) *commits {
	c := &commits{make(chan *commit, writers)}
	go func() {
		for first := range c.queue {
			batch := []*commit{first}
			for len(c.queue) > 0 {
				batch = append(batch, <-c.queue)
			}
			err := db.Update(func(tx *bbolt.Tx) error {
				for _, p := range batch {
					if err := tx.Bucket(bucket).Put(p.key, p.value); err != nil {
						return err
					}
				}
				return nil
			})
			for _, p := range batch {
				p.done <- err
			}
		}
	}()
	return c
}

func (c *commits) put(key, value []byte) error {
	p := &commit{key, value, make(chan error, 1)}
	c.queue <- p
	return <-p.done
}

func (c *commits) stop() { close(c.queue) }

func describedPut(b *bench) (*group, error) {
	g := &group{title: "a new result of 1 KiB with its description, one goroutine"}
	s, err := b.store(g, "described")
	if err != nil {
		return nil, err
	}
	db, err := b.bolt(g, "described.db")
	if err != nil {
		return nil, err
	}
	value := random(1024)
	serial := 0
	g.add("raw bbolt, one commit", 200, timed(func(n int) error {
		for range n {
			serial++
			err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(id(serial)+"/x"), value) })
			if err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder Put of a new component", 200, timed(func(n int) error {
		for range n {
			serial++
			c := component.New("bench.new", "v1", map[string]any{"serial": serial, "tau": 0.02})
			if _, err := s.Put(b.ctx, c, "x", value); err != nil {
				return err
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder Put of a new component", "raw bbolt, one commit", 1.5}}
	return g, nil
}
