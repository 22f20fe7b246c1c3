//go:build unix

package sql_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
)

// Shelves may be ranged over again, however many there are.
func TestShelvesAgain(t *testing.T) {
	ctx := context.Background()
	b := open(t, alone(t, pgtest.URL(t)))
	var items []backend.Item
	var want []string
	for i := range 2100 {
		shelf := fmt.Sprintf("s%04d", i)
		it := item("a", []byte(shelf))
		it.Key.Shelf = shelf
		items, want = append(items, it), append(want, shelf)
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{0, 1500, 2100} {
		shelves := b.Shelves(ctx, backend.ListOptions{Limit: limit})
		want := want
		if limit > 0 {
			want = want[:limit]
		}
		for n := range 3 {
			var got []string
			for shelf, err := range shelves {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, shelf)
			}
			if !slices.Equal(got, want) {
				t.Errorf("with limit %d, round %d yields %d shelves, want %d", limit, n, len(got), len(want))
			}
		}
	}
}

// A position that no key has is one all the same.
func TestFindAfterOddTexts(t *testing.T) {
	ctx := context.Background()
	b := open(t, alone(t, pgtest.URL(t)))
	for _, after := range []string{"\x00", "a\x00b", "\xff", "Z", "é"} {
		for _, where := range []component.Condition{{}, component.Where(component.FieldType, component.Equal, "fit"), component.Where(component.FieldKey, component.HasPrefix, "a")} {
			for _, err := range b.(backend.Finder).Find(ctx, component.Query{Where: where, After: after}) {
				t.Errorf("Find after %q = %v", after, err)
			}
		}
	}
}
