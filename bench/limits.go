package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/place"
	"github.com/larder-store/larder/internal/sums"
)

// limitedPut compares puts into a store that is full, and evicts by itself, with those into one without a limit.
func limitedPut(b *bench) (*group, error) {
	const held = 10_000
	g := &group{title: "put of 1 KiB into a full store with max_size, one goroutine"}
	value, serial := random(1024), 0
	put := func(name, query string) error {
		s, err := larder.Open(b.ctx, "shelve:"+filepath.Join(b.dir, name)+query, &larder.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		g.onClose(func() { s.Close() })
		if err := b.fill(s, held, value); err != nil {
			return err
		}
		g.add("larder Put"+query, 1000, timed(func(n int) error {
			for range n {
				serial++
				if _, err := s.Put(b.ctx, component.Ref(id(held+serial)), "x", value); err != nil {
					return err
				}
			}
			return nil
		}))
		return nil
	}
	for _, query := range []string{"", "?max_size=10000KiB"} {
		if err := put(fmt.Sprint("limit", len(query)), query); err != nil {
			return nil, err
		}
	}
	g.goals = []goal{{"larder Put?max_size=10000KiB", "larder Put", 1.15}}
	return g, nil
}

// fill puts values of components id(0) to id(n-1).
func (b *bench) fill(s *larder.Store, n int, value []byte) error {
	digest, sum := sums.Of(value)
	var items []backend.Item
	for i := range n {
		key, err := place.Of(id(i), "x")
		if err != nil {
			return err
		}
		items = append(items, backend.Item{Key: key, Body: bytes.NewReader(value), PutOptions: backend.PutOptions{
			Size: int64(len(value)), Digest: digest, Sum: sum, Meta: backend.Meta{"codec": "raw"},
		}})
	}
	_, err := backend.PutBatch(b.ctx, s.Backend(), items)
	return err
}

// aged is a backend whose values are of two days ago, so that their hits are noted.
type aged struct{ backend.Backend }

func (a aged) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := a.Backend.Get(ctx, key)
	info.ModTime = info.ModTime.Add(-2 * marksGrain)
	return body, info, err
}

// Unwrap makes the abilities of the backend found.
func (a aged) Unwrap() backend.Backend { return a.Backend }

const marksGrain = 24 * time.Hour

// markedHit compares hits that are noted with those of a store that notes none, since it is only read.
func markedHit(b *bench) (*group, error) {
	g := &group{title: "hit of 1 KiB of two days ago, noted as a use"}
	s, err := b.store(g, "marked")
	if err != nil {
		return nil, err
	}
	const n = 10_000
	if err := b.fill(s, n, random(1024)); err != nil {
		return nil, err
	}
	var into []byte
	add := func(name string, opts larder.Options) {
		opts.Logger = slog.New(slog.DiscardHandler)
		store := larder.New(aged{s.Backend()}, &opts)
		refs := make([]larder.Component, n)
		for i := range refs {
			refs[i] = component.Ref(id(i))
		}
		g.add(name, 50_000, timed(func(ops int) error {
			for i := range ops {
				if err := store.GetInto(b.ctx, refs[i*7919%n], "x", &into); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	add("larder Get, read-only", larder.Options{ReadOnly: true})
	add("larder Get", larder.Options{})
	add("larder Get, read-only again", larder.Options{ReadOnly: true})
	g.goals = []goal{{"larder Get", "larder Get, read-only", 1.05}}
	return g, nil
}
