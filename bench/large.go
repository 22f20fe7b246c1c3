package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
)

const million = 1_000_000

// big stores 1,000,000 float64 as a value and as a plain file.
func (b *bench) big(g *group, name string) (*larder.Store, larder.Component, string, error) {
	s, err := b.store(g, name)
	if err != nil {
		return nil, nil, "", err
	}
	v := make([]float64, million)
	for i := range v {
		v[i] = rand.Float64()
	}
	c := component.New("bench.array", "v1", nil)
	if _, err := s.Put(b.ctx, c, "x", v); err != nil {
		return nil, nil, "", err
	}
	file := filepath.Join(b.dir, name+".raw")
	return s, c, file, os.WriteFile(file, random(8*million), 0o600)
}

func bigHit(b *bench) (*group, error) {
	g := &group{title: "hit of 1,000,000 float64 into a slice that is there"}
	s, c, file, err := b.big(g, "big")
	if err != nil {
		return nil, err
	}
	into := make([]float64, million)
	g.add("larder GetInto, verified", 20, timed(func(n int) error {
		for range n {
			if err := s.GetInto(b.ctx, c, "x", &into); err != nil {
				return err
			}
		}
		return nil
	}))
	plain := make([]byte, 8*million)
	g.add("plain file, read into a slice", 20, timed(func(n int) error {
		for range n {
			if err := readInto(file, plain); err != nil {
				return err
			}
		}
		return nil
	}))
	b.peers.add(g, "joblib.Memory, unverified", "joblib-array", 20)
	g.goals = []goal{{"larder GetInto, verified", "joblib.Memory, unverified", 1}}
	return g, nil
}

func readInto(file string, p []byte) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for len(p) > 0 {
		n, err := f.Read(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// readFresh reads a plain file into fresh memory.
func readFresh(file string) func(int) (measured, error) {
	return timed(func(n int) error {
		for range n {
			if p, err := os.ReadFile(file); err != nil || len(p) != 8*million {
				return fmt.Errorf("read %d bytes, %w", len(p), err)
			}
		}
		return nil
	})
}

func bigFreshHit(b *bench) (*group, error) {
	g := &group{title: "hit of 1,000,000 float64 into a fresh slice"}
	s, c, file, err := b.big(g, "fresh")
	if err != nil {
		return nil, err
	}
	g.add("plain file, os.ReadFile", 20, readFresh(file))
	g.add("larder Get, verified", 20, timed(func(n int) error {
		for range n {
			if v, err := larder.Get[[]float64](b.ctx, s, c, "x"); err != nil || len(v) != million {
				return fmt.Errorf("got %d, %w", len(v), err)
			}
		}
		return nil
	}))
	g.goals = []goal{{"larder Get, verified", "plain file, os.ReadFile", 1.2}}
	return g, nil
}

func mappedHit(b *bench) (*group, error) {
	g := &group{title: "hit of 1,000,000 float64, mapped"}
	s, c, file, err := b.big(g, "mapped")
	if err != nil {
		return nil, err
	}
	g.add("plain file, os.ReadFile", 20, readFresh(file))
	view := func(use func([]float64)) func(int) (measured, error) {
		return timed(func(n int) error {
			for range n {
				v, err := s.View(b.ctx, c, "x")
				if err != nil {
					return err
				}
				numbers, err := larder.Slice[float64](v)
				if err != nil || len(numbers) != million || !v.Mapped() {
					return fmt.Errorf("got %d, %w", len(numbers), err)
				}
				use(numbers)
				if err := v.Close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.add("larder View, verified", 20, view(func([]float64) {}))
	g.add("larder View, verified, and summed up", 20, view(func(numbers []float64) {
		var totals [8]float64 // as numpy does: one after the other would measure the latency of an addition
		for ; len(numbers) >= 8; numbers = numbers[8:] {
			for i, x := range numbers[:8] {
				totals[i] += x
			}
		}
		if totals == [8]float64{} {
			panic("the numbers are all 0")
		}
	}))
	b.peers.add(g, "joblib.Memory, mmap_mode=r, unverified", "joblib-mapped", 20)
	b.peers.add(g, "joblib.Memory, mmap_mode=r, and summed up", "joblib-mapped-sum", 20)
	g.goals = []goal{
		{"larder View, verified", "plain file, os.ReadFile", 0.5},
		{"larder View, verified, and summed up", "joblib.Memory, mmap_mode=r, and summed up", 1},
	}
	return g, nil
}
