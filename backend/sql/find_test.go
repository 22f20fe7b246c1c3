//go:build unix

package sql_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/sql"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/keying"
)

// What parameters are made of: few values, so that random queries find something, and among them all
// that jsonb cannot hold, rounds, or mixes up.
var (
	huge, _ = new(big.Int).SetString("123456789012345678901234567890", 10)
	vast    = new(big.Int).Exp(big.NewInt(10), big.NewInt(2000), nil)

	scalars = []any{
		nil, true, false, 0, 1, -1, 5, 7, 10, int64(math.MaxInt64), uint64(math.MaxUint64), huge, vast,
		0.1, 0.25, -2.5, 5e-324, 1.0000000000000002, 4503599627370497.5, math.NaN(), math.Inf(1), math.Inf(-1),
		"", "a", "b", "ab", "abc", "Z", "é", "日本", "a.b", "5", "null", "a\x00b", "\x00", "$", "%", "'", `"`, "\u2028", strings.Repeat("long", 200),
		[]byte("a"), []byte{0}, []byte{},
		time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 12, 0, 0, 1, time.UTC), time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC),
	}
	names   = []string{"a", "b", "rate", "filter", "a.b", "a.b.c", "0", "1", "$", "é", "'"}
	paths   = []string{"", "a", "b", "rate", "filter", "a.b", "a.b.c", "filter.a", "filter.rate", "filter.0", "0", "b.0", "b.1.a", "a.0.b", "$", "é", "'", "a.b.c.a.b.rate", "none"}
	types   = []string{"fit", "spikes", "type\x00", strings.Repeat("t", 600)}
	version = []string{"1", "2", "", "1\x00"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(10); {
	case n < 2 && depth > 0:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	case n < 5 && depth > 0:
		return randomMap(r, depth-1)
	}
	return pick(r, scalars)
}

func randomMap(r *rand.Rand, depth int) any {
	if r.IntN(12) == 0 { // with keys that are no texts
		return map[any]any{int64(r.IntN(3)): randomValue(r, depth), pick(r, names): randomValue(r, depth)}
	}
	m := map[string]any{}
	for range r.IntN(4) {
		m[pick(r, names)] = randomValue(r, depth)
	}
	return m
}

func randomCondition(r *rand.Rand, keys []string, depth int) component.Condition {
	if n := r.IntN(10); n < 4 && depth > 0 {
		c := component.Condition{Op: []component.Op{component.All, component.Any, component.Not, component.All}[n]}
		for range r.IntN(3) + n%2 {
			c.Of = append(c.Of, randomCondition(r, keys, depth-1))
		}
		return c
	}
	c := component.Condition{Op: pick(r, []component.Op{
		component.Equal, component.Equal, component.Equal, component.NotEqual, component.Less, component.LessEqual,
		component.Greater, component.GreaterEqual, component.Exists, component.HasPrefix, component.In,
	})}
	texts := func(from []string) func() any {
		return func() any {
			if r.IntN(8) == 0 {
				return randomValue(r, 1)
			}
			s := pick(r, from)
			return s[:len(s)-r.IntN(2)*r.IntN(len(s)+1)]
		}
	}
	var value func() any
	switch r.IntN(10) {
	case 0:
		c.Field, value = component.FieldType, texts(types)
	case 1:
		c.Field, value = component.FieldVersion, texts(version)
	case 2:
		c.Field, value = component.FieldKey, texts(keys)
	case 3:
		c.Field, value = component.FieldInput, texts(keys)
	case 4:
		c.Field, value = component.FieldAsOf, func() any { return pick(r, scalars[len(scalars)-3:]) }
	default:
		c.Field, c.Path, value = component.FieldParam, pick(r, paths), func() any { return randomValue(r, 1) }
	}
	if c.Op == component.In {
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = value()
		}
		c.Value = list
	} else {
		c.Value = value()
	}
	return c
}

