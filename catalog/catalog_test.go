package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

var silent = &larder.Options{Logger: slog.New(slog.DiscardHandler)}

// indexed is a backend with a Finder, which counts how often it is asked.
type indexed struct {
	backend.Backend
	asked int
}

func (b *indexed) Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error] {
	b.asked++
	return backend.Find(ctx, b.Backend, q, func(key string, preimage []byte) (component.Description, error) {
		return keying.Decode(preimage)
	})
}

func (b *indexed) Limits() backend.Limits { return backend.LimitsOf(b.Backend) }

// stores are the kinds of store that must answer alike.
func stores(t *testing.T) map[string]*larder.Store {
	t.Helper()
	shelf, err := shelve.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := file.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*larder.Store{
		"mem":     larder.New(mem.New(nil), silent),
		"indexed": larder.New(&indexed{Backend: mem.New(nil)}, silent),
		"shelve":  larder.New(shelf, silent),
		"file":    larder.New(files, silent),
	}
	for _, s := range all {
		t.Cleanup(func() { s.Close() })
	}
	return all
}

// fill stores a small pipeline: a recording, spikes for two thresholds, and a fit of each.
func fill(t *testing.T, s *larder.Store) (ids map[string]string) {
	t.Helper()
	ctx := context.Background()
	ids = map[string]string{}
	put := func(name string, c larder.Component, attributes ...string) {
		t.Helper()
		for _, a := range attributes {
			if _, err := s.Put(ctx, c, a, strings.Repeat("x", len(name))); err != nil {
				t.Fatal(err)
			}
		}
		id, err := s.Key(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	rec := component.New("lab/recording", "1", map[string]any{"rate": 20e3})
	put("rec", rec, "trace")
	for _, threshold := range []float64{2, 3.5} {
		spikes := component.New("lab/spikes", "2", map[string]any{"threshold": threshold, "filter": map[string]any{"order": 4}}, rec)
		put(fmt.Sprint("spikes", threshold), spikes, "times", "waveforms")
		put(fmt.Sprint("fit", threshold), component.New("lab/fit", "3", map[string]any{"tau": threshold / 100}, spikes), "model")
	}
	b := s.Backend()
	key := backend.Key{Shelf: backend.ShelfCache, Name: strings.Repeat("e", 64) + "/stray"}
	if _, err := b.Put(ctx, key, strings.NewReader(""), backend.PutOptions{Digest: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// found returns what Find yields, as names of components and attributes, sorted.
func found(t *testing.T, s *larder.Store, ids map[string]string, q component.Query) []string {
	t.Helper()
	var got, order []string
	for e, err := range catalog.Find(context.Background(), s, q) {
		if err != nil {
			t.Fatalf("Find(%+v): %v", q, err)
		}
		order = append(order, e.ID)
		name := "stray"
		for n, id := range ids {
			if id == e.ID {
				name = n
			}
		}
		if e.Known != (name != "stray") || e.Known && e.Description.Type == "" {
			t.Errorf("entry %+v: known %v", e, e.Known)
		}
		got = append(got, name+"/"+e.Attribute)
	}
	if !slices.IsSorted(order) {
		t.Errorf("Find(%+v) yields %q, want them in order", q, order)
	}
	slices.Sort(got)
	return got
}

func TestFind(t *testing.T) {
	for name, s := range stores(t) {
		ids := fill(t, s)
		typ := func(typ string) component.Condition {
			return component.Where(component.FieldType, component.Equal, typ)
		}
		for _, c := range []struct {
			where component.Condition
			want  string
		}{
			{component.Condition{}, "fit2/model fit3.5/model rec/trace spikes2/times spikes2/waveforms spikes3.5/times spikes3.5/waveforms stray/stray"},
			{typ("lab/fit"), "fit2/model fit3.5/model"},
			{component.And(typ("lab/spikes"), component.WhereParam("threshold", component.Equal, uint8(2))), "spikes2/times spikes2/waveforms"},
			{component.WhereParam("threshold", component.Greater, 2), "spikes3.5/times spikes3.5/waveforms"},
			{component.WhereParam("threshold", component.In, []float64{3.5, 4}), "spikes3.5/times spikes3.5/waveforms"},
			{component.WhereParam("filter.order", component.Equal, 4.0), "spikes2/times spikes2/waveforms spikes3.5/times spikes3.5/waveforms"},
			{component.Where(component.FieldAttribute, component.HasPrefix, "wave"), "spikes2/waveforms spikes3.5/waveforms"},
			{component.Where(component.FieldSize, component.Greater, 5), "fit3.5/model spikes2/times spikes2/waveforms spikes3.5/times spikes3.5/waveforms"},
			{component.And(typ("lab/fit"), component.Where(component.FieldSize, component.Less, 5)), "fit2/model"},
			{component.Condition{Op: component.Not, Of: []component.Condition{typ("lab/spikes")}}, "fit2/model fit3.5/model rec/trace stray/stray"},
			{component.Condition{Op: component.Any, Of: []component.Condition{typ("lab/fit"), component.Where(component.FieldAttribute, component.Equal, "stray")}}, "fit2/model fit3.5/model stray/stray"},
			{component.Where(component.FieldInput, component.Equal, ids["rec"]), "spikes2/times spikes2/waveforms spikes3.5/times spikes3.5/waveforms"},
			{component.Where(component.FieldFrom, component.Equal, ids["rec"]), "fit2/model fit3.5/model spikes2/times spikes2/waveforms spikes3.5/times spikes3.5/waveforms"},
			{component.And(typ("lab/fit"), component.Where(component.FieldFrom, component.Equal, ids["spikes2"])), "fit2/model"},
			{component.Where(component.FieldFrom, component.Equal, ids["fit2"]), ""},
			{component.Where(component.FieldKey, component.HasPrefix, ids["rec"][:20]), "rec/trace"},
			{component.Where(component.FieldStored, component.Less, time.Now().Add(-time.Hour)), ""},
			{component.Where(component.FieldCost, component.Exists, nil), ""},
		} {
			if got := strings.Join(found(t, s, ids, component.Query{Where: c.where}), " "); got != c.want {
				t.Errorf("%s: Find(%+v) = %q, want %q", name, c.where, got, c.want)
			}
		}
		if got := found(t, s, ids, component.Query{Limit: 3}); len(got) != 3 {
			t.Errorf("%s: a limit of 3 yields %q", name, got)
		}
		sorted := slices.Sorted(func(yield func(string) bool) {
			for _, id := range ids {
				if !yield(id) {
					return
				}
			}
		})
		for e, err := range catalog.Find(context.Background(), s, component.Query{After: sorted[2]}) {
			if err != nil || e.ID <= sorted[2] {
				t.Errorf("%s: after %s comes %s, %v", name, sorted[2], e.ID, err)
			}
		}
		bad := component.WhereParam("x", component.Equal, func() {})
		for _, err := range catalog.Find(context.Background(), s, component.Query{Where: bad}) {
			if err == nil {
				t.Errorf("%s: a function is compared with", name)
			}
		}
	}
}

// An index is asked where it can answer, and only there.
// A description that is lost makes its own component unknown, and no other.
func TestLostDescription(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			var ids []string
			for i := range 5 {
				c := component.New("lab/lost", "1", map[string]any{"n": i})
				if _, err := store.Put(ctx, c, "v", i); err != nil {
					t.Fatal(err)
				}
				id, err := store.Key(ctx, c)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			slices.Sort(ids)
			for n, id := range ids[:2] {
				if err := store.Backend().Delete(ctx, backend.Key{Shelf: backend.ShelfComponents, Name: id}); err != nil {
					t.Fatal(err)
				}
				known := 0
				for e, err := range catalog.Find(ctx, store, component.Query{Where: component.Where(component.FieldType, component.Equal, "lab/lost")}) {
					if err != nil {
						t.Fatal(err)
					}
					if e.Known && slices.Contains(ids[n+1:], e.ID) {
						known++
					}
				}
				if want := len(ids) - n - 1; known != want {
					t.Errorf("without %d descriptions %d values are found, want %d", n+1, known, want)
				}
			}
		})
	}
}

func TestPlan(t *testing.T) {
	b := &indexed{Backend: mem.New(nil)}
	s := larder.New(b, silent)
	fill(t, s)
	fit := component.Where(component.FieldType, component.Equal, "lab/fit")
	for _, c := range []struct {
		where component.Condition
		want  catalog.Plan
	}{
		{fit, catalog.Plan{Indexed: true, Passes: 1}},
		{component.Condition{}, catalog.Plan{Passes: 1}},
		{component.Condition{Op: component.Not, Of: []component.Condition{fit}}, catalog.Plan{Passes: 1}},
		{component.Where(component.FieldKey, component.HasPrefix, "ab"), catalog.Plan{Prefix: "ab", Passes: 1}},
		{component.And(component.Where(component.FieldFrom, component.Equal, "x"), component.Where(component.FieldCost, component.Greater, 1)), catalog.Plan{Indexed: true, Passes: 2}},
		{component.Condition{Op: component.Not, Of: []component.Condition{component.Where(component.FieldFrom, component.Equal, "x")}}, catalog.Plan{Passes: 2}},
	} {
		if got := catalog.PlanOf(s, component.Query{Where: c.where}); got != c.want {
			t.Errorf("PlanOf(%+v) = %+v, want %+v", c.where, got, c.want)
		}
		b.asked = 0
		for _, err := range catalog.Find(context.Background(), s, component.Query{Where: c.where}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if (b.asked > 0) != c.want.Indexed {
			t.Errorf("Find(%+v) asked the index %d times, planned: %v", c.where, b.asked, c.want.Indexed)
		}
	}
}

// counting counts lists.
type counting struct {
	indexed
	lists int
}

func (b *counting) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	b.lists++
	return b.indexed.List(ctx, shelf, opts)
}

// The values of what an index finds are the same as those that a scan finds, and take few lists, also where many components are found.
func TestIndexedValues(t *testing.T) {
	ctx := context.Background()
	for _, keys := range []larder.KeyGenerator{keying.Hash{}, keying.Readable{}} {
		plain := mem.New(nil)
		b := &counting{indexed: indexed{Backend: plain}}
		scan, s := larder.New(plain, &larder.Options{Keys: keys}), larder.New(b, &larder.Options{Keys: keys})
		for i := range 6000 {
			c := component.New("lab/v"+strings.Repeat("-x", i%3), "1", map[string]any{"i": i, "few": i%1000 == 0})
			attributes := 1 + i%3
			if i == 4567 {
				attributes = 1500
			}
			for n := range attributes {
				info, err := scan.Put(ctx, c, fmt.Sprint("a", n), i)
				if err == nil && i%40 == 0 { // a description may be alone
					err = plain.Delete(ctx, info.Key)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range []struct {
			where component.Condition
			lists int
		}{
			{component.Where(component.FieldVersion, component.Equal, "1"), 100},
			{component.Where(component.FieldType, component.Equal, "lab/v-x"), 100},
			{component.WhereParam("i", component.Less, 3000), 600}, // a window may meet few of them
			{component.WhereParam("few", component.Equal, true), 10},
			{component.WhereParam("i", component.Equal, 4567), 10},
			{component.WhereParam("i", component.Equal, -1), 10},
		} {
			names := func(s *larder.Store) (names []string) {
				for e, err := range catalog.Find(ctx, s, component.Query{Where: c.where}) {
					if err != nil {
						t.Fatal(err)
					}
					names = append(names, e.Info.Key.Name)
				}
				slices.Sort(names)
				return names
			}
			want := names(scan)
			b.lists = 0
			if got := names(s); !slices.Equal(got, want) {
				t.Errorf("%T, %+v: the index finds %d values, a scan %d", keys, c.where, len(got), len(want))
			}
			if b.lists > c.lists {
				t.Errorf("%T, %+v: %d values take %d lists, want %d at most", keys, c.where, len(want), b.lists, c.lists)
			}
		}
	}
}

// Only where lists leave costs out is there a request for each.
func TestPlanOfCosts(t *testing.T) {
	q := component.Query{Where: component.Where(component.FieldCost, component.Greater, 1)}
	for _, c := range []struct {
		backend larder.Backend
		stats   bool
	}{{mem.New(nil), false}, {costly{mem.New(nil)}, true}} {
		if got := catalog.PlanOf(larder.New(c.backend, silent), q).Stats; got != c.stats {
			t.Errorf("PlanOf on %T says a request for each value: %v, want %v", c.backend, got, c.stats)
		}
	}
}

func TestCost(t *testing.T) {
	for name, s := range stores(t) {
		c := component.New("lab/slow", "1", nil)
		_, err := larder.Memo(context.Background(), s, c, "x", func(context.Context) (int, error) {
			time.Sleep(5 * time.Millisecond)
			return 1, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for e, err := range catalog.Find(context.Background(), s, component.Query{Where: component.Where(component.FieldCost, component.GreaterEqual, 0.005)}) {
			if n++; err != nil || e.Value().Cost < 5*time.Millisecond {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d values cost 5 ms or more, want 1", name, n)
		}
	}
}

func TestNewest(t *testing.T) {
	s := larder.New(mem.New(nil), silent)
	ctx := context.Background()
	for i := range 500 {
		if _, err := s.Put(ctx, component.New("lab/n", "1", i), "x", i); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, 1, 7, 499, 500, 501} {
		got, err := catalog.Newest(ctx, s, component.Query{}, n)
		want := n
		if n == 0 || n > 500 {
			want = 500
		}
		if err != nil || len(got) != want || !slices.IsSortedFunc(got, func(a, b catalog.Entry) int { return a.Info.ModTime.Compare(b.Info.ModTime) }) {
			t.Errorf("Newest(%d) = %d entries, %v; want %d in the order of time", n, len(got), err, want)
		}
		if last := got[len(got)-1].Description.Parameters; n != 0 && last != int64(499) {
			t.Errorf("Newest(%d) ends with %v, want the last one", n, last)
		}
	}
}

func TestResolve(t *testing.T) {
	for name, s := range stores(t) {
		ids := fill(t, s)
		ctx := context.Background()
		for text, want := range map[string]string{
			ids["rec"]:              ids["rec"],
			ids["rec"][:9]:          ids["rec"],
			"lab/recording":         ids["rec"],
			"recording":             ids["rec"],
			strings.Repeat("0", 64): strings.Repeat("0", 64),
			strings.Repeat("e", 30): strings.Repeat("e", 64),
		} {
			if got, err := catalog.Resolve(ctx, s, text); err != nil || got != want {
				t.Errorf("%s: Resolve(%q) = %q, %v; want %q", name, text, got, err, want)
			}
		}
		for _, text := range []string{"fit", "lab/spikes"} {
			_, err := catalog.Resolve(ctx, s, text)
			var a *catalog.Ambiguity
			if !errors.Is(err, catalog.ErrAmbiguous) || !errors.As(err, &a) || len(a.Candidates) != 2 || a.More {
				t.Errorf("%s: Resolve(%q) = %v, want an ambiguity of two", name, text, err)
			}
		}
		if _, err := catalog.Resolve(ctx, s, ""); err == nil {
			t.Errorf("%s: Resolve of nothing is not an error", name)
		}
		for _, text := range []string{"none", "ab", "recordin", "NO KEY", "..", "/", strings.Repeat("f", 63)} {
			if _, err := catalog.Resolve(ctx, s, text); !errors.Is(err, larder.ErrNotFound) && !errors.Is(err, catalog.ErrAmbiguous) {
				t.Errorf("%s: Resolve(%q) = %v, want it not found", name, text, err)
			}
		}
		for text, want := range map[string][2]string{
			ids["rec"][:9] + "/trace": {ids["rec"], "trace"},
			ids["rec"][:9] + "/a/b":   {ids["rec"], "a/b"},
			ids["rec"]:                {ids["rec"], ""},
			"lab/recording/trace":     {ids["rec"], "trace"},
			"lab/recording":           {ids["rec"], ""},
			"recording/trace":         {ids["rec"], "trace"},
		} {
			if id, attribute, err := catalog.ResolveValue(ctx, s, text); err != nil || id != want[0] || attribute != want[1] {
				t.Errorf("%s: ResolveValue(%q) = %q, %q, %v; want %q", name, text, id, attribute, err, want)
			}
		}
		if _, _, err := catalog.ResolveValue(ctx, s, "fit/model"); !errors.Is(err, catalog.ErrAmbiguous) {
			t.Errorf("%s: ResolveValue of an ambiguous type = %v", name, err)
		}
	}
}

func TestDelete(t *testing.T) {
	for name, s := range stores(t) {
		ids := fill(t, s)
		ctx := context.Background()
		if _, err := catalog.Delete(ctx, s, component.Query{}); err == nil {
			t.Errorf("%s: everything was deleted by the zero query", name)
		}
		version2 := component.Query{Where: component.Where(component.FieldVersion, component.Equal, "2")}
		done, err := catalog.Delete(ctx, s, version2)
		if err != nil || done.Values != 4 || done.Bytes != 2*int64(len("spikes2")+len("spikes3.5")) {
			t.Errorf("%s: Delete = %+v, %v", name, done, err)
		}
		if got := strings.Join(found(t, s, ids, component.Query{}), " "); got != "fit2/model fit3.5/model rec/trace stray/stray" {
			t.Errorf("%s: after the deletion there are %s", name, got)
		}
		if _, known, err := catalog.Describe(ctx, s, ids["spikes2"]); err != nil || !known {
			t.Errorf("%s: the description is gone, %v", name, err)
		}
	}
}

func TestInputs(t *testing.T) {
	s := larder.New(mem.New(nil), silent)
	ctx := context.Background()
	line := map[string]any{"args": []string{"sh", "x.sh"}, "inputs": []string{"x.sh", "data"}, "outputs": []string{}, "stdin": true}
	command := component.New(component.CommandType, "1", line)
	stage := component.New("sh", "1", nil, command, component.Content([32]byte{1}, 5), component.New("larder.Dir", "1", nil), component.Content([32]byte{2}, 9), component.New("more", "1", nil))
	if _, err := s.Put(ctx, stage, "run", "x"); err != nil {
		t.Fatal(err)
	}
	id, err := s.Key(ctx, stage)
	if err != nil {
		t.Fatal(err)
	}
	d, known, err := catalog.Describe(ctx, s, id)
	if err != nil || !known {
		t.Fatalf("Describe = %v, %v", known, err)
	}
	inputs, err := catalog.Inputs(ctx, s, d)
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, in := range inputs {
		if !in.Known || in.Key != in.Description.Key {
			t.Errorf("input %+v is not known", in)
		}
		labels = append(labels, in.Label)
	}
	if want := []string{"", "x.sh", "data", "standard input", ""}; !slices.Equal(labels, want) {
		t.Errorf("labels %q, want %q", labels, want)
	}
	if args := catalog.CommandLine(inputs[0].Description); !slices.Equal(args, []string{"sh", "x.sh"}) {
		t.Errorf("CommandLine = %q", args)
	}
	if args := catalog.CommandLine(inputs[1].Description); args != nil {
		t.Errorf("CommandLine of a file = %q", args)
	}
}

// A component that was written as JSON has the same key when it is read; what JSON cannot hold is refused
// with its path.
func TestJSON(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "v3", map[string]any{"tau": 0.02, "n": 5, "big": uint64(1) << 63, "list": []any{nil, true, "x", map[string]any{"y": 1e300}}},
		component.New("lab/recording", "1", nil))
	key, preimage, err := keying.Hash{}.Preimage(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := keying.Decode(preimage)
	if err != nil {
		t.Fatal(err)
	}
	text, err := catalog.FormatComponent(d)
	if err != nil {
		t.Fatal(err)
	}
	again, err := catalog.ParseComponent(text)
	if err != nil {
		t.Fatalf("ParseComponent(%s): %v", text, err)
	}
	if got, err := (keying.Hash{}).Key(ctx, again); err != nil || got != key {
		t.Errorf("%s has the key %s, %v; want %s", text, got, err, key)
	}
	for want, params := range map[string]any{
		"parameters.x[1]":                  map[any]any{"x": []any{int64(1), []byte("b")}},
		"parameters.t":                     map[any]any{"t": time.Unix(0, 0)},
		"parameters: a name of type int64": map[any]any{int64(1): "x"},
	} {
		if text, err := catalog.FormatComponent(component.Description{Type: "x", Parameters: params}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("FormatComponent of %v = %s, %v; want an error with %q", params, text, err, want)
		}
	}
	for _, bad := range []string{"", "{}", "[]", `{"type":"a"} x`, `{"type":"a","type":"b"}`, `{"type":"a","parameter":1}`, `{"type":"a","inputs":["b"]}`,
		`{"type":"a","inputs":[{}]}`, `{"type":"a","inputs":[{"key":"k","file":"f"}]}`, `{"type":"a","parameters":1e999}`} {
		if c, err := catalog.ParseComponent([]byte(bad)); err == nil {
			t.Errorf("ParseComponent(%s) = %v, want an error", bad, c)
		}
	}
}

// failing is a store that fails at the n-th step of a scan.
type failing struct{ backend.Backend }

func (b failing) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		yield(backend.Info{}, io.ErrUnexpectedEOF)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	s := larder.New(failing{mem.New(nil)}, silent)
	ctx := context.Background()
	if _, err := catalog.Newest(ctx, s, component.Query{}, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Newest = %v, want the error of the store", err)
	}
	if _, err := catalog.Resolve(ctx, s, "ab"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Resolve = %v, want the error of the store", err)
	}
	if _, err := catalog.Delete(ctx, s, component.Query{Where: component.Where(component.FieldType, component.Equal, "a")}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Delete = %v, want the error of the store", err)
	}
}
