package interop_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/interop/servers"
)

// What each step costs in requests, as docs/buckets.md promises; TestHeartbeats has the rest.
func TestRequestBudget(t *testing.T) {
	ctx := context.Background()
	b, p := behindProxy(t, servers.GoFakeS3, "")
	open := func(o larder.Options) *larder.Store { return larder.New(b, &o) }
	plain, leasing := open(larder.Options{NoLease: true}), open(larder.Options{LeaseTTL: time.Hour})
	part := func(n int) larder.Component {
		return component.New("test/stage", "1", map[string]any{"n": n})
	}
	memo := func(s *larder.Store, n int, attribute string) func() error {
		return func() error {
			_, err := larder.Memo(ctx, s, part(n), attribute, func(context.Context) (float64, error) {
				return 1.5, nil
			})
			return err
		}
	}
	p.Counts()
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"first miss in a new store", memo(plain, 0, "fit"), map[string]int{"GET": 3, "LIST": 1, "PUT": 3}},
		{"first miss in another process", memo(open(larder.Options{NoLease: true}), 9, "fit"), map[string]int{"GET": 2, "PUT": 2}},
		{"miss of a new component", memo(plain, 1, "fit"), map[string]int{"GET": 1, "PUT": 2}},
		{"miss of a described one", memo(plain, 1, "residual"), map[string]int{"GET": 1, "PUT": 1}},
		{"hit", memo(plain, 1, "fit"), map[string]int{"GET": 1}},
		{"hit in another process", memo(open(larder.Options{}), 1, "fit"), map[string]int{"GET": 1}},
		{"first miss, computed once", memo(leasing, 3, "fit"), map[string]int{"GET": 2, "PUT": 4}},
		{"miss, computed once", memo(leasing, 2, "fit"), map[string]int{"GET": 1, "PUT": 4}},
		{"hit, with leases", memo(leasing, 2, "fit"), map[string]int{"GET": 1}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := p.Counts(); !maps.Equal(got, step.want) {
			t.Errorf("%s takes %v, want %v", step.name, got, step.want)
		}
	}
}

// An empty value has no first byte that a range could ask for.
func TestBudgetOfAnEmptyValue(t *testing.T) {
	for name, server := range map[string]func(testing.TB) *servers.Server{"gofakes3": servers.GoFakeS3, "versitygw": servers.VersityGW} {
		b, p := behindProxy(t, server, "")
		if _, err := tryPut(b, "a", "", backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		p.Counts()
		wants(t, b, "a", "")
		if got := p.Counts(); !maps.Equal(got, map[string]int{"GET": 1}) {
			t.Errorf("%s: a hit of an empty value takes %v, want 1 GET", name, got)
		}
	}
}

func TestListBudget(t *testing.T) {
	ctx := context.Background()
	b, p := behindProxy(t, servers.GoFakeS3, "")
	items := make([]backend.Item, 2500)
	for i := range items {
		items[i] = backend.Item{Key: key(fmt.Sprintf("%04d", i)), Body: empty{}, PutOptions: sums(nil)}
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	p.Counts()
	n := 0
	for _, err := range b.List(ctx, "s", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if got := p.Counts(); n != 2500 || !maps.Equal(got, map[string]int{"LIST": 3}) {
		t.Errorf("a list of %d entries takes %v, want 2500 in 3 requests", n, got)
	}
	keys := make([]backend.Key, len(items))
	for i, it := range items {
		keys[i] = it.Key
	}
	if err := backend.DeleteBatch(ctx, b, keys); err != nil {
		t.Fatal(err)
	}
	if got := p.Counts(); !maps.Equal(got, map[string]int{"DELETE MANY": 3}) {
		t.Errorf("deleting 2500 takes %v, want 3 requests", got)
	}
}

type empty struct{}

func (empty) Read([]byte) (int, error)       { return 0, eof }
func (empty) Seek(int64, int) (int64, error) { return 0, nil }

func TestDeleteBudget(t *testing.T) {
	b, p := behindProxy(t, servers.GoFakeS3, "")
	var keys []backend.Key
	var seen []backend.Seen
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		info, err := tryPut(b, name, "small", backend.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		keys, seen = append(keys, info.Key), append(seen, backend.Seen{Key: info.Key, Version: info.Version})
	}
	p.Counts()
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"a delete of two", func() error { return backend.DeleteBatch(t.Context(), b, keys[:2]) }, map[string]int{"DELETE MANY": 1}},
		{"a delete of two by version", func() error { return backend.DeleteMatch(t.Context(), b, seen[2:4]) }, map[string]int{"HEAD": 2, "DELETE MANY": 1}},
		{"a delete of one by version", func() error { return backend.DeleteMatch(t.Context(), b, seen[4:]) }, map[string]int{"HEAD": 1, "DELETE": 1}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := p.Counts(); !maps.Equal(got, step.want) {
			t.Errorf("%s takes %v, want %v", step.name, got, step.want)
		}
	}
}
