package keying_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

var bare = context.Background()

var generators = []keying.Preimager{keying.Hash{}, keying.Readable{}}

// counted is a component that counts how often it is asked.
type counted struct {
	name   string
	inputs []component.Component
	asked  int
}

func (c *counted) Type() string                  { return c.name }
func (c *counted) Version() string               { return "1" }
func (c *counted) Parameters() any               { c.asked++; return nil }
func (c *counted) Inputs() []component.Component { return c.inputs }

// A chain of diamonds costs one key for each component.
func TestSharedInputsAreHashedOnce(t *testing.T) {
	for _, g := range generators {
		bottom := &counted{name: "source"}
		all := []*counted{bottom}
		for range 60 {
			last := all[len(all)-1]
			left := &counted{name: "left", inputs: []component.Component{last}}
			right := &counted{name: "right", inputs: []component.Component{last}}
			all = append(all, left, right, &counted{name: "join", inputs: []component.Component{left, right}})
		}
		if _, err := g.Key(t.Context(), all[len(all)-1]); err != nil {
			t.Fatal(err)
		}
		for i, c := range all {
			if c.asked != 1 {
				t.Fatalf("%T asked component %d (%s) %d times, want once", g, i, c.name, c.asked)
			}
		}
	}
}

func TestLargeGraphs(t *testing.T) {
	const n = 100_000
	chain := component.New("source", "1", nil)
	for i := range n {
		chain = component.New("step", "1", i, chain)
	}
	leaves := make([]component.Component, n)
	for i := range leaves {
		leaves[i] = component.New("leaf", "1", i)
	}
	for name, c := range map[string]component.Component{"chain": chain, "star": component.New("sum", "1", nil, leaves...)} {
		key, preimage, err := keying.Hash{}.Preimage(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := keying.Decode(preimage)
		if err != nil || len(d.Inputs) != len(c.Inputs()) {
			t.Fatalf("%s: %d inputs, %v, want %d", name, len(d.Inputs), err, len(c.Inputs()))
		}
		if again, err := (keying.Hash{}).Key(t.Context(), d.Component()); again != key || err != nil {
			t.Errorf("%s: key of the description is %q, %v, want %q", name, again, err, key)
		}
	}
}

func TestTooManyInputs(t *testing.T) {
	one := component.New("leaf", "1", nil)
	inputs := make([]component.Component, keying.MaxPreimage/66+1)
	for i := range inputs {
		inputs[i] = one
	}
	_, err := keying.Hash{}.Key(t.Context(), component.New("sum", "1", nil, inputs...))
	var e *keying.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Path, "inputs[") || !strings.Contains(err.Error(), "16777216 bytes") {
		t.Errorf("Key = %v, want an error at an input with the limit", err)
	}
}

