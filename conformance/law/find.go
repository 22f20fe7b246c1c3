package law

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// What a Finder of a backend's own finds. These laws store on the shelf of components, so
// that they want a place of their own.
var findLaws = []Law{
	{
		Name: "find/queries", Needs: []Need{Finds, FreshPlace}, Fn: findQueries,
		Rule: "Find yields the descriptions that match all conditions of a Query, in byte order of Key, each as it was stored.",
	},
	{
		Name: "find/any", Needs: []Need{Finds, FreshPlace}, Fn: findAny,
		Rule: "Whatever is asked, of texts, numbers, bytes, times, lists and maps at the ends of their kinds, joined in any way, Find yields what fulfils it, while descriptions come and go.",
	},
	{
		Name: "find/limit", Needs: []Need{Finds, FreshPlace}, Fn: findLimit,
		Rule: "Find yields at most Limit descriptions, the first ones.",
	},
	{
		Name: "find/many", Tier: Full, Needs: []Need{Finds, FreshPlace}, Fn: findMany,
		Rule: "Among many descriptions, of which one condition holds for all and one for few, After and Limit choose what they say.",
	},
	{
		Name: "find/cancel", Needs: []Need{Finds, FreshPlace}, Fn: findCancel,
		Rule: "A Find whose ctx ends meanwhile yields every answer, or an error that says so: it never stops as if there were no more.",
	},
	{
		Name: "find/repeat", Needs: []Need{Finds, FreshPlace}, Fn: findTwice,
		Rule: "What Find returns may be ranged over again, and each time begins anew.",
	},
	{
		Name: "find/since", Needs: []Need{Finds, FreshPlace}, Fn: findSince,
		Rule: "Stored is when the description was stored, and a condition on it takes those stored at that time or later.",
	},
	{
		Name: "find/stored-again", Tier: Full, Needs: []Need{Finds, FreshPlace}, Fn: findStoredAgain,
		Rule: "Stored moves when a description is stored again.",
	},
	{
		Name: "find/changes", Needs: []Need{Finds, FreshPlace}, Fn: findChanges,
		Rule: "Find knows what was put, overwritten and deleted, however it was and by whichever handle, and what lies on other shelves is nothing to it.",
	},
	{
		Name: "find/callback", Needs: []Need{Finds, FreshPlace}, Fn: findCallback,
		Rule: "The loop body over Find may call any method of the same backend, and may leave early.",
	},
}

// ask makes a query of the conditions most asked for; zero values are none.
func ask(typ, version string, params map[string]any) component.Query {
	var all []component.Condition
	if typ != "" {
		all = append(all, component.Where(component.FieldType, component.Equal, typ))
	}
	if version != "" {
		all = append(all, component.Where(component.FieldVersion, component.Equal, version))
	}
	for _, path := range slices.Sorted(maps.Keys(params)) {
		all = append(all, component.WhereParam(path, component.Equal, params[path]))
	}
	return component.Query{Where: component.And(all...)}
}

// stored asks for what was stored at a time or later.
func stored(since time.Time) component.Condition {
	return component.Where(component.FieldStored, component.GreaterEqual, since)
}

