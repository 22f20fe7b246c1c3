package main

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/tier"
	"github.com/larder-store/larder/component"
)

// tierHit compares a hit through a tier, whose copy is near, with a hit on the same kind of store alone.
func tierHit(b *bench) (*group, error) {
	const n = 2000
	g := &group{title: fmt.Sprintf("hit of 1 KiB among %d, on a shelf alone and as the near store of a tier", n)}
	alone, err := b.store(g, "tier-alone")
	if err != nil {
		return nil, err
	}
	url := tier.URL(filepath.Join(b.dir, "tier-near"), "file://"+filepath.Join(b.dir, "tier-far"))
	joined, err := larder.Open(b.ctx, url, &larder.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	g.onClose(func() { joined.Close() })
	value := random(1024)
	refs := make([]larder.Component, n)
	for i := range refs {
		refs[i] = component.Ref(id(i))
		for _, s := range []*larder.Store{alone, joined} {
			if _, err := s.Put(b.ctx, refs[i], "x", value); err != nil {
				return nil, err
			}
		}
	}
	for name, s := range map[string]*larder.Store{"larder Get, shelf": alone, "larder Get, tier": joined} {
		g.add(name, 100_000, timed(func(times int) error {
			for i := range times {
				got, err := larder.Get[[]byte](b.ctx, s, refs[i*7919%n], "x")
				if err != nil || len(got) != len(value) {
					return fmt.Errorf("got %d bytes, %w", len(got), err)
				}
			}
			return nil
		}))
	}
	g.goals = []goal{{"larder Get, tier", "larder Get, shelf", 1.1}}
	return g, nil
}
