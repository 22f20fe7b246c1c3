package law

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
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

// describedAs is a component as its pre-image says; docs/keys.md specifies the bytes, and
// a test of package conformance decodes them.
type describedAs struct {
	preimage string // hex
	says     component.Description
}

func components() []describedAs {
	return []describedAs{
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736131a16666696c746572a3626f6ef4646b696e646662657373656c656f726465720281784035363963373939643530663366633030336332323731663235363430373237636237333166656533306134373230343738376532343439366663613063616330f6",
			component.Description{
				Key: "0cc59fa330ef372ad81a2118eb39f6909b56a7bc38332cbd87dffafa60c6c2fe", Type: "spikes", Version: "1",
				Parameters: map[any]any{"filter": map[any]any{"kind": "bessel", "on": false, "order": int64(2)}},
				Inputs:     []string{"569c799d50f3fc003c2271f25640727cb731fee30a47204787e24496fca0cac0"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31636f64646131a4636269671b00200000000000016366657780646e6f6e65f664746578746080f6",
			component.Description{
				Key: "12da3e39e41b4b8b65929c451e2b384964b2109e13d95e649010e18269e67bda", Type: "odd", Version: "1",
				Parameters: map[any]any{"big": int64(1<<53 + 1), "none": nil, "few": []any{}, "text": ""},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736131a26666696c746572a3626f6ef5646b696e646662657373656c656f7264657204697468726573686f6c64f9cd2081784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337f6",
			component.Description{
				Key: "24de4a6ac625c9b1ff1febd6fb686872f3b9730e9e965ec9fecaf2c0145eba27", Type: "spikes", Version: "1",
				Parameters: map[any]any{"filter": map[any]any{"kind": "bessel", "on": true, "order": int64(4)}, "threshold": -20.5},
				Inputs:     []string{"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31697265636f7264696e676131a16466696c6565612e61626680f6",
			component.Description{
				Key: "26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf", Type: "recording", Version: "1",
				Parameters: map[any]any{"file": "a.abf"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f316764657472656e646132a3646e616d65656c61622061656f72646572036677696e646f77f9340081784032366531663839316363353866613930366664376437363633333164323864313861663638383266653438343365343339363137643338643961356265636266f6",
			component.Description{
				Key: "286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7", Type: "detrend", Version: "2",
				Parameters: map[any]any{"name": "lab a", "order": int64(3), "window": 0.25},
				Inputs:     []string{"26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31656b696e64736131a46374656e62313064687567651b800000000000000564776f72646361626366646967697473613580c076323032362d31312d30315431323a30303a30302e355a",
			component.Description{
				Key: "b3de21b4491b982510eaa114b446dfd2ae6c90a87d4d9886010c6eec28b7d6ef", Type: "kinds", Version: "1",
				Parameters: map[any]any{"digits": "5", "ten": "10", "huge": uint64(1<<63 + 5), "word": "abc"},
				AsOf:       time.Date(2026, 11, 1, 12, 0, 0, 500_000_000, time.UTC),
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31646a6f696e6131f683784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337784032366531663839316363353866613930366664376437363633333164323864313861663638383266653438343365343339363137643338643961356265636266784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337f6",
			component.Description{
				Key: "b61c9cf446c312dd6f882e4fe7781eab5da89ad8a31dcc62c35830556f1fba6c", Type: "join", Version: "1",
				Inputs: []string{ // in order, the first one twice
					"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7",
					"26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf",
					"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7",
				},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f3165737461746561318201617880c074323032362d31312d30315431323a30303a30305a",
			component.Description{
				Key: "e233379a2d9aff7f7fc9bd914e1ca4b29dc6c67f50010a09a3c932ec2b995927", Type: "state", Version: "1",
				Parameters: []any{int64(1), "x"},
				AsOf:       time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736132f680f6",
			component.Description{Key: "e9f165829450ad17a41010902d268a6f24e94ded2c8bfe31dbfcf76ab99c5d95", Type: "spikes", Version: "2"},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f3166646f747465646134a363612e620163632e64a161656178637261774361626380f6",
			component.Description{
				Key: "ece360927b3bc2e7599f808854469017b770414206ddcbd70b32e1f94d30954f", Type: "dotted", Version: "4",
				Parameters: map[any]any{"a.b": int64(1), "c.d": map[any]any{"e": "x"}, "raw": []byte("abc")},
			},
		},
	}
}

// Preimages returns the pre-images that the laws about Find store, by key, and what
// they say, so that a test with a decoder can make sure of them.
func Preimages() (preimages map[string][]byte, says map[string]component.Description) {
	preimages, says = map[string][]byte{}, map[string]component.Description{}
	for _, c := range components() {
		b, err := hex.DecodeString(c.preimage)
		if err != nil {
			panic(err) // a slip of the pen above
		}
		preimages[c.says.Key], says[c.says.Key] = b, c.says
	}
	return preimages, says
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

// describe stores all descriptions, half of them in a batch.
func (p *probe) describe(e *Env) {
	preimages, _ := Preimages()
	var items []backend.Item
	for i, key := range slices.Sorted(maps.Keys(preimages)) {
		k := backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: key}
		if i%2 == 0 {
			p.put(k, string(preimages[key]))
		} else {
			items = append(items, item(k, string(preimages[key]), backend.PutOptions{}))
		}
	}
	p.putAll(items)
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

func allComponents() []component.Description {
	var all []component.Description
	for _, c := range components() {
		all = append(all, c.says)
	}
	return all
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

// numbered returns n descriptions of recordings, in the order of their keys, and their pre-images.
func numbered(n int) (preimages map[string]string, says []component.Description) {
	recording := components()[3]
	template, err := hex.DecodeString(recording.preimage)
	if err != nil {
		panic(err) // a slip of the pen
	}
	preimages = map[string]string{}
	for i := range n {
		file := fmt.Sprintf("%05d", i)
		preimage := strings.Replace(string(template), "a.abf", file, 1)
		d := recording.says
		d.Key = fmt.Sprintf("%x", sha256.Sum256([]byte(preimage)))
		d.Parameters = map[any]any{"file": file}
		preimages[d.Key], says = preimage, append(says, d)
	}
	slices.SortFunc(says, func(a, b component.Description) int { return strings.Compare(a.Key, b.Key) })
	return preimages, says
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

// describes stores n descriptions, and returns what they say.
func (p *probe) describes(e *Env, n int) []component.Description {
	preimages, says := numbered(n)
	var items []backend.Item
	for _, d := range says {
		items = append(items, item(backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: d.Key}, preimages[d.Key], backend.PutOptions{}))
	}
	for chunk := range slices.Chunk(items, 500) {
		p.putAll(chunk)
	}
	return says
}
