package session

import (
	"fmt"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/latelist"
)

// A list may lack both the packs that were merged while it went on and what they were merged into. A collation has all
// that was stored before it began all the same.
func TestListBesideAMerge(t *testing.T) {
	ctx := t.Context()
	b := &latelist.Backend{Backend: mem.New(nil), In: func(_, prefix string) bool { return prefix == packMark }}
	m, err := Open(ctx, larder.New(b, nil), "m", &Options{Layout: LayoutPacks})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Session(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	const items = 5
	for i := range items {
		if err := s.Put(ctx, fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.Between = func() { // Close merges the packs into one
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	n := 0
	for item, err := range Matching[int](ctx, m, All) {
		if err != nil || item.Value != n {
			t.Fatalf("item %d = %v, %v", n, item, err)
		}
		n++
	}
	if n != items || b.Between != nil {
		t.Errorf("%d items are collated of %d; merged meanwhile: %t", n, items, b.Between == nil)
	}
}