func TestCycle(t *testing.T) {
	a := &counted{name: "a"}
	b := &counted{name: "b", inputs: []component.Component{a}}
	a.inputs = []component.Component{b}
	for _, g := range generators {
		_, err := g.Key(t.Context(), component.New("top", "1", nil, a))
		var e *component.CycleError
		if !errors.As(err, &e) || !strings.HasSuffix(err.Error(), `"a" ← "b" ← "a"`) {
			t.Errorf("%T.Key = %v, want the loop", g, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	chain := component.Component(&counted{name: "source"})
	for range 1000 {
		chain = component.New("step", "1", nil, chain)
	}
	cancelling := &cancels{cancel: cancel}
	chain = component.New("top", "1", nil, cancelling, chain)
	if _, err := (keying.Hash{}).Key(ctx, chain); !errors.Is(err, context.Canceled) {
		t.Errorf("Key cancelled in the middle = %v, want context.Canceled", err)
	}
	if _, err := (keying.Hash{}).Key(ctx, component.New("t", "1", nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("Key cancelled before = %v, want context.Canceled", err)
	}
}

// cancels is a component that cancels the making of its key.
type cancels struct{ cancel func() }

func (c *cancels) Type() string                  { return "cancels" }
func (c *cancels) Version() string               { return "1" }
func (c *cancels) Parameters() any               { c.cancel(); return nil }
func (c *cancels) Inputs() []component.Component { return nil }

func TestNilComponents(t *testing.T) {
	var typed *counted
	for name, c := range map[string]component.Component{
		"nil":               nil,
		"nil pointer":       typed,
		"nil input":         component.New("t", "1", nil, nil),
		"nil pointer input": component.New("t", "1", nil, component.New("u", "1", nil), typed),
		"nil as of":         component.WithAsOf(nil, time.Unix(1, 0)),
	} {
		for _, g := range generators {
			if key, err := g.Key(t.Context(), c); err == nil || !strings.Contains(err.Error(), "nil") {
				t.Errorf("%T.Key of %s = %q, %v, want an error", g, name, key, err)
			}
		}
		if name == "nil" || name == "nil pointer" {
			if _, err := (keying.Hash{}).KeyFrom(c); err == nil {
				t.Errorf("KeyFrom of %s succeeded", name)
			}
		}
	}
}

// A key known by itself, at every place where a component can stand, is as good as
// the whole component.
func TestRefStandsForTheWhole(t *testing.T) {
	whole := component.New("in", "1", 0.5, component.New("deeper", "1", nil))
	other := component.New("other", "1", nil)
	for _, g := range generators {
		known, err := g.Key(t.Context(), whole)
		if err != nil {
			t.Fatal(err)
		}
		ref := component.Ref(known)
		if got, err := g.Key(t.Context(), ref); got != known || err != nil {
			t.Errorf("%T.Key(Ref) = %q, %v, want %q", g, got, err, known)
		}
		if got, preimage, err := g.Preimage(t.Context(), ref); got != known || preimage != nil || !errors.Is(err, keying.ErrNoPreimage) {
			t.Errorf("%T.Preimage(Ref) = %q, %x, %v, want the key with ErrNoPreimage", g, got, preimage, err)
		}
		for _, use := range []func(in component.Component) component.Component{
			func(in component.Component) component.Component { return component.New("t", "1", nil, in) },
			func(in component.Component) component.Component { return component.New("t", "1", nil, in, other) },
			func(in component.Component) component.Component { return component.New("t", "1", nil, other, in, in) },
			func(in component.Component) component.Component {
				return component.New("t", "1", nil, component.New("u", "1", nil, other, in))
			},
		} {
			want, preimage, err := g.Preimage(t.Context(), use(whole))
			if err != nil {
				t.Fatal(err)
			}
			got, again, err := g.Preimage(t.Context(), use(ref))
			if got != want || string(again) != string(preimage) || err != nil {
				t.Errorf("%T: key with a Ref is %q, %v, want %q", g, got, err, want)
			}
		}
		for _, bad := range []string{"", "short", strings.ToUpper(known), known + "0", "A-" + inputA, "__-" + inputA, strings.Repeat("a", 136) + "-" + inputA, "a/-" + inputA, "a" + inputA} {
			if _, err := g.Key(t.Context(), component.Ref(bad)); err == nil || len(err.Error()) > 300 {
				t.Errorf("%T.Key(Ref(%q)) = %v, want an error", g, bad, err)
			}
		}
	}
}

func TestKeyFrom(t *testing.T) {
	a, b := component.New("a", "1", nil), component.New("b", "1", 2)
	c := component.WithAsOf(component.New("t", "1", twenty(), a, b), time.Unix(1, 0))
	type from interface {
		keying.KeyGenerator
		KeyFrom(c component.Component, inputs ...string) (string, error)
	}
	for _, g := range []from{keying.Hash{}, keying.Readable{}} {
		var keys []string
		for _, c := range []component.Component{a, b, c} {
			key, err := g.Key(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		if got, err := g.KeyFrom(c, keys[0], keys[1]); got != keys[2] || err != nil {
			t.Errorf("%T.KeyFrom = %q, %v, want %q", g, got, err, keys[2])
		}
		if got, err := g.KeyFrom(c, keys[1], keys[0]); got == keys[2] || err != nil {
			t.Errorf("%T.KeyFrom of other inputs = %q, %v, want another key", g, got, err)
		}
		if _, err := g.KeyFrom(c, keys[0], "short"); err == nil || !strings.Contains(err.Error(), "inputs[1]") {
			t.Errorf("%T.KeyFrom with a bad key = %v, want an error at inputs[1]", g, err)
		}
		if got, err := g.KeyFrom(component.Ref(keys[2])); got != keys[2] || err != nil {
			t.Errorf("%T.KeyFrom(Ref) = %q, %v, want %q", g, got, err, keys[2])
		}
	}
}

// Every answer of a component is in its key.
func TestEveryAnswerCounts(t *testing.T) {
	in, in2 := component.New("in", "1", nil), component.New("in", "2", nil)
	same := component.New("t", "1", 1, in)
	for _, g := range generators {
		keys := map[string]string{}
		for name, c := range map[string]component.Component{
			"as it is":                same,
			"another type":            component.New("u", "1", 1, in),
			"another version":         component.New("t", "2", 1, in),
			"other parameters":        component.New("t", "1", 2, in),
			"no parameters":           component.New("t", "1", nil, in),
			"another input":           component.New("t", "1", 1, in2),
			"no input":                component.New("t", "1", 1),
			"input twice":             component.New("t", "1", 1, in, in),
			"as of 1970":              component.WithAsOf(same, time.Unix(0, 0)),
			"as of 1 ns later":        component.WithAsOf(same, time.Unix(0, 1)),
			"type and version joined": component.New("t1", "", 1, in),
			"an input as of 1970":     component.New("t", "1", 1, component.WithAsOf(in, time.Unix(0, 0))),
		} {
			key, err := g.Key(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if other, taken := keys[key]; taken {
				t.Errorf("%T: %s and %s have one key", g, name, other)
			}
			keys[key] = name
		}
	}
}

func TestReadable(t *testing.T) {
	long := strings.Repeat("long ", 100)
	for _, c := range []component.Component{
		component.New("t", "1", nil), component.New(long, long, map[string]any{long: long}, component.New(long, "", nil)), component.New("..", "__", []any{".", "_"}),
		component.New("/", "", "."), component.New("a/", "", nil), component.New("_", "_", "_"),
	} {
		key, err := keying.Readable{}.Key(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := (backend.Key{Shelf: "s", Name: key}).Validate(); err != nil {
			t.Errorf("%q is no key of a backend: %v", key, err)
		}
	}
	// Words that are equal do not make keys equal.
	a, err := keying.Readable{}.Key(t.Context(), component.New(long+"a", "1", nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := keying.Readable{}.Key(t.Context(), component.New(long+"b", "1", nil))
	if err != nil {
		t.Fatal(err)
	}
	if a == b || a[:len(a)-64] != b[:len(b)-64] {
		t.Errorf("keys %q and %q, want equal words and other digits", a, b)
	}
	if len(a) != keying.MaxSegment {
		t.Errorf("a long key has %d bytes, want %d", len(a), keying.MaxSegment)
	}
}

// Keys are made in many goroutines from one component.
func TestConcurrent(t *testing.T) {
	c := component.New("t", "1", map[string]any{"a": twenty(), "b": growing{Order: 1}, "c": map[channel]mode{1: 1}}, diamonds(10))
	want, err := keying.Hash{}.Key(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	type fresh struct { // a type whose plan is made by all at once
		A *fresh
		M map[string]*fresh
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got, err := (keying.Hash{}).Key(bare, c); got != want || err != nil {
					t.Errorf("Key = %q, %v, want %q", got, err, want)
				}
				if _, err := (keying.Hash{}).Key(bare, component.New("t", "1", fresh{M: map[string]*fresh{"x": {}}})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Making a key allocates the key and, now and then, a buffer.
func TestAllocations(t *testing.T) {
	c := component.New("spikes.Detect", "1.2.0", twenty())
	n := testing.AllocsPerRun(100, func() {
		if _, err := (keying.Hash{}).KeyFrom(c, inputA, inputB); err != nil {
			t.Fatal(err)
		}
	})
	if limit := 3.0; n > limit && !raceEnabled {
		t.Errorf("KeyFrom allocates %v times, want at most %v", n, limit)
	}
}

// Values that were encoded are not kept alive by the pool of encoders.
func TestEncoderLetsGo(t *testing.T) {
	bad := twenty()
	bad["bad"] = map[string]any{"worse": func() {}}
	for name, v := range map[string]any{"a map": twenty(), "a map that is refused": bad, "maps in a list": []any{twenty(), twenty()}} {
		if kept := keying.KeptAfter(v); kept != 0 {
			t.Errorf("after %s an encoder keeps %d entries, want none", name, kept)
		}
	}
}

// Depth is what lies within each other, not what lies side by side.
func TestSiblingsAreNotDepth(t *testing.T) {
	lists := make([]any, 3*keying.MaxDepth)
	for i := range lists {
		lists[i] = []any{[]any{map[string]any{}, map[int]any{}, struct{}{}, [0]int{}, ptr(ptr(1))}}
	}
	key, preimage, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", lists))
	if err != nil {
		t.Fatal(err)
	}
	d, err := keying.Decode(preimage)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := (keying.Hash{}).Key(t.Context(), d.Component()); again != key || err != nil {
		t.Errorf("key of the description is %q, %v, want %q", again, err, key)
	}
}

// A pre-image may be as large as the limit says, and not a byte larger.
func TestLargestPreimage(t *testing.T) {
	_, small, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", []byte{}))
	if err != nil {
		t.Fatal(err)
	}
	room := keying.MaxPreimage - len(small) - 4 // the head of many bytes is 4 longer
	_, largest, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", make([]byte, room)))
	if err != nil || len(largest) != keying.MaxPreimage {
		t.Fatalf("a pre-image of %d bytes, %v, want %d", len(largest), err, keying.MaxPreimage)
	}
	if _, err := keying.Decode(largest); err != nil {
		t.Errorf("Decode of the largest = %v", err)
	}
	if _, err := (keying.Hash{}).Key(t.Context(), component.New("t", "1", make([]byte, room+1))); err == nil {
		t.Error("Key with a byte more succeeded")
	}
	start := bytes.IndexByte(largest, 0x5a) // the head of the bytes
	binary.BigEndian.PutUint32(largest[start+1:], uint32(room+1))
	if _, err := keying.Decode(slices.Insert(largest, start+5, 0)); !errors.Is(err, keying.ErrMalformed) || !strings.Contains(err.Error(), "16777217 bytes") {
		t.Errorf("Decode of a byte more = %v, want ErrMalformed with the limit", err)
	}
}

// A pre-image belongs to the caller.
func TestPreimageIsACopy(t *testing.T) {
	a, b := component.New("a", "1", twenty()), component.New("b", "1", twenty())
	_, preimage, err := keying.Hash{}.Preimage(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	before := string(preimage)
	for range 10 {
		if _, err := (keying.Hash{}).Key(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if string(preimage) != before {
		t.Error("the pre-image changed when the next one was made")
	}
}

// Of several clashes the same one is named, whatever order the map is ranged over in.
func TestErrorsAreSteady(t *testing.T) {
	m := map[any]any{}
	for i := range 20 {
		m[i], m[float64(i)] = 1, 2
	}
	for range 20 {
		_, err := keying.Hash{}.Key(t.Context(), component.New("t", "1", m))
		if want := fmt.Sprintf("%s[0]: two keys", "parameters"); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("Key = %v, want the first clash", err)
		}
	}
}
