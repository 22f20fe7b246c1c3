package catalog_test

import (
	"context"
	"strings"
	"testing"

	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// What no key is or begins with finds nothing, on every backend, rather than that it fails.
func TestFindOddKeys(t *testing.T) {
	ctx := context.Background()
	for name, open := range kinds {
		store := open(t)
		put(t, store, component.New("lab/fit", "1", nil), "1", "text", false)
		for _, odd := range []string{"Upper case", "\x00", "\xff", "é", strings.Repeat("a", 5000), "a//b", ".."} {
			for _, op := range []component.Op{component.Equal, component.HasPrefix} {
				if odd == "\xff" { // a value in no query
					continue
				}
				for e, err := range catalog.Find(ctx, store, component.Query{Where: component.Where(component.FieldKey, op, odd)}) {
					t.Errorf("%s: Find key %s %.20q = %v, %v", name, op, odd, e.ID, err)
				}
			}
			var all, after []string
			for e, err := range catalog.Find(ctx, store, component.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				if all = append(all, e.ID); e.ID > odd {
					after = append(after, e.ID)
				}
			}
			n := 0
			for _, err := range catalog.Find(ctx, store, component.Query{After: odd}) {
				if n++; err != nil {
					t.Errorf("%s: Find after %.20q = %v", name, odd, err)
				}
			}
			if n != len(after) {
				t.Errorf("%s: Find after %.20q yields %d, want %d", name, odd, n, len(after))
			}
		}
	}
}
