//go:build unix

package sql_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/keying"
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

// A position that is no key is one all the same: between those that are less and those that are greater.
func TestFindAfterOddTexts(t *testing.T) {
	ctx := context.Background()
	b := open(t, alone(t, pgtest.URL(t)))
	_, preimage, err := keying.Hash{}.Preimage(ctx, component.New("fit", "1", nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "az", "b"} {
		if _, err := backend.PutBatch(ctx, b, []backend.Item{item(name, preimage)}); err != nil {
			t.Fatal(err)
		}
	}
	for after, want := range map[string]int{"": 3, "A": 3, "a\x00": 2, "aZ": 2, "a\xff": 1, "é": 0, strings.Repeat("a", 10_000): 2} {
		for _, where := range []component.Condition{
			{}, component.Where(component.FieldType, component.Equal, "fit"), component.Where(component.FieldKey, component.Greater, "A"),
		} {
			n := 0
			for _, err := range b.(backend.Finder).Find(ctx, component.Query{Where: where, After: after}) {
				if n++; err != nil {
					t.Errorf("Find after %.9q = %v", after, err)
				}
			}
			if n != want {
				t.Errorf("Find %v after %.9q yields %d, want %d", where, after, n, want)
			}
		}
	}
}