// fill stores random components in both backends and returns their keys.
func fill(t *testing.T, r *rand.Rand, n int, places ...backend.Backend) []string {
	t.Helper()
	ctx := context.Background()
	var keys []string
	var items []backend.Item
	for len(keys) < n {
		var inputs []component.Component
		for range r.IntN(3) {
			if len(keys) > 0 {
				inputs = append(inputs, component.Ref(pick(r, keys)))
			}
		}
		c := component.New(pick(r, types), pick(r, version), randomMap(r, 3), inputs...)
		if r.IntN(3) == 0 {
			c = component.WithAsOf(c, pick(r, scalars[len(scalars)-3:]).(time.Time))
		}
		key, preimage, err := keying.Hash{}.Preimage(ctx, c)
		if err != nil { // two keys of a map that are one number
			continue
		}
		keys = append(keys, key)
		items = append(items, item(key, preimage))
	}
	// And what describes nothing.
	items = append(items, item("not-a-description", []byte("nonsense")), item(strings.Repeat("f", 64), nil))
	for _, b := range places {
		if _, err := backend.PutBatch(ctx, b, items); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func item(name string, preimage []byte) backend.Item {
	it := backend.Item{Key: backend.Key{Shelf: backend.ShelfComponents, Name: name}, Body: strings.NewReader(string(preimage))}
	it.Size = int64(len(preimage))
	it.Digest, it.Sum = sums.Of(preimage)
	return it
}

func decode(key string, preimage []byte) (component.Description, error) {
	d, err := keying.Decode(preimage)
	d.Key = key
	return d, err
}

// keysOf returns the keys that a query finds.
func keysOf(t *testing.T, b backend.Backend, q component.Query, decode func(string, []byte) (component.Description, error)) []string {
	t.Helper()
	var keys []string
	for d, err := range backend.Find(context.Background(), b, q, decode) {
		if err != nil && d.Key == "" && decode != nil {
			continue // what describes nothing
		}
		if err != nil {
			t.Fatalf("Find(%+v): %v", q, err)
		}
		keys = append(keys, d.Key)
	}
	return keys
}

// Random queries over random components have the same answers here as where every description is read.
func TestFindAsElsewhere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	b, plain := open(t, place(t, pgtest.URL(t))), mem.New(nil)
	keys := fill(t, r, 200, b, plain)
	for _, path := range []string{"rate", "a.b", "filter.0", "'"} {
		if err := b.(*sql.Backend).AddIndex(context.Background(), "params."+path); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	for range 600 {
		c, err := randomCondition(r, keys, 3).Map(func(c component.Condition) (component.Condition, error) {
			var err error
			c.Value, err = keying.Reduce(c.Value)
			return c, err
		})
		if err != nil {
			continue
		}
		q := component.Query{Where: c}
		if r.IntN(4) == 0 {
			q.After = pick(r, keys)
		}
		if r.IntN(4) == 0 {
			q.Limit = 1 + r.IntN(5)
		}
		got, want := keysOf(t, b, q, nil), keysOf(t, plain, q, decode)
		found += len(want)
		if !slices.Equal(got, want) {
			t.Fatalf("Find(%+v) finds %d: %q\nwant %d: %q", q, len(got), got, len(want), want)
		}
	}
	if found == 0 {
		t.Error("no query found anything")
	}
}

// What is found is what was described, to the last digit.
func TestFindIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	b := open(t, place(t, pgtest.URL(t)))
	fill(t, r, 100, b)
	n := 0
	finder, _ := backend.As[backend.Finder](b)
	for d, err := range finder.Find(context.Background(), component.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		preimage := get(t, b, backend.Key{Shelf: backend.ShelfComponents, Name: d.Key})
		want, err := keying.Decode([]byte(preimage))
		if err != nil {
			t.Fatal(err)
		}
		want.Key, want.Stored = d.Key, d.Stored
		if !reflect.DeepEqual(fmt.Sprintf("%#v", d), fmt.Sprintf("%#v", want)) {
			t.Errorf("Find yields %#v, want %#v", d, want)
		}
	}
	if n == 0 {
		t.Error("nothing was found")
	}
}

// Answers that fill many pages, found by an index and by windows, come once each and in order.
func TestFindPages(t *testing.T) {
	b := open(t, place(t, pgtest.URL(t)))
	ctx := context.Background()
	const n = 12_000 // more than one batch, so that they are staged
	var items []backend.Item
	var all, rare []string
	for i := range n {
		params := map[string]any{"n": i, "half": i%2 == 0, "rare": i % 500, "text": fmt.Sprintf("t%05d", i)}
		key, preimage, err := keying.Hash{}.Preimage(ctx, component.New("page", "1", params))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item(key, preimage))
		if i%2 == 0 {
			all = append(all, key)
		}
		if i%500 == 3 {
			rare = append(rare, key)
		}
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	slices.Sort(rare)
	for name, tc := range map[string]struct {
		where component.Condition
		want  []string
	}{
		"dense by index":     {component.WhereParam("half", component.Equal, true), all},
		"rare by index":      {component.WhereParam("rare", component.Equal, int64(3)), rare},
		"by windows":         {component.WhereParam("rare", component.Less, int64(4)), nil},
		"by windows of type": {component.And(component.Where(component.FieldType, component.Equal, "page"), component.WhereParam("half", component.NotEqual, false)), all},
		"nothing, scanned":   {component.WhereParam("none", component.Exists, nil), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := keysOf(t, b, component.Query{Where: tc.where}, nil)
			if tc.want == nil {
				if len(got) != 4*n/500 || !slices.IsSorted(got) {
					t.Errorf("found %d, sorted %v; want %d in order", len(got), slices.IsSorted(got), 4*n/500)
				}
				return
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %d, want %d", len(got), len(tc.want))
			}
		})
	}
}

