//go:build unix

package sql_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/keying"
)

// However many answers a query has, and whichever way they are found, no more than a few pages of them are in memory.
func TestFindInFlatMemory(t *testing.T) {
	b := open(t, place(t, pgtest.URL(t)))
	ctx := context.Background()
	const (
		n     = 8000
		size  = 4 << 10
		pages = 16 << 20 // a page has 4 MiB
	)
	text := strings.Repeat("x", size)
	for start := 0; start < n; start += 2000 {
		var items []backend.Item
		for i := range 2000 {
			key, preimage, err := keying.Hash{}.Preimage(ctx, component.New("flat", "1", map[string]any{"n": start + i, "kind": "a", "text": text}))
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, item(key, preimage))
		}
		if _, err := backend.PutBatch(ctx, b, items); err != nil {
			t.Fatal(err)
		}
	}
	before := live()
	for name, where := range map[string]component.Condition{
		"all":          {Op: component.All},
		"by type":      component.Where(component.FieldType, component.Equal, "flat"),
		"by parameter": component.WhereParam("kind", component.Equal, "a"),
		"scanned":      component.WhereParam("n", component.GreaterEqual, int64(0)),
	} {
		found, most := 0, uint64(0)
		for d, err := range backend.Find(ctx, b, component.Query{Where: where}, nil) {
			if err != nil || d.Key == "" {
				t.Fatal(d, err)
			}
			if found++; found%1000 == 1 {
				most = max(most, live())
			}
		}
		if found != n || most > before+pages {
			t.Errorf("%s: %d answers of %d; %d MiB more in memory than before, of %d", name, found, n, (most-before)>>20, n*size>>20)
		}
	}
}

// live returns how much memory is in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
