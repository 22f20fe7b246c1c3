//go:build unix

package sql_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
)

// What the catalogue answers by the index is what it answers by reading everything: what is near, and what comes from
// where.
func TestCatalog(t *testing.T) {
	ctx := t.Context()
	b, err := openURL(ctx, place(t, pgtest.URL(t)))
	if err != nil {
		t.Fatal(err)
	}
	silent := &larder.Options{Logger: slog.New(slog.DiscardHandler)}
	indexed, plain := larder.New(b, silent), larder.New(mem.New(nil), silent)
	defer indexed.Close()
	defer plain.Close()

	raw := component.Content(sha256.Sum256([]byte("raw")), 3)
	table := component.Content(sha256.Sum256([]byte("a table")), 7)
	detect := component.New("detect", "1", map[string]any{"threshold": 3}, raw)
	var fits []component.Component
	for i := range 50 {
		fits = append(fits, component.New("fit", "1", map[string]any{"tau": i, "half": i / 2}, detect, raw))
	}
	plot := component.New("plot", "1", nil, append(fits[:20:20], table)...)
	for _, store := range []*larder.Store{indexed, plain} {
		for _, c := range append([]component.Component{detect, plot}, fits...) {
			if _, err := store.Put(ctx, c, "value", "a value of "+c.Type()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Put(ctx, fits[30], "table", "a table"); err != nil {
			t.Fatal(err)
		}
	}

	target := component.New("fit", "1", map[string]any{"tau": 7, "half": 100}, detect, raw)
	var answers [2][]string
	for i, store := range []*larder.Store{indexed, plain} {
		e, err := catalog.Explain(ctx, store, target, &catalog.ExplainOptions{Nearest: 1})
		if err != nil {
			t.Fatal(err)
		}
		answers[i] = append(answers[i], fmt.Sprint(e.ID, e.Looked, e.Nearest[0].ID, e.Nearest[0].Distance, e.Nearest[0].Changes))
		for _, c := range []struct {
			from component.Component
			way  catalog.Direction
		}{{plot, catalog.Up}, {raw, catalog.Down}} {
			id, err := store.Key(ctx, c.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, depth := range []int{0, 1} {
				tree, err := catalog.TreeOf(ctx, store, id, c.way, depth)
				if err != nil {
					t.Fatal(err)
				}
				links := 0
				for _, n := range tree.Nodes {
					links += len(n.Links)
				}
				answers[i] = append(answers[i], fmt.Sprint(len(tree.Nodes), links, tree.Cut, tree.Nodes[id].Links))
			}
		}
	}
	if !reflect.DeepEqual(answers[0], answers[1]) {
		t.Errorf("the index answers\n%s\nreading everything\n%s", strings.Join(answers[0], "\n"), strings.Join(answers[1], "\n"))
	}

	entries, err := catalog.Attributes(ctx, indexed, mustKey(t, indexed, detect))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	time.Sleep(10 * time.Millisecond)
	if err := catalog.Touch(ctx, indexed, entries[0]); err != nil {
		t.Fatal(err)
	}
	info, err := indexed.Stat(ctx, detect, "value")
	if err != nil || !info.ModTime.After(entries[0].Info.ModTime) || info.Size != entries[0].Info.Size {
		t.Errorf("after Touch: %+v, %v; want later than %v", info, err, entries[0].Info.ModTime)
	}
}

func mustKey(t *testing.T, store *larder.Store, c component.Component) string {
	t.Helper()
	id, err := store.Key(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
