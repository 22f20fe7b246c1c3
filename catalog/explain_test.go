package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// text writes changes as lines: path, kind, before and after, and what is within in brackets.
func text(changes []catalog.Change) string {
	var parts []string
	for _, c := range changes {
		s := c.Path + " " + string(c.Kind)
		switch {
		case strings.HasPrefix(c.Path, "inputs[") && c.Kind != catalog.Relabeled:
			s += " " + c.Label + " [" + text(c.Within) + "]"
		default:
			s += fmt.Sprintf(" %v -> %v", c.Before, c.After)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

type params = map[string]any

// command is the first input of a stage, as larder run makes it.
func command(args []any, env params, labels ...any) component.Component {
	p := params{"args": args, "inputs": append([]any{}, labels...), "outputs": []any{"out"}}
	if env != nil {
		p["env"] = env
	}
	return component.New(component.CommandType, "1", p)
}

func contentOf(text string) component.Component {
	return component.Content(sha256.Sum256([]byte(text)), int64(len(text)))
}

func args(words ...any) []any { return words }

// Every kind of difference is told, with its place.
func TestDiffer(t *testing.T) {
	rec := component.New("lab/recording", "1", params{"rate": 1})
	rec2 := component.New("lab/recording", "1", params{"rate": 2})
	other := component.New("lab/other", "1", nil)
	of := func(p any, in ...component.Component) component.Component {
		return component.New("lab/fit", "1", p, in...)
	}
	moment := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, b := contentOf("a"), contentOf("bb")
	deepWas := of(nil, component.New("lab/mid", "1", nil, component.New("lab/mid", "1", nil, rec)))
	deepIs := of(nil, component.New("lab/mid", "1", nil, component.New("lab/mid", "1", nil, rec2)))
	for name, c := range map[string]struct {
		before, after component.Component
		want          string
		distance      int
	}{
		"same":          {of(params{"x": 1}, rec), of(params{"x": 1.0}, rec), "", 0},
		"type":          {of(nil), component.New("lab/fit2", "1", nil), "type changed lab/fit -> lab/fit2", 1},
		"version":       {of(nil), component.New("lab/fit", "2", nil), "version changed 1 -> 2", 1},
		"changed":       {of(params{"tau": 0.02, "k": 1}), of(params{"tau": 0.03, "k": 1}), "parameters.tau changed 0.02 -> 0.03", 1},
		"added":         {of(params{"k": 1}), of(params{"k": 1, "tau": nil}), "parameters.tau added <nil> -> <nil>", 1},
		"first":         {of(nil), of(params{"tau": 1, "k": 2}), "parameters.k added <nil> -> 2; parameters.tau added <nil> -> 1", 2},
		"removed":       {of(params{"k": 1, "tau": 1}), of(params{"tau": 1}), "parameters.k removed 1 -> <nil>", 1},
		"other kind":    {of(params{"k": 5}), of(params{"k": "5"}), "parameters.k other kind 5 -> 5", 1},
		"to null":       {of(params{"k": 5}), of(params{"k": nil}), "parameters.k other kind 5 -> <nil>", 1},
		"not a number":  {of(params{"k": math.NaN()}), of(params{"k": math.NaN()}), "", 0},
		"nested":        {of(params{"f": params{"g": params{"order": 4, "x": 1}}}), of(params{"f": params{"g": params{"order": 5, "x": 1}}}), "parameters.f.g.order changed 4 -> 5", 1},
		"list item":     {of(params{"l": []int{1, 2, 3}}), of(params{"l": []int{1, 5, 3}}), "parameters.l[1] changed 2 -> 5", 1},
		"in a list":     {of(params{"l": []any{params{"a": 1}}}), of(params{"l": []any{params{"a": 2}}}), "parameters.l[0].a changed 1 -> 2", 1},
		"item in front": {of(params{"l": []int{2, 3}}), of(params{"l": []int{1, 2, 3}}), "parameters.l[0] added <nil> -> 1", 1},
		"items gone":    {of(params{"l": []int{1, 2, 3}}), of(params{"l": []int{1}}), "parameters.l[1] removed 2 -> <nil>; parameters.l[2] removed 3 -> <nil>", 2},
		"all of it":     {of([]int{1}), of([]int{2}), "parameters[0] changed 1 -> 2", 1},
		"no map":        {of(5), of(params{"x": 5}), "parameters other kind 5 -> map[x:5]", 1},
		"as of":         {of(nil), component.WithAsOf(of(nil), moment), "as of added <nil> -> 2026-01-02 03:04:05 +0000 UTC", 1},
		"later":         {component.WithAsOf(of(nil), moment), component.WithAsOf(of(nil), moment.Add(time.Hour)), "as of changed 2026-01-02 03:04:05 +0000 UTC -> 2026-01-02 04:04:05 +0000 UTC", 1},

		"input":            {of(nil, rec), of(nil, rec2), "inputs[0] changed  [parameters.rate changed 1 -> 2]", 1},
		"input of input":   {deepWas, deepIs, "inputs[0] changed  [inputs[0] changed  [inputs[0] changed  [parameters.rate changed 1 -> 2]]]", 1},
		"input added":      {of(nil, rec), of(nil, rec, other), "inputs[1] added  []", 1},
		"input in front":   {of(nil, rec), of(nil, other, rec), "inputs[0] added  []", 1},
		"input removed":    {of(nil, rec, other, rec2), of(nil, rec, rec2), "inputs[1] removed  []", 1},
		"inputs swapped":   {of(nil, rec, other), of(nil, other, rec), "inputs[1] moved  []", 1},
		"one moved":        {of(nil, rec, a, b, other), of(nil, a, b, other, rec), "inputs[3] moved  []", 1},
		"moved and more":   {of(nil, rec, a, other), of(nil, other, b, rec), "inputs[1] changed  [parameters.sha256 changed X; parameters.size changed 1 -> 2]; inputs[2] moved  []", 3},
		"input replaced":   {of(nil, rec), of(nil, other), "inputs[0] changed  [type changed lab/recording -> lab/other; parameters.rate removed 1 -> <nil>]", 2},
		"the same twice":   {of(nil, rec), of(nil, rec, rec), "inputs[1] added  []", 1},
		"file contents":    {of(nil, a), of(nil, b), "inputs[0] changed  [parameters.sha256 changed X; parameters.size changed 1 -> 2]", 2},
		"param and input":  {of(params{"k": 1}, rec), of(params{"k": 2}, rec2), "parameters.k changed 1 -> 2; inputs[0] changed  [parameters.rate changed 1 -> 2]", 2},
		"unknown to known": {of(nil, component.Ref(strings.Repeat("a", 64))), of(nil, rec), "inputs[0] changed  []", 1},

		"command line":  {of(nil, command(args("sh", "x"), nil, "f"), a), of(nil, command(args("sh", "y"), nil, "f"), a), "inputs[0] changed command line [parameters.args[1] changed x -> y]", 1},
		"environment":   {of(nil, command(args("sh"), params{"FOO": "1"})), of(nil, command(args("sh"), params{"FOO": "2"})), "inputs[0] changed command line [parameters.env.FOO changed 1 -> 2]", 1},
		"variable":      {of(nil, command(args("sh"), nil)), of(nil, command(args("sh"), params{"FOO": nil})), "inputs[0] changed command line [parameters.env.FOO added <nil> -> <nil>]", 1},
		"stage's file":  {of(nil, command(args("sh"), nil, "f", "g"), a, b), of(nil, command(args("sh"), nil, "f", "g"), b, b), "inputs[1] changed f [parameters.sha256 changed X; parameters.size changed 1 -> 2]", 2},
		"relabelled":    {of(nil, command(args("sh"), nil, "f"), a), of(nil, command(args("sh"), nil, "g"), a), "inputs[1] relabeled f -> g", 1},
		"file declared": {of(nil, command(args("sh"), nil, "f"), a), of(nil, command(args("sh"), nil, "e", "f"), b, a), "inputs[1] added e []", 1},
		"not declared":  {of(nil, command(args("sh"), nil, "e", "f"), b, a), of(nil, command(args("sh"), nil, "f"), a), "inputs[1] removed e []", 1},
	} {
		store := larder.New(mem.New(nil), silent)
		if got := differ(t, store, c.before, c.after); text(got.Changes) != strings.ReplaceAll(c.want, "X", sha(got.Changes)) || got.Distance != c.distance {
			t.Errorf("%s: %s, distance %d; want %s, %d", name, text(got.Changes), got.Distance, c.want, c.distance)
		}
		store.Close()
	}
}

// sha returns the digests of two files, as text writes them.
func sha(changes []catalog.Change) string {
	for _, c := range changes {
		if c.Path == "parameters.sha256" {
			return fmt.Sprintf("%v -> %v", c.Before, c.After)
		}
		if s := sha(c.Within); s != "" {
			return s
		}
	}
	return ""
}

// differ stores two components and all that they are computed from, and compares them.
func differ(t *testing.T, store *larder.Store, before, after component.Component) catalog.Difference {
	t.Helper()
	ctx := context.Background()
	var ids []string
	for _, c := range []component.Component{before, after} {
		putAll(t, store, c)
		id, err := store.Key(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	got, err := catalog.Differ(ctx, store, ids[0], ids[1])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func putAll(t *testing.T, store *larder.Store, c component.Component) {
	t.Helper()
	if _, isRef := component.KnownKey(c); isRef {
		return
	}
	for _, in := range c.Inputs() {
		putAll(t, store, in)
	}
	if _, err := store.Put(context.Background(), c, "value", "v"); err != nil {
		t.Fatal(err)
	}
}

// The nearest is the one that differs in the fewest fields, also within inputs, on every kind of store; nothing is
// asked of c itself, which need not be stored.
func TestExplain(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		in := func(rate, gain int) component.Component {
			return component.New("lab/recording", "1", params{"rate": rate, "gain": gain})
		}
		fit := func(tau float64, k int, in component.Component) component.Component {
			return component.New("lab/fit", "1", params{"tau": tau, "k": k}, in)
		}
		c := fit(0.03, 1, in(1, 1))
		if e, err := catalog.Explain(ctx, store, c, nil); err != nil || len(e.Nearest) != 0 || e.Looked != 0 {
			t.Errorf("%s: in an empty store: %+v, %v", name, e, err)
		}
		putAll(t, store, component.New("lab/other", "1", params{"tau": 0.03, "k": 1}, in(1, 1)))
		if e, err := catalog.Explain(ctx, store, c, nil); err != nil || len(e.Nearest) != 0 {
			t.Errorf("%s: with another type: %+v, %v", name, e, err)
		}
		near, far, furthest := fit(0.02, 1, in(1, 1)), fit(0.03, 1, in(2, 3)), fit(0.5, 4, in(5, 6))
		for _, c := range []component.Component{furthest, far, near} {
			putAll(t, store, c)
		}
		for _, stored := range []bool{false, true} {
			if stored {
				putAll(t, store, c)
			}
			e, err := catalog.Explain(ctx, store, c, &catalog.ExplainOptions{Nearest: 2})
			if err != nil {
				t.Fatal(err)
			}
			id, _ := store.Key(ctx, c)
			if e.ID != id || e.Type != "lab/fit" || e.Looked != 3 || len(e.Nearest) != 2 {
				t.Fatalf("%s: %+v, want two of the three others", name, e)
			}
			for i, want := range []struct {
				c       component.Component
				changes string
			}{
				{near, "parameters.tau changed 0.02 -> 0.03"},
				{far, "inputs[0] changed  [parameters.gain changed 3 -> 1; parameters.rate changed 2 -> 1]"},
			} {
				id, _ := store.Key(ctx, want.c)
				if n := e.Nearest[i]; n.ID != id || text(n.Changes) != want.changes || n.Stored.IsZero() {
					t.Errorf("%s: nearest %d is %s: %s; want %s: %s", name, i, n.ID, text(n.Changes), id, want.changes)
				}
			}
		}
		byKey, err := catalog.Explain(ctx, store, component.Ref(mustKey(t, store, c)), nil)
		if err != nil || text(byKey.Nearest[0].Changes) != "parameters.tau changed 0.02 -> 0.03" {
			t.Errorf("%s: by its key: %+v, %v", name, byKey, err)
		}
		if _, err := catalog.Explain(ctx, store, component.Ref(strings.Repeat("0", 64)), nil); !errors.Is(err, larder.ErrNotFound) {
			t.Errorf("%s: of an unknown key: %v, want ErrNotFound", name, err)
		}
		if _, err := catalog.Differ(ctx, store, byKey.ID, strings.Repeat("0", 64)); !errors.Is(err, larder.ErrNotFound) {
			t.Errorf("%s: with an unknown key: %v, want ErrNotFound", name, err)
		}
		e, err := catalog.Explain(ctx, store, c, &catalog.ExplainOptions{Most: 1})
		if err != nil || e.Looked > 1 || !e.More {
			t.Errorf("%s: with a bound: %+v, %v", name, e, err)
		}
		before, err := catalog.Explain(ctx, store, c, &catalog.ExplainOptions{Before: time.Unix(1, 0)})
		if err != nil || len(before.Nearest) != 0 {
			t.Errorf("%s: before all: %+v, %v", name, before, err)
		}
	}
}

func mustKey(t *testing.T, store *larder.Store, c component.Component) string {
	t.Helper()
	id, err := store.Key(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// putRaw puts a description under a key, whether or not it is that component's: as a corrupt or hostile store has it.
func putRaw(t *testing.T, store *larder.Store, id string, preimage []byte) {
	t.Helper()
	_, err := store.Backend().Put(context.Background(), backend.Key{Shelf: backend.ShelfComponents, Name: id}, bytes.NewReader(preimage), backend.PutOptions{
		Size: int64(len(preimage)), Digest: sha256.Sum256(preimage), Sum: crc32.Checksum(preimage, crc32.MakeTable(crc32.Castagnoli))})
	if err != nil {
		t.Fatal(err)
	}
}

// A hostile store has descriptions that lead back to themselves, differ without end, or are none: the
// comparison ends, and the sound ones are found.
func TestExplainHostile(t *testing.T) {
	ctx := context.Background()
	store := larder.New(mem.New(nil), silent)
	defer store.Close()
	id := func(n int) string { return fmt.Sprintf("%064x", n) }
	loop := func(k int, of ...int) []byte {
		var in []component.Component
		for _, n := range of {
			in = append(in, component.Ref(id(n)))
		}
		return preimage(t, component.New("lab/loop", "1", params{"k": k}, in...))
	}
	putRaw(t, store, id(1), loop(1, 1, 2)) // a loop of one
	putRaw(t, store, id(2), loop(2, 2, 1)) // and one of two
	putRaw(t, store, id(3), []byte("no description"))
	diff, err := catalog.Differ(ctx, store, id(1), id(2))
	if err != nil || diff.Distance == 0 {
		t.Errorf("Differ of loops = %+v, %v; want a difference", diff, err)
	}
	e, err := catalog.Explain(ctx, store, component.Ref(id(2)), nil)
	if err != nil || len(e.Nearest) != 1 || e.Nearest[0].ID != id(1) {
		t.Errorf("Explain of a loop = %+v, %v; want the other loop", e, err)
	}

	wide := func(n int) map[string]any {
		all := params{}
		for i := range 20_000 {
			all[fmt.Sprint(i)] = i + n
		}
		return all
	}
	putRaw(t, store, id(10), preimage(t, component.New("lab/wide", "1", wide(0))))
	putRaw(t, store, id(11), preimage(t, component.New("lab/wide", "1", wide(1))))
	diff, err = catalog.Differ(ctx, store, id(10), id(11))
	if err != nil || !diff.More || len(diff.Changes) > 1000 {
		t.Errorf("Differ of 20,000 fields: %d changes, more %v, %v; want 1,000 and more", len(diff.Changes), diff.More, err)
	}

	for n := 100; n < 160; n++ { // diamonds: 2^60 ways lead to their end
		for _, side := range []int{0, 1000} {
			c := component.New("lab/diamond", "1", params{"side": side}, component.Ref(id(n+1+side)), component.Ref(id(n+1+side)), component.Ref(id(n+side)))
			putRaw(t, store, id(n+side), preimage(t, c))
		}
	}
	if _, err := catalog.Differ(ctx, store, id(100), id(1100)); err != nil {
		t.Errorf("Differ of diamonds: %v", err)
	}
}

// Labels of a stage that are there twice, which only a hostile store has, hide no input.
func TestDifferLabelTwice(t *testing.T) {
	store := larder.New(mem.New(nil), silent)
	defer store.Close()
	a, b, c := contentOf("a"), contentOf("bb"), contentOf("ccc")
	of := func(in ...component.Component) component.Component {
		return component.New("lab/fit", "1", nil, append([]component.Component{command(args("sh"), nil, "f", "f")}, in...)...)
	}
	if got := differ(t, store, of(a, b), of(c, b)); got.Distance == 0 {
		t.Errorf("Differ = %+v, want the first file", got)
	}
}

func preimage(t *testing.T, c component.Component) []byte {
	t.Helper()
	_, text, err := keying.Hash{}.Preimage(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
