package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/session"
)

// A sweep of a thousand workers, as in bench at the top of the repository.
const (
	sweepSessions = 1000
	sweepItems    = 1000
	sweepValue    = 100 // bytes
	sample        = 5000
	putPacks      = 64
	packBytes     = 64 << 10 // of the packs that are put
)

// sweeps compares sessions with one object an item, by 64 goroutines, and prints nanoseconds an item.
func sweeps(ctx context.Context, url string) error {
	store, err := larder.Open(ctx, url, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, "sweep", nil)
	if err != nil {
		return err
	}
	value := bytes.Repeat([]byte("x"), sweepValue)
	err = parallel(16, sweepSessions, func(i int) error { return writeSession(ctx, m, fmt.Sprintf("%04d", i), value) })
	if err != nil {
		return err
	}
	put, err := measure(func() error { return putSingle(ctx, store.Backend(), value) })
	if err != nil {
		return err
	}
	get, err := measure(func() error { return getSingle(ctx, store.Backend()) })
	if err != nil {
		return err
	}
	packed, n, err := putPacked(ctx, m, value)
	if err != nil {
		return err
	}
	collated, err := measure(func() error { return collateAll(ctx, m) })
	if err != nil {
		return err
	}
	each := func(c cost, n int) float64 { return float64(c.wall) / float64(n) }
	fmt.Println("\n| an item of 100 bytes | one object each, 64 goroutines | sessions | ratio | goal |\n|---|---|---|---|---|")
	row := func(what string, single, ours, goal float64) {
		fmt.Printf("| %s | %v | %v | %.0f | %.0f |\n", what, time.Duration(single), time.Duration(ours), single/ours, goal)
	}
	row("read", each(get, sample), each(collated, sweepSessions*sweepItems), 10)
	row(fmt.Sprintf("put, %d packs' worth", putPacks), each(put, sample), each(packed, n), 20)
	return nil
}

func writeSession(ctx context.Context, m *session.Manager, name string, value []byte) error {
	s, err := m.Session(ctx, name, nil)
	if err != nil {
		return err
	}
	for i := range sweepItems {
		if err := s.Put(ctx, fmt.Sprintf("current=%06d", i), value); err != nil {
			return err
		}
	}
	return s.Close(ctx)
}

// putPacked puts what fills 64 packs.
func putPacked(ctx context.Context, m *session.Manager, value []byte) (c cost, n int, err error) {
	s, err := m.Session(ctx, "put", &session.SessionOptions{FlushSize: packBytes})
	if err != nil {
		return c, 0, err
	}
	n = putPacks * packBytes / (sweepValue + 60)
	c, err = measure(func() error {
		for i := range n {
			if err := s.Put(ctx, fmt.Sprintf("current=%06d", i), value); err != nil {
				return err
			}
		}
		return s.Flush(ctx)
	})
	if err != nil {
		return c, n, err
	}
	if err := s.Close(ctx); err != nil {
		return c, n, err
	}
	return c, n, m.Remove(ctx, "put")
}

func singleKey(i int) backend.Key {
	return backend.Key{Shelf: "single", Name: fmt.Sprintf("%06d", i)}
}

func putSingle(ctx context.Context, b backend.Backend, value []byte) error {
	return parallel(64, sample, func(i int) error {
		_, err := backend.PutBytes(ctx, b, singleKey(i), value, backend.PutOptions{})
		return err
	})
}

func getSingle(ctx context.Context, b backend.Backend) error {
	return parallel(64, sample, func(i int) error {
		body, _, err := b.Get(ctx, singleKey(i))
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.Discard, body)
		return err
	})
}

func collateAll(ctx context.Context, m *session.Manager) error {
	n := 0
	for _, err := range session.Matching[[]byte](ctx, m, session.Prefix("current=")) {
		if err != nil {
			return err
		}
		n++
	}
	if n != sweepSessions*sweepItems {
		return fmt.Errorf("%d items are collated", n)
	}
	return nil
}