func queries() []component.Query {
	all := []component.Query{
		ask("", "", nil),
		ask("spikes", "", nil),
		ask("spikes", "1", nil),
		ask("spike", "", nil),
		ask("", "1", nil),
		ask("", "3", nil),
		ask("", "", map[string]any{"order": int64(3)}),
		ask("", "", map[string]any{"order": int64(3), "window": 0.25}),
		ask("", "", map[string]any{"order": int64(3), "window": 0.5}),
		ask("", "", map[string]any{"filter.kind": "bessel"}),
		ask("", "", map[string]any{"filter.on": true}),
		ask("spikes", "", map[string]any{"filter.order": int64(2)}),
		ask("", "", map[string]any{"filter": map[any]any{"kind": "bessel", "on": false, "order": int64(2)}}),
		ask("", "", map[string]any{"threshold": -20.5}),
		ask("", "", map[string]any{"name": "lab a"}),
		ask("", "", map[string]any{"name": "lab"}),
		ask("", "", map[string]any{"file.name": "a.abf"}),
		ask("", "", map[string]any{"none": nil}),
		ask("Spikes", "", nil), // case counts
		ask("", "", map[string]any{"name": "LAB A"}),
		ask("", "", map[string]any{"order": "3"}), // and so do kinds
		ask("", "", map[string]any{"window": "0.25"}),
		ask("", "", map[string]any{"filter.on": "true"}),
		ask("", "", map[string]any{"none": "null"}),
		ask("", "", map[string]any{"filter.on": int64(1)}),
		{Where: component.And(component.Where(component.FieldType, component.Equal, "recording"), stored(time.Unix(0, 0)))},
		{After: "26"},
		{After: "26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf"},
		{After: "f"},
		{Where: component.Where(component.FieldKey, component.HasPrefix, "2"), After: "26"},
	}
	param := component.WhereParam
	for _, c := range []component.Condition{
		param("order", component.NotEqual, int64(2)),
		param("order", component.NotEqual, "3"), // of another kind
		{Op: component.Not, Of: []component.Condition{param("order", component.Equal, int64(3))}},
		param("filter.order", component.Less, int64(4)),
		param("filter.order", component.LessEqual, int64(4)),
		param("filter.order", component.Greater, 2.5),
		param("filter.order", component.GreaterEqual, int64(2)),
		param("threshold", component.Less, int64(0)),
		param("threshold", component.Less, "a"),
		param("filter.on", component.Exists, nil),
		param("filter", component.Exists, nil),
		param("none", component.Exists, nil),
		param("a.b", component.Equal, int64(1)), // names that hold dots
		param("c.d.e", component.Equal, "x"),
		param("a", component.Exists, nil),
		param("raw", component.Equal, []byte("abc")),
		param("raw", component.Equal, "abc"), // bytes are no text
		param("raw", component.HasPrefix, "a"),
		param("raw", component.In, []any{"abc"}),
		param("name", component.Less, "LAB B"), // by bytes, whatever people think
		param("name", component.Greater, "LAB B"),
		param("name", component.HasPrefix, "lab"),
		param("name", component.HasPrefix, "LAB"),
		param("name", component.HasPrefix, "lab_"), // no wildcards
		param("name", component.HasPrefix, "%a"),
		param("name", component.HasPrefix, "la*"),
		component.Where(component.FieldType, component.HasPrefix, "sp_kes"),
		component.Where(component.FieldType, component.HasPrefix, "%"),
		component.Where(component.FieldType, component.HasPrefix, "s[op]"),
		component.Where(component.FieldType, component.HasPrefix, "S"),
		component.Where(component.FieldKey, component.HasPrefix, "_6"),
		param("file", component.HasPrefix, "a."),
		param("order", component.HasPrefix, "3"),
		param("filter.order", component.In, []any{int64(1), int64(4), "2"}),
		param("filter.order", component.In, []any{}),
		param("big", component.Equal, int64(1<<53)), // as a float64 the same
		param("big", component.Equal, int64(1<<53+1)),
		param("big", component.Greater, int64(1<<53)),
		param("big", component.LessEqual, int64(1<<53)),
		param("big", component.In, []any{int64(1 << 53), int64(1<<53 + 2)}),
		param("big", component.Equal, int64(1<<53+2)),
		param("huge", component.Equal, uint64(1<<63+5)), // beyond int64
		param("huge", component.Equal, uint64(1<<63+6)),
		param("huge", component.Equal, int64(math.MaxInt64)),
		param("huge", component.Greater, int64(math.MaxInt64)),
		param("huge", component.Greater, uint64(1<<63+5)),
		param("huge", component.LessEqual, uint64(1<<63+5)),
		param("huge", component.In, []any{uint64(1<<63 + 4), uint64(1<<63 + 6)}),
		param("digits", component.Equal, int64(5)), // a text, whatever it looks like
		param("digits", component.Equal, 5.0),
		param("digits", component.Equal, "5"),
		param("digits", component.In, []any{int64(5)}),
		param("digits", component.Greater, int64(4)),
		param("ten", component.Less, "9"),
		param("ten", component.Greater, "9"),
		param("ten", component.Greater, int64(9)),
		param("word", component.Equal, []byte("abc")),
		param("word", component.In, []any{[]byte("abc")}),
		param("none", component.In, []any{nil}),
		param("few", component.Equal, []any{}),
		param("few", component.Exists, nil),
		param("few.0", component.Exists, nil),
		param("text", component.Equal, ""),
		param("text", component.HasPrefix, ""),
		param("0", component.Equal, int64(1)),
		param("1", component.HasPrefix, ""),
		param("", component.Equal, []any{int64(1), "x"}),
		component.Where(component.FieldType, component.In, []any{"spikes", "state"}),
		component.Where(component.FieldType, component.HasPrefix, "s"),
		component.Where(component.FieldVersion, component.Greater, "1"),
		component.Where(component.FieldKey, component.HasPrefix, "2"),
		component.Where(component.FieldKey, component.In, []any{"none", components()[0].says.Key}),
		component.Where(component.FieldInput, component.Equal, components()[3].says.Key),
		component.Where(component.FieldInput, component.HasPrefix, "2"),
		component.Where(component.FieldAsOf, component.Exists, nil),
		component.Where(component.FieldAsOf, component.Less, time.Date(2026, 11, 1, 12, 0, 0, 1, time.UTC)),
		component.Where(component.FieldAsOf, component.Equal, time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)),
		component.Where(component.FieldAsOf, component.Greater, time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)),
		component.Where(component.FieldAsOf, component.LessEqual, time.Date(2026, 11, 1, 12, 0, 0, 500_000_000, time.UTC)),
		component.Where(component.FieldAsOf, component.Less, time.Date(2026, 11, 1, 12, 0, 0, 500_000_000, time.UTC)),
		{Op: component.Any, Of: []component.Condition{param("order", component.Equal, int64(3)), component.Where(component.FieldType, component.Equal, "state")}},
		{Op: component.Any},
		{Op: component.Not},
		{Op: component.Not, Of: []component.Condition{component.Where(component.FieldType, component.Equal, "spikes"), param("order", component.Exists, nil)}},
	} {
		all = append(all, component.Query{Where: c})
	}
	return all
}

