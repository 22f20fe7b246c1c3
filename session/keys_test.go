package session

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/packname"
)

func managerOn(t *testing.T, b backend.Backend) *Manager {
	t.Helper()
	m, err := Open(context.Background(), larder.New(b, nil), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// However few keys are held at a time, all come, each once and in order.
func TestKeysByTheFew(t *testing.T) {
	ctx := context.Background()
	m := managerOn(t, mem.New(nil))
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("key-%02d", i))
	}
	for n := range 7 {
		s, err := m.Session(ctx, fmt.Sprint(n), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, key := range want {
			if i%7 == n || i%3 == 0 {
				if err := s.Put(ctx, key, n); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, most := range []int{1, 2, 3, 7, 39, 40, 41, 1000} {
		var got []string
		for key, err := range matchingKeys(ctx, m, All, most, nil) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d at a time: %q, want %q", most, got, want)
		}
	}
}

// Packs that two processes merged, of which one had lost the session, may overlap: what the later number says counts.
func TestOverlappingPacks(t *testing.T) {
	ctx := context.Background()
	b := mem.New(nil)
	m := managerOn(t, b)
	shelf, err := m.Location("s")
	if err != nil {
		t.Fatal(err)
	}
	item := func(key, value string) record { return record{key: key, codec: "raw", body: []byte(value)} }
	gone := func(key string) record { return record{key: key, deleted: true} }
	for _, p := range []struct {
		first, last uint64
		records     []record
	}{
		{1, 1, []record{item("a", "1"), item("b", "1"), item("c", "1")}}, // within the next
		{1, 3, []record{item("a", "3"), item("c", "1")}},                 // b was deleted in 2
		{2, 4, []record{item("a", "3"), gone("b"), item("d", "4")}},
		{5, 5, []record{gone("c"), item("e", "5")}},
	} {
		_, err := backend.PutBytes(ctx, b, backend.Key{Shelf: shelf, Name: packname.Of(p.first, p.last)}, packOf(p.records), backend.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for item, err := range Matching[[]byte](ctx, m, All) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item.Key+string(bytes.Clone(item.Value)))
	}
	if want := []string{"a3", "d4", "e5"}; !slices.Equal(got, want) {
		t.Errorf("collated %q, want %q", got, want)
	}
	s, err := m.Session(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	live, replaced, err := m.packs(ctx, shelf)
	if err != nil || len(live) != 1 || len(replaced) != 0 {
		t.Errorf("after Close there are %d packs and %d replaced ones, %v, want 1 and 0", len(live), len(replaced), err)
	}
	if n, err := Count(ctx, m, All); n != 3 || err != nil {
		t.Errorf("Count = %d, %v, want 3", n, err)
	}
}

func TestMergingWhatIsNoSlice(t *testing.T) {
	ctx := context.Background()
	m := managerOn(t, mem.New(nil))
	s, err := m.Session(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "k", 1.5); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range Merged[float64](ctx, m, "k") {
		last = err
	}
	if last == nil || !bytes.Contains([]byte(last.Error()), []byte(`session "s", key "k"`)) {
		t.Errorf("merging a number = %v, want an error that names session and key", last)
	}
}
