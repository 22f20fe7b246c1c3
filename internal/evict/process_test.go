package evict_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/internal/sums"
)

func open(t *testing.T, url string) *larder.Store {
	t.Helper()
	s, err := larder.Open(t.Context(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *larder.Store, n, size int) larder.Info {
	t.Helper()
	info, err := s.Put(t.Context(), numbered(n), "x", valueOf(n, size))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func pin(t *testing.T, s *larder.Store, n int) {
	t.Helper()
	id, err := s.Key(t.Context(), numbered(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := catalog.PinComponent(t.Context(), s, catalog.Pin{ID: id, By: "me"}); err != nil {
		t.Fatal(err)
	}
}

// there reports whether a value is there, and right.
func there(t *testing.T, s *larder.Store, n, size int) bool {
	t.Helper()
	err := right(t.Context(), s, n, size)
	if err != nil && !errors.Is(err, larder.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// held returns how many values there are, and of how many bytes.
func held(t *testing.T, s *larder.Store) (n int, bytes int64) {
	t.Helper()
	for info, err := range s.Backend().List(t.Context(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		bytes += info.Size
	}
	return n, bytes
}

// Processes put into a store with a limit, read what others put, and one evicts by policy, all at once: each read is right or a
// miss, the store ends within its limit but for what a step may be behind, and the pinned value stays.
func TestManyProcesses(t *testing.T) {
	const (
		size  = 2000
		limit = 200_000
	)
	for _, scheme := range []string{"shelve", "file"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			url := scheme + "://" + t.TempDir() + "?max_size=200000"
			s := open(t, url)
			put(t, s, 1, size)
			pin(t, s, 1)
			var all []*process
			for seed := 1; seed <= 3; seed++ {
				all = append(all, start(t, order{Do: "put", URL: url, Seed: seed, Puts: 90, Size: size}))
			}
			for range 2 {
				start(t, order{Do: "gc", URL: url, MaxSize: limit / 2}).end()
			}
			for _, p := range all {
				p.end()
			}
			if !there(t, s, 1, size) {
				t.Error("the pinned value is gone")
			}
			// A value is so large a part of the limit that each Put makes a step, unless another process is at it.
			if n, bytes := held(t, s); bytes > limit*5/4 || n < 30 {
				t.Errorf("%d values of %d bytes stay, with a limit of %d", n, bytes, limit)
			}
		})
	}
}

// A gc that is killed has removed nothing but what it was to remove; the next one does the rest.
func TestKilledMidway(t *testing.T) {
	const values, size, stay = 2600, 10, 300
	dir := t.TempDir()
	s := open(t, dir)
	b := s.Backend()
	var items []backend.Item
	for n := range values { // one commit a thousand: a test of eviction, not of puts
		items = append(items, item(t, s, n, size))
		if len(items) == 1000 || n == values-1 || n == values-stay-1 {
			if _, err := backend.PutBatch(t.Context(), b, items); err != nil {
				t.Fatal(err)
			}
			items = items[:0]
		}
	}
	check := func(when string) {
		t.Helper()
		for n := values - stay; n < values; n++ {
			if !there(t, s, n, size) {
				t.Fatalf("%s: value %d, which is to stay, is gone", when, n)
			}
		}
	}
	p := start(t, order{Do: "hang", URL: dir, MaxSize: stay * size})
	if line, err := p.out.ReadString('\n'); err != nil || line != "hanging\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	p.kill()
	check("killed between two batches")
	if n, _ := held(t, s); n != values-1000 {
		t.Errorf("%d values are left, want %d", n, values-1000)
	}
	for range 3 { // at any instant
		p := start(t, order{Do: "gc", URL: dir, MaxSize: stay * size})
		time.Sleep(rand.N(60 * time.Millisecond))
		p.kill()
		check("killed anywhere")
	}
	start(t, order{Do: "gc", URL: dir, MaxSize: stay * size}).end()
	check("at the end")
	if n, bytes := held(t, s); n != stay || bytes != stay*size {
		t.Errorf("%d values of %d bytes stay, want %d of %d", n, bytes, stay, stay*size)
	}
}

// item returns the Put of a value by hand.
func item(t *testing.T, s *larder.Store, n, size int) backend.Item {
	t.Helper()
	id, err := s.Key(context.Background(), numbered(n))
	if err != nil {
		t.Fatal(err)
	}
	value := valueOf(n, size)
	digest, sum := sums.Of(value)
	return backend.Item{Key: backend.Key{Shelf: backend.ShelfCache, Name: id + "/x"}, Body: bytes.NewReader(value),
		PutOptions: backend.PutOptions{Size: int64(size), Digest: digest, Sum: sum}}
}

// What was just put is there, however small the limit; and nothing but that and what is pinned.
func TestJustPutStays(t *testing.T) {
	const size = 5000
	s := open(t, "shelve://"+t.TempDir()+"?max_size=1000")
	put(t, s, 0, size)
	pin(t, s, 0)
	for n := 1; n < 40; n++ {
		put(t, s, n, size)
		if !there(t, s, n, size) {
			t.Fatalf("value %d is gone after its Put", n)
		}
		if n > 1 && there(t, s, n-1, size) {
			t.Fatalf("value %d is still there, above the limit", n-1)
		}
	}
	if !there(t, s, 0, size) {
		t.Error("the pinned value is gone")
	}
}
