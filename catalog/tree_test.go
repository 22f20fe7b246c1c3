package catalog_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// costly is a backend whose requests cost money.
type costly struct{ backend.Backend }

func (b costly) Limits() backend.Limits {
	l := backend.LimitsOf(b.Backend)
	l.CostlyRequests = true
	return l
}

// findsSound is an index that leaves out what is no description, as that of Postgres does.
type findsSound struct{ indexed }

func (b *findsSound) Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
	return func(yield func(component.Description, error) bool) {
		for d, err := range b.indexed.Find(ctx, q) {
			if err == nil && !yield(d, nil) {
				return
			}
		}
	}
}

// drawn returns a tree as lines: levels as dots, names for keys, = for links by contents, ^ for what was above, … for what is cut.
func drawn(t *testing.T, l *catalog.Tree, levels int, names map[string]string) string {
	t.Helper()
	var b strings.Builder
	err := l.Walk(levels, func(s catalog.Step) error {
		b.WriteString("\n" + strings.Repeat(".", s.Level))
		if s.Link.Contents {
			b.WriteString("=")
		}
		if s.Link.Label != "" {
			b.WriteString(s.Link.Label + ":")
		}
		b.WriteString(names[s.Node.ID])
		if s.Again {
			b.WriteString("^")
		}
		if s.Deep {
			b.WriteString("…")
		}
		if len(s.Last) != s.Level {
			return fmt.Errorf("at level %d: Last is %v", s.Level, s.Last)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Two stages are linked by the file that one left and the other read, values by their digests, and components by their inputs; on
// every kind of store alike, but for the values of buckets, which are not listed.
func TestTree(t *testing.T) {
	ctx := context.Background()
	all := stores(t)
	all["costly"] = larder.New(costly{mem.New(nil)}, silent)
	defer all["costly"].Close()
	for name, store := range all {
		names := map[string]string{}
		put := func(n string, value any, c component.Component) component.Component {
			t.Helper()
			if _, err := store.Put(ctx, c, "run", value); err != nil {
				t.Fatal(err)
			}
			names[mustKey(t, store, c)] = n
			for _, in := range c.Inputs() {
				if in.Type() == component.CommandType {
					names[mustKey(t, store, in)] = "command"
				}
			}
			return c
		}
		raw, mid, table := contentOf("raw"), component.Content(sha256.Sum256([]byte("spikes")), 6), contentOf("a table")
		names[mustKey(t, store, raw)], names[mustKey(t, store, mid)], names[mustKey(t, store, table)] = "raw", "spikes.csv", "table"

		detect := put("detect", "an archive", component.New("detect", "1", nil, command(args("d"), nil, "raw.dat"), raw))
		err := catalog.NoteOutputs(ctx, store, mustKey(t, store, detect), []catalog.Output{
			{Path: "out/spikes.csv", SHA256: sha256.Sum256([]byte("spikes")), Size: 6}, {Path: "empty", SHA256: sha256.Sum256(nil)}})
		if err != nil {
			t.Fatal(err)
		}
		fit := put("fit", "a table", component.New("fit", "1", nil, command(args("f"), nil, "in.csv"), mid))
		plot := put("plot", "a picture", component.New("plot", "1", nil, table, fit, raw))

		up := func(c component.Component, way catalog.Direction, depth int) *catalog.Tree {
			t.Helper()
			l, err := catalog.TreeOf(ctx, store, mustKey(t, store, c), way, depth)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		wantUp, wantDown := `
plot
.table
..=run:fit
...command
...in.csv:spikes.csv
....=out/spikes.csv:detect
.....command
.....raw.dat:raw
.fit^
.raw^`, `
raw
.detect
..=out/spikes.csv:spikes.csv
...fit
....=run:table
.....plot
....plot^
.plot^`
		if name == "costly" { // neither digests of values, nor descriptions of inputs, nor labels, without a request for each
			wantUp, wantDown = `
plot
.table
.fit
..command
..spikes.csv
...=detect
....command
....raw
.raw^`, `
raw
.detect
..=spikes.csv
...fit
....plot
.plot^`
		}
		if got := drawn(t, up(plot, catalog.Up, 0), 0, names); got != wantUp {
			t.Errorf("%s: up from plot:%s\nwant:%s", name, got, wantUp)
		}
		down := drawn(t, up(raw, catalog.Down, 0), 0, names)
		lines := strings.Split(down, "\n")
		if got := strings.Split(wantDown, "\n"); len(lines) != len(got) { // the order of siblings is that of their keys
			t.Errorf("%s: down from raw:%s\nwant:%s", name, down, wantDown)
		}
		for _, link := range []string{"detect", "spikes.csv", "fit", "plot"} {
			if !strings.Contains(down, link) {
				t.Errorf("%s: down from raw:%s\nwant %s too", name, down, link)
			}
		}
		if l := up(plot, catalog.Up, 1); !l.Cut || len(l.Nodes) != 4 {
			t.Errorf("%s: with depth 1: %d nodes, cut %v; want 4 and true", name, len(l.Nodes), l.Cut)
		}
		if l := up(detect, catalog.Up, 1); l.Cut || len(l.Nodes) != 3 {
			t.Errorf("%s: with depth 1, which is all: %d nodes, cut %v; want 3 and false", name, len(l.Nodes), l.Cut)
		}
		if got := drawn(t, up(plot, catalog.Up, 0), 1, names); !strings.Contains(got, "\n.fit…") || strings.Contains(got, "..") {
			t.Errorf("%s: one level drawn:%s", name, got)
		}
		var dot strings.Builder
		if err := up(fit, catalog.Up, 1).WriteDot(&dot, catalog.Up, func(n *catalog.Node) string { return names[n.ID] + "\"\n" }); err != nil {
			t.Fatal(err)
		}
		edge := fmt.Sprintf("%q -> %q", mustKey(t, store, mid), mustKey(t, store, fit))
		if !strings.Contains(dot.String(), edge) || !strings.Contains(dot.String(), `label="fit\"\n"`) {
			t.Errorf("%s: in dot: %s\nwant %s, and quotes escaped", name, dot.String(), edge)
		}
		if _, err := catalog.TreeOf(ctx, store, strings.Repeat("0", 64), catalog.Up, 0); !errors.Is(err, larder.ErrNotFound) {
			t.Errorf("%s: of an unknown key: %v, want ErrNotFound", name, err)
		}
	}
}

// A graph that leads back to itself, as only a hostile store has it, ends; and so does a long chain, which is drawn without
// recursion.
func TestTreeHostile(t *testing.T) {
	ctx := context.Background()
	for name, b := range map[string]backend.Backend{"plain": mem.New(nil), "indexed": &findsSound{indexed{Backend: mem.New(nil)}}} {
		store := larder.New(b, silent)
		defer store.Close()
		id := func(n int) string { return fmt.Sprintf("%064x", n) }
		link := func(n int, to ...int) {
			var in []component.Component
			for _, n := range to {
				in = append(in, component.Ref(id(n)))
			}
			putRaw(t, store, id(n), preimage(t, component.New("lab/loop", "1", params{"n": n}, in...)))
		}
		link(1, 2, 1)
		link(2, 3, 3)
		link(3, 1)
		for _, way := range []catalog.Direction{catalog.Up, catalog.Down} {
			l, err := catalog.TreeOf(ctx, store, id(1), way, 0)
			if err != nil || len(l.Nodes) != 3 {
				t.Fatalf("%s: of a loop: %+v, %v; want three nodes", name, l, err)
			}
			steps := 0
			if err := l.Walk(0, func(catalog.Step) error { steps++; return nil }); err != nil || steps < 4 || steps > 7 {
				t.Errorf("%s: a walk of a loop takes %d steps, %v", name, steps, err)
			}
		}
		putRaw(t, store, id(4), []byte("no description"))
		link(5, 4)
		if l, err := catalog.TreeOf(ctx, store, id(5), catalog.Up, 0); err != nil || len(l.Nodes) != 2 || l.Nodes[id(4)].Known {
			t.Errorf("%s: with a corrupt description: %+v, %v", name, l, err)
		}
		chain := 2100 // beyond what is asked for one by one
		if name == "indexed" {
			chain = 150 // beyond the levels that an index is asked for
		}
		for n := range chain {
			link(1000+n, 1001+n)
		}
		for _, c := range []struct {
			from int
			way  catalog.Direction
		}{{1000, catalog.Up}, {1000 + chain, catalog.Down}} {
			l, err := catalog.TreeOf(ctx, store, id(c.from), c.way, 0)
			if err != nil || len(l.Nodes) != chain+1 {
				t.Fatalf("%s: of a chain: %v, want %d nodes", name, err, chain+1)
			}
			deepest := 0
			if err := l.Walk(0, func(s catalog.Step) error { deepest = max(deepest, s.Level); return nil }); err != nil || deepest != chain {
				t.Errorf("%s: a chain is drawn to level %d, %v; want %d", name, deepest, err, chain)
			}
		}
	}
}

// A shelf of notes that others filled with anything costs links, and no failure.
func TestOutputsHostile(t *testing.T) {
	ctx := context.Background()
	store := larder.New(mem.New(nil), silent)
	defer store.Close()
	putAll(t, store, component.New("fit", "1", nil, contentOf("raw")))
	file := mustKey(t, store, contentOf("raw"))
	for i, name := range []string{"short", "a/b/c", file + "/" + file, strings.Repeat("a", 64) + "/" + file} {
		body := fmt.Sprintf("{%d", i)
		_, err := store.Backend().Put(ctx, backend.Key{Shelf: catalog.ShelfOutputs, Name: name}, strings.NewReader(body), backend.PutOptions{
			Size: int64(len(body)), Digest: sha256.Sum256([]byte(body)), Sum: crcOf(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := catalog.TreeOf(ctx, store, file, catalog.Up, 0)
	if err != nil || len(l.Nodes) != 2 {
		t.Errorf("tree = %+v, %v; want the file, and what the note says made it", l, err)
	}
}

// note notes a file that a component left.
func note(t *testing.T, store *larder.Store, c component.Component) {
	t.Helper()
	if err := catalog.NoteOutputs(context.Background(), store, mustKey(t, store, c), []catalog.Output{{Path: "a", SHA256: [32]byte{1}, Size: 1}}); err != nil {
		t.Fatal(err)
	}
}

// notes returns the names of all notes.
func notes(t *testing.T, store *larder.Store) (names []string) {
	t.Helper()
	for info, err := range store.Backend().List(context.Background(), catalog.ShelfOutputs, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Key.Name)
	}
	return names
}

// The outputs of a stage are noted once, however often, and not without end.
func TestNoteOutputs(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		outputs := []catalog.Output{{Path: "a", SHA256: [32]byte{1}, Size: 1}, {Path: "b", SHA256: [32]byte{1}, Size: 1}, {Path: "empty"}}
		for range 2 {
			if err := catalog.NoteOutputs(ctx, store, strings.Repeat("a", 64), outputs); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got := notes(t, store)
		want := []string{strings.Repeat("a", 64) + "/" + mustKey(t, store, component.Content([32]byte{1}, 1))}
		if !slices.Equal(got, want) {
			t.Errorf("%s: notes are %q, want %q", name, got, want)
		}
	}
}
