package law

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// oddComponents are of values at the ends of their kinds, and of values that look alike and are not.
func oddComponents() []describedAs {
	return []describedAs{
		{
			"86726c61726465722f636f6d706f6e656e742f31674e756d626572736139a6636d61781b8000000000000000636e6567f9c5806464656570a16161a16162a1616363656e646468616c6663302e35646c69737480647a65726ff481784032366531663839316363353866613930366664376437363633333164323864313861663638383266653438343365343339363137643338643961356265636266f6",
			component.Description{
				Key: "6bbc56a83f632cae8699bfc5b197284121168ce1317dfdc32f8adc9dd0f44617", Type: "Numbers", Version: "9",
				Parameters: map[any]any{
					"neg": -5.5, "zero": false, "half": "0.5", "list": []any{}, "max": uint64(1 << 63),
					"deep": map[any]any{"a": map[any]any{"b": map[any]any{"c": "end"}}},
				},
				Inputs: []string{"26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f316574657874736162a6636d6170a063726177430001ff646e616d656dc3bc6ec3af636f646520e29883646e6f6e65406474696d65c074323032362d31312d30315431323a30303a30305a6474727565f580c0781e313936392d30312d30315430303a30303a30302e3132333435363738395a",
			component.Description{
				Key: "78f6e0e4e292dce27edd788c08be41f842d3a4400a25646adf894a156d687b63", Type: "texts", Version: "b",
				Parameters: map[any]any{
					"name": "ünïcode ☃", "raw": []byte{0, 1, 255}, "none": []byte{}, "true": true, "map": map[any]any{},
					"time": time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
				},
				AsOf: time.Date(1969, 1, 1, 0, 0, 0, 123456789, time.UTC),
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f316574657874736161a7636e756c63610062646c6f6e6779012c" + strings.Repeat("30", 299) + "37646e616d656dc39c6ec3af636f646520e298836474696d6574323032362d31312d30315431323a30303a30305a65626c616e6b63206120656c6f7765726773747261c39f656571756f74656e6974277320227822205c20255f2a80f6",
			component.Description{
				Key: "cea5ac44d2a69d28f7641d7832036cfccfd28df4ff0d907a458d1e9e0b08fc88", Type: "texts", Version: "a",
				Parameters: map[any]any{
					"name": "Ünïcode ☃", "lower": "straße", "nul": "a\x00b", "quote": `it's "x" \ %_*`, "long": strings.Repeat("0", 299) + "7",
					"blank": " a ", "time": "2026-11-01T12:00:00Z",
				},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31676e756d62657273623130a9636d61781b7fffffffffffffff636d696e3b7fffffffffffffff636e6567246468616c66f93800646c6973748501f941006133f6f56474696e79fb00000000000000016476617374c249020000000000000000647a65726f00657468697264fb3fd555555555555580f6",
			component.Description{
				Key: "d2f67dfcef08ede13ac774d7be578c7a2bbc5541ec7fa68baf578fe8e43c8f49", Type: "numbers", Version: "10",
				Parameters: map[any]any{
					"neg": int64(-5), "min": int64(math.MinInt64), "max": int64(math.MaxInt64), "half": 0.5, "tiny": 5e-324, "zero": int64(0),
					"third": 1.0 / 3, "vast": new(big.Int).Lsh(big.NewInt(1), 65), "list": []any{int64(1), 2.5, "3", nil, true},
				},
			},
		},
		wide("b", "844ef92a355d4e6c12d0b3599455c8b8ba46dcc041be5d4f98cffe4f4450c56c"),
		wide("B", "2b3dc3a278fc965660db05930bb854c1447fbcae12f423dd8bd8c9018a0ca8fd"),
	}
}

// wide is a component of six inputs. Two that differ in their version alone differ in nothing but its case.
func wide(version, key string) describedAs {
	preimage := "86726c61726465722f636f6d706f6e656e742f31647769646561" + hex.EncodeToString([]byte(version)) + "a1616e0186"
	c := describedAs{says: component.Description{Key: key, Type: "wide", Version: version, Parameters: map[any]any{"n": int64(1)}}}
	for i := 1; i <= 6; i++ {
		input := fmt.Sprintf("%064x", i*0x1111)
		preimage += "7840" + hex.EncodeToString([]byte(input))
		c.says.Inputs = append(c.says.Inputs, input)
	}
	c.preimage = preimage + "f6"
	return c
}

// asker makes queries about what descriptions say, and about what they nearly say.
type asker struct {
	rnd   *rand.Rand
	says  []saying
	keys  []string
	texts []string // types and versions
}

// saying is a parameter that a description has, or a value that none has.
type saying struct {
	path  string
	value any
}

func newAsker(rnd *rand.Rand, all []describedAs) *asker {
	a := &asker{rnd: rnd, says: []saying{{"absent", nil}, {"list.9", true}, {"filter.absent", int64(0)}, {"list", []byte{}}, {"", map[any]any{}}}}
	for _, c := range all {
		a.keys = append(append(a.keys, c.says.Key), c.says.Inputs...)
		a.texts = append(a.texts, c.says.Type, c.says.Version)
		a.learn("", c.says.Parameters)
	}
	return a
}

// learn gathers what is at path and below it.
func (a *asker) learn(path string, v any) {
	a.says = append(a.says, saying{path, v})
	switch v := v.(type) {
	case map[any]any:
		var names []string
		for name := range v {
			names = append(names, fmt.Sprint(name))
		}
		slices.Sort(names) // the same seed asks the same
		for _, name := range names {
			a.learn(strings.TrimPrefix(path+"."+name, "."), v[name])
		}
	case []any:
		for i, item := range v {
			a.learn(strings.TrimPrefix(fmt.Sprint(path, ".", i), "."), item)
		}
	}
}

func pickOf[T any](rnd *rand.Rand, of []T) T { return of[rnd.IntN(len(of))] }

// like returns values that some engine may take for v, v the first of them.
func like(v any) []any {
	all := []any{v}
	switch v := v.(type) {
	case int64:
		all = append(all, fmt.Sprint(v), v == 1, v-v%2+1)
		if v > math.MinInt64 && v < math.MaxInt64 {
			all = append(all, v+1, v-1, float64(v%1000)+0.5)
		}
	case uint64:
		all = append(all, v+1, fmt.Sprint(v), int64(math.MaxInt64))
	case float64:
		all = append(all, math.Nextafter(v, 9), math.Nextafter(v, -9), fmt.Sprint(v), int64(v))
	case string:
		all = append(all, v+"x", v+" ", v+"\x00", []byte(v), strings.ToUpper(v), strings.ToLower(v), v[:len(v)/2], strings.TrimSpace(v))
	case []byte:
		all = append(all, string(v), append(bytes.Clone(v), 0), hex.EncodeToString(v))
	case bool:
		all = append(all, !v, fmt.Sprint(v), int64(1), int64(0))
	case time.Time:
		all = append(all, v.Add(1), v.Add(-1), v.Add(time.Second), v.Format(time.RFC3339Nano))
	case nil:
		all = append(all, "null", "", false, int64(0))
	}
	return all
}

// value is v, as often as not, or like it.
func (a *asker) value(v any) any {
	if a.rnd.IntN(2) == 0 {
		return v
	}
	return pickOf(a.rnd, like(v))
}

var comparisons = []component.Op{
	component.Equal, component.NotEqual, component.Less, component.LessEqual, component.Greater, component.GreaterEqual, component.Exists, component.HasPrefix, component.In,
}

// compared is a comparison of a parameter with a value, as op takes it.
func compared(path string, op component.Op, v any, others ...any) component.Condition {
	switch op {
	case component.Exists:
		v = nil
	case component.In:
		v = append([]any{v}, others...)
	}
	return component.WhereParam(path, op, v)
}

// fields returns comparisons of the fields that all components have with what they say, and with what is like it.
func (a *asker) fields() []component.Condition {
	var all []component.Condition
	for _, field := range []component.Field{component.FieldType, component.FieldVersion, component.FieldKey, component.FieldInput} {
		of := a.texts
		if field == component.FieldKey || field == component.FieldInput {
			of = a.keys
		}
		for _, text := range slices.Compact(slices.Sorted(slices.Values(of))) {
			for i, v := range like(text) {
				if _, ok := v.(string); !ok || i > 0 && v == text {
					continue
				}
				all = append(all, component.Where(field, component.Equal, v), component.Where(field, component.In, []any{"none", v}))
			}
		}
	}
	return all
}

func (a *asker) condition(depth int) component.Condition {
	op := pickOf(a.rnd, comparisons)
	text := func(of []string) any {
		switch op {
		case component.Exists:
			return nil
		case component.In:
			return []any{pickOf(a.rnd, of), a.value(pickOf(a.rnd, of)), pickOf(a.rnd, of)}[:a.rnd.IntN(4)]
		}
		return a.value(pickOf(a.rnd, of))
	}
	switch k := a.rnd.IntN(20); {
	case k < 6 && depth > 0:
		c := component.Condition{Op: pickOf(a.rnd, []component.Op{component.All, component.Any, component.Not})}
		for range a.rnd.IntN(4) {
			c.Of = append(c.Of, a.condition(depth-1))
		}
		return c
	case k < 8:
		return component.Where(component.FieldType, op, text(a.texts))
	case k < 9:
		return component.Where(component.FieldVersion, op, text(a.texts))
	case k < 10:
		return component.Where(component.FieldKey, op, text(a.keys))
	case k < 11:
		return component.Where(component.FieldInput, op, text(a.keys))
	case k < 12:
		if op == component.In || op == component.HasPrefix {
			op = component.Greater
		}
		at := any(pickOf(a.rnd, []time.Time{
			time.Unix(0, 0).UTC(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 12, 0, 0, 500_000_000, time.UTC), time.Date(1969, 1, 1, 0, 0, 0, 123456789, time.UTC),
		}).Add(time.Duration(a.rnd.IntN(3) - 1)))
		if op == component.Exists {
			at = nil
		}
		return component.Where(component.FieldAsOf, op, at)
	}
	says := pickOf(a.rnd, a.says)
	v := says.value
	if a.rnd.IntN(3) == 0 {
		v = pickOf(a.rnd, a.says).value
	}
	return compared(says.path, op, a.value(v), a.value(pickOf(a.rnd, a.says).value))
}

func (a *asker) query() component.Query {
	q := component.Query{Where: a.condition(2)}
	if a.rnd.IntN(3) == 0 {
		q.After = pickOf(a.rnd, a.keys)
		q.After = q.After[:a.rnd.IntN(len(q.After)+1)]
	}
	if a.rnd.IntN(3) == 0 {
		q.Limit = 1 + a.rnd.IntN(len(a.keys)+1)
	}
	return q
}

func findAny(ctx context.Context, e *Env) error {
	handles, err := e.crew(ctx, 3)
	if err != nil {
		return err
	}
	all := append(components(), oddComponents()...)
	slices.SortFunc(all, func(a, b describedAs) int { return strings.Compare(a.says.Key, b.says.Key) })
	asks := newAsker(e.Rand, all)
	shelf := e.Shelf(backend.ShelfComponents)
	stored, there := make([]bool, len(all)), []component.Description{}
	for i, c := range all {
		preimage, err := hex.DecodeString(c.preimage)
		if err != nil {
			return err // a slip of the pen above
		}
		handles[0].put(backend.Key{Shelf: shelf, Name: c.says.Key}, string(preimage))
		stored[i], there = true, append(there, c.says)
	}
	for n, says := range asks.says {
		for k, v := range like(says.value) {
			for o, op := range comparisons {
				if op != component.Equal && e.pick(1, 9, 9) < 9 && (n+k+int(e.Seed%9))%9 != o {
					continue // in tier quick one beside Equal
				}
				p := handles[(n+k+o)%len(handles)]
				if p.finds(component.Query{Where: compared(says.path, op, v)}, there); p.err != nil {
					return p.err
				}
			}
		}
	}
	for i, c := range asks.fields() {
		if e.Tier == Quick && e.Limits.CostlyRequests && i%4 > 0 {
			continue
		}
		p := handles[i%len(handles)]
		if p.finds(component.Query{Where: c}, there); p.err != nil {
			return p.err
		}
	}
	for range e.pick(150, 1500, 30_000) {
		p, i := pickOf(e.Rand, handles), e.Rand.IntN(len(all))
		key := backend.Key{Shelf: shelf, Name: all[i].says.Key}
		preimage, err := hex.DecodeString(all[i].preimage)
		if err != nil {
			return err // a slip of the pen above
		}
		it := item(key, string(preimage), backend.PutOptions{})
		switch k := e.Rand.IntN(24); {
		case k < 6 && !stored[i] || k < 2: // so that most are there
			stored[i] = true
			switch e.Rand.IntN(3) {
			case 0:
				p.put(key, string(preimage))
			case 1:
				p.putAll([]backend.Item{it})
			case 2:
				if d := p.stage(string(preimage)); d != nil {
					_, err := p.b.Put(ctx, key, io.ReadSeeker(d), it.PutOptions)
					if err = errors.Join(err, d.Close()); err != nil {
						p.failf("Put of a draft: %w", err)
					}
				}
			}
		case k == 6 && stored[i]:
			stored[i] = false
			switch e.Rand.IntN(3) {
			case 0:
				p.remove(key)
			case 1:
				p.removeAll([]backend.Key{key})
			case 2:
				p.removeSeenAs(key, p.stat(key).Version)
			}
		}
		there = there[:0]
		for i, c := range all {
			if stored[i] {
				there = append(there, c.says)
			}
		}
		p.finds(asks.query(), there)
		if p.err != nil {
			return p.err
		}
	}
	return nil
}
