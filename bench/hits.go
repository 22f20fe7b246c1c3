package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/place"
	"github.com/larder-store/larder/internal/sums"
)

// entries is how many values the stores of the small hits hold.
const entries = 20_000

func (b *bench) store(g *group, name string) (*larder.Store, error) {
	s, err := larder.Open(b.ctx, filepath.Join(b.dir, name), &larder.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		g.onClose(func() { s.Close() })
	}
	return s, err
}

func (b *bench) bolt(g *group, name string) (*bbolt.DB, error) {
	db, err := bbolt.Open(filepath.Join(b.dir, name), 0o600, &bbolt.Options{Timeout: 1e9})
	if err != nil {
		return nil, err
	}
	g.onClose(func() { db.Close() })
	return db, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
}

var bucket = []byte("cache")

// id is a component key like those that keying makes.
func id(of any) string { return fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, of))) }

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func hitOfAKnownKey(b *bench) (*group, error) {
	g := &group{title: fmt.Sprintf("hit of 1 KiB among %d, its key known", entries)}
	s, err := b.store(g, "known")
	if err != nil {
		return nil, err
	}
	db, err := b.bolt(g, "known.db")
	if err != nil {
		return nil, err
	}
	value := random(1024)
	digest, sum := sums.Of(value)
	var items []backend.Item
	names := make([][]byte, entries)
	refs := make([]larder.Component, entries)
	for i := range entries {
		key, err := place.Of(id(i), "x")
		if err != nil {
			return nil, err
		}
		names[i], refs[i] = []byte(key.Name), component.Ref(id(i))
		items = append(items, backend.Item{Key: key, Body: bytes.NewReader(value), PutOptions: backend.PutOptions{
			Size: 1024, Digest: digest, Sum: sum, Meta: backend.Meta{codec.MetaKey: codec.Raw},
		}})
	}
	if _, err := backend.PutBatch(b.ctx, s.Backend(), items); err != nil {
		return nil, err
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range names {
			if err := tx.Bucket(bucket).Put(name, value); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}

	g.add("raw bbolt, View + copy", 200_000, timed(func(n int) error {
		for i := range n {
			err := db.View(func(tx *bbolt.Tx) error {
				got := bytes.Clone(tx.Bucket(bucket).Get(names[i*7919%entries]))
				if len(got) != 1024 {
					return fmt.Errorf("got %d bytes", len(got))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	g.add("larder Get, verified", 200_000, timed(func(n int) error {
		for i := range n {
			got, err := larder.Get[[]byte](b.ctx, s, refs[i*7919%entries], "x")
			if err != nil || len(got) != 1024 {
				return fmt.Errorf("got %d bytes, %w", len(got), err)
			}
		}
		return nil
	}))
	g.add("shelve Get alone", 200_000, timed(func(n int) error {
		for i := range n {
			body, _, err := s.Backend().Get(b.ctx, items[i*7919%entries].Key)
			if err != nil {
				return err
			}
			body.Close()
		}
		return nil
	}))
	g.goals = []goal{{"larder Get, verified", "raw bbolt, View + copy", 2}}
	return g, nil
}

func memoHit(b *bench) (*group, error) {
	g := &group{title: "memo hit of a float with three parameters, key included"}
	s, err := b.store(g, "memo")
	if err != nil {
		return nil, err
	}
	g.add("larder Memo", 100_000, timed(func(n int) error {
		for range n {
			c := component.New("bench.scalar", "v1", map[string]any{"a": 1, "b": 2.5, "c": 3})
			v, err := larder.Memo(b.ctx, s, c, "value", func(context.Context) (float64, error) { return 5.5, nil })
			if err != nil || v != 5.5 {
				return fmt.Errorf("got %v, %w", v, err)
			}
		}
		return nil
	}))
	b.peers.add(g, "joblib.Memory", "joblib-float", 2000)
	b.peers.add(g, "diskcache memoize", "diskcache-float", 10_000)
	g.goals = []goal{
		{"larder Memo", "joblib.Memory", 0.1},
		{"larder Memo", "diskcache memoize", 0.5},
	}
	return g, nil
}