// finds wants Find to yield exactly the descriptions that match.
func (p *probe) finds(q component.Query, there []component.Description) {
	if p.err != nil {
		return
	}
	finder, _ := backend.As[backend.Finder](p.b)
	got, err := collect(finder.Find(p.ctx, q))
	if err != nil {
		p.failf("Find(%+v): %w", q, err)
		return
	}
	var keys, want []string
	for _, d := range there {
		if d.Stored = time.Now(); d.Key > q.After && q.Match(d, nil) && (q.Limit == 0 || len(want) < q.Limit) {
			want = append(want, d.Key)
		}
	}
	for _, d := range got {
		keys = append(keys, d.Key)
	}
	if !slices.Equal(keys, want) {
		p.failf("Find(%+v) yields the keys %q, want %q", q, keys, want)
		return
	}
	for _, d := range got {
		i := slices.IndexFunc(there, func(w component.Description) bool { return w.Key == d.Key })
		want := there[i]
		at := d.Stored
		d.Stored, want.Stored = time.Time{}, time.Time{}
		d.AsOf = d.AsOf.UTC()
		if len(d.Inputs) == 0 {
			d.Inputs = nil
		}
		if !reflect.DeepEqual(d, want) {
			p.failf("Find(%+v) yields %+v, want %+v", q, d, want)
		}
		if at.IsZero() {
			p.failf("Find(%+v) yields %q without the time when it was stored", q, d.Key)
		}
	}
}

func findQueries(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.finds(component.Query{}, nil)
	p.describe(e)
	for _, q := range queries() {
		p.finds(q, allComponents())
	}
	return p.err
}

func findLimit(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	for limit := range len(components()) + 2 {
		p.finds(component.Query{Limit: limit}, allComponents())
		p.finds(component.Query{Where: ask("spikes", "", nil).Where, Limit: limit}, allComponents())
		for _, after := range components() {
			p.finds(component.Query{After: after.says.Key, Limit: limit}, allComponents())
		}
	}
	return p.err
}

func findSince(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	key := backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: components()[0].says.Key}
	at := p.stat(key).ModTime
	p.finds(component.Query{Where: component.And(ask("spikes", "", nil).Where, stored(at.Add(-2*time.Second)))}, allComponents())
	p.finds(component.Query{Where: stored(at.Add(time.Hour))}, nil)
	if p.err != nil {
		return p.err
	}
	finder, _ := backend.As[backend.Finder](p.b)
	for d, err := range finder.Find(ctx, component.Query{}) {
		if err != nil {
			return err
		}
		if apart := d.Stored.Sub(p.stat(backend.Key{Shelf: key.Shelf, Name: d.Key}).ModTime).Abs(); p.err == nil && apart > time.Second {
			p.failf("Find says that %q was stored at %v, %v off its ModTime", d.Key, d.Stored, apart)
		}
	}
	return p.err
}

func findStoredAgain(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	preimages, _ := Preimages()
	key := backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: components()[0].says.Key}
	finder, _ := backend.As[backend.Finder](p.b)
	when := func() (at time.Time) {
		for d, err := range finder.Find(ctx, component.Query{}) {
			if err != nil {
				p.failf("Find: %w", err)
			}
			if d.Key == key.Name {
				at = d.Stored
			}
		}
		return at
	}
	if p.err != nil {
		return p.err
	}
	first := when()
	if err := moveOn(ctx); err != nil {
		return errors.Join(p.err, err)
	}
	p.put(key, string(preimages[key.Name]))
	if second := when(); p.err == nil && !second.After(first) {
		p.failf("Find says that %q was stored at %v, and at %v after it was stored again %v later", key.Name, first, second, apartForSure)
	}
	return p.err
}