// Descriptions so large that a first look does not take them all in come once each and in order, also behind a key.
func TestFindLarge(t *testing.T) {
	b := open(t, place(t, pgtest.URL(t)))
	ctx := context.Background()
	var keys []string
	for i := range 5 {
		c := component.New("large", "1", map[string]any{"n": i, "kind": "a", "text": strings.Repeat("x", 3<<20)})
		key, preimage, err := keying.Hash{}.Preimage(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backend.PutBatch(ctx, b, []backend.Item{item(key, preimage)}); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for name, where := range map[string]component.Condition{
		"parameter": component.WhereParam("kind", component.Equal, "a"),
		"type":      component.Where(component.FieldType, component.Equal, "large"),
		"scanned":   component.WhereParam("n", component.GreaterEqual, int64(0)),
	} {
		for after := range 3 {
			q := component.Query{Where: where}
			if after > 0 {
				q.After = keys[after-1]
			}
			if got := keysOf(t, b, q, nil); !slices.Equal(got, keys[after:]) {
				t.Errorf("%s behind key %d: found %d, want %d", name, after, len(got), len(keys)-after)
			}
		}
	}
}

// A query of more values than the protocol can count has an answer all the same.
func TestFindManyComparisons(t *testing.T) {
	b := open(t, place(t, pgtest.URL(t)))
	key, preimage, err := keying.Hash{}.Preimage(context.Background(), component.New("fit", "1", map[string]any{"seed": 7}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backend.PutBatch(context.Background(), b, []backend.Item{item(key, preimage)}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{9_000, 70_000} {
		any := component.Condition{Op: component.Any}
		for i := range n {
			any.Of = append(any.Of, component.Condition{Op: component.Equal, Field: component.FieldParam, Path: "seed", Value: int64(i)})
		}
		if got := keysOf(t, b, component.Query{Where: any}, nil); !slices.Equal(got, []string{key}) {
			t.Errorf("Find by %d comparisons finds %q, want %q", n, got, key)
		}
		none := component.Condition{Op: component.Not, Of: []component.Condition{any}}
		if got := keysOf(t, b, component.Query{Where: none}, nil); len(got) != 0 {
			t.Errorf("Find of what fulfils none of %d comparisons finds %q", n, got)
		}
	}
}