func findChanges(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	shelf := e.Shelf(backend.ShelfComponents)
	preimages, _ := Preimages()
	there := allComponents()
	for key, preimage := range preimages {
		p.put(e.key("elsewhere", key), string(preimage))
		p.put(e.key(backend.ShelfCache, key+"/result"), "a result")
	}
	for range 2 {
		for _, d := range there {
			p.put(backend.Key{Shelf: shelf, Name: d.Key}, string(preimages[d.Key]))
		}
		p.finds(component.Query{}, there)
	}
	p.remove(backend.Key{Shelf: shelf, Name: there[0].Key})
	p.finds(component.Query{}, there[1:])
	p.removeAll([]backend.Key{{Shelf: shelf, Name: there[1].Key}, {Shelf: shelf, Name: there[2].Key}})
	p.finds(component.Query{}, there[3:])
	p.put(backend.Key{Shelf: shelf, Name: there[0].Key}, string(preimages[there[0].Key]))
	p.finds(ask(there[0].Type, "", nil), append([]component.Description{there[0]}, there[3:]...))
	seen := backend.Key{Shelf: shelf, Name: there[3].Key}
	p.removeSeenAs(seen, p.stat(seen).Version)
	p.finds(component.Query{}, append([]component.Description{there[0]}, there[4:]...))
	// By another handle, which has looked before.
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	rest := append([]component.Description{there[0]}, there[4:]...)
	q.finds(component.Query{}, rest)
	p.put(seen, string(preimages[seen.Name]))
	q.finds(component.Query{}, append([]component.Description{there[0]}, there[3:]...))
	p.remove(seen)
	q.finds(component.Query{}, rest)
	// And by what it says now, of what said something else before.
	now, before := there[4], there[0]
	now.Key = before.Key
	rest[0] = now
	p.put(backend.Key{Shelf: shelf, Name: now.Key}, string(preimages[there[4].Key]))
	for _, q := range []*probe{p, q} {
		q.finds(ask(before.Type, "", nil), rest)
		q.finds(ask(now.Type, "", nil), rest)
		q.finds(component.Query{}, rest)
	}
	return errors.Join(p.err, q.err)
}

func findMany(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	says := p.describes(e, e.pick(20, 1200, 12_000))
	n := len(says)
	for _, where := range []component.Condition{
		{}, // all
		component.Where(component.FieldType, component.Equal, "recording"),
		component.WhereParam("file", component.HasPrefix, "000"),
		component.WhereParam("file", component.Equal, "00007"),
		component.Where(component.FieldType, component.NotEqual, "recording"),
	} {
		for _, limit := range []int{0, 1, n / 8, n / 2, n - 1, n, n + 1} {
			for _, after := range []string{"", says[n/3].Key, says[n-2].Key} {
				p.finds(component.Query{Where: where, Limit: limit, After: after}, says)
			}
		}
	}
	return p.err
}

func findCallback(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	p.put(e.key("s", "a"), "a")
	finder, _ := backend.As[backend.Finder](p.b)
	steps := 0
	for _, err := range finder.Find(ctx, component.Query{}) {
		if err != nil {
			p.failf("Find: %w", err)
		}
		if p.err != nil {
			return p.err
		}
		steps++
		p.everyMethod(e, e.key("s", "a"))
	}
	if p.err == nil && steps != len(components()) {
		p.failf("Find yields %d descriptions while its body changes other shelves, want %d", steps, len(components()))
	}
	for range e.pick(50, 200, 2000) {
		for _, err := range finder.Find(ctx, component.Query{}) {
			if err != nil {
				return fmt.Errorf("a Find that is left early: %w", err)
			}
			break
		}
	}
	p.put(e.key("s", "a"), "new")
	return p.err
}

func findCancel(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	says := p.describes(e, e.pick(20, 300, 3000))
	if p.err != nil {
		return p.err
	}
	finder, _ := backend.As[backend.Finder](p.b)
	for _, at := range []int{1, 2, len(says) / 2, len(says) - 1} {
		p.cancelled(fmt.Sprintf("Find of %d components", len(says)), len(says), at, func(ctx context.Context) iter.Seq2[backend.Info, error] {
			return func(yield func(backend.Info, error) bool) {
				for d, err := range finder.Find(ctx, component.Query{}) {
					if !yield(backend.Info{Key: backend.Key{Name: d.Key}}, err) {
						return
					}
				}
			}
		})
	}
	return p.err
}
