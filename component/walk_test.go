package component_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

// visits walks and returns what was visited as "type(places of inputs)".
func visits(t *testing.T, root component.Component) []string {
	t.Helper()
	var got []string
	err := component.Walk(t.Context(), root, func(c component.Component, inputs []int) error {
		got = append(got, fmt.Sprintf("%s%v", c.Type(), inputs))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWalkOrder(t *testing.T) {
	a := component.New("a", "1", nil)
	b := component.New("b", "1", nil, a)
	c := component.New("c", "1", nil, b, a, b)
	d := component.New("d", "1", nil, a, c, component.New("e", "1", nil, c), b)
	want := []string{"a[]", "b[0]", "c[1 0 1]", "e[2]", "d[0 2 3 1]"}
	if got := visits(t, d); !slices.Equal(got, want) {
		t.Errorf("visits %v, want %v", got, want)
	}
}

// byValue is a component that is compared by what it holds.
type byValue struct {
	name string
	in   component.Component
}

func (c byValue) Type() string    { return c.name }
func (c byValue) Version() string { return "1" }
func (c byValue) Parameters() any { return nil }
func (c byValue) Inputs() []component.Component {
	if c.in == nil {
		return nil
	}
	return []component.Component{c.in}
}

// withMap is a component that cannot be compared.
type withMap struct {
	params map[string]any
	inputs []component.Component
}

func (c withMap) Type() string                  { return "map" }
func (c withMap) Version() string               { return "1" }
func (c withMap) Parameters() any               { return c.params }
func (c withMap) Inputs() []component.Component { return c.inputs }

// array is a component with more parts than are compared one by one.
type array [1000]byte

func (array) Type() string                  { return "array" }
func (array) Version() string               { return "1" }
func (a array) Parameters() any             { return a }
func (array) Inputs() []component.Component { return nil }

// lists is a component with an array of what cannot be compared.
type lists [1]any

func (lists) Type() string                  { return "lists" }
func (lists) Version() string               { return "1" }
func (l lists) Parameters() any             { return l[:] }
func (lists) Inputs() []component.Component { return nil }

// twice is a component that holds its inputs by value.
type twice struct{ left, right component.Component }

func (c twice) Type() string                  { return "twice" }
func (c twice) Version() string               { return "1" }
func (c twice) Parameters() any               { return nil }
func (c twice) Inputs() []component.Component { return []component.Component{c.left, c.right} }

// fresh is a component that makes its inputs at each call.
type fresh struct{ depth int }

func (c *fresh) Type() string    { return "fresh" }
func (c *fresh) Version() string { return "1" }
func (c *fresh) Parameters() any { return c.depth }
func (c *fresh) Inputs() []component.Component {
	return []component.Component{&fresh{c.depth + 1}, &fresh{c.depth + 1}}
}

func TestWalkIdentity(t *testing.T) {
	a := byValue{"a", nil}
	pointer := component.New("p", "1", nil)
	noon := time.Unix(1, 0)
	uncomparable := withMap{params: map[string]any{}}
	for _, tt := range []struct {
		name string
		root component.Component
		want int // visits
	}{
		{"equal values", component.New("t", "1", nil, byValue{"a", nil}, a, byValue{"b", a}), 3},
		{"one pointer", component.New("t", "1", nil, pointer, pointer), 2},
		{"two pointers", component.New("t", "1", nil, pointer, component.New("p", "1", nil)), 3},
		{"equal moments", component.New("t", "1", nil, component.WithAsOf(pointer, noon), component.WithAsOf(pointer, noon)), 2},
		{"values that cannot be compared", component.New("t", "1", nil, uncomparable, uncomparable), 3},
		{"values with such in them", component.New("t", "1", nil, byValue{"b", uncomparable}, byValue{"b", uncomparable}), 5},
		{"values with arrays", component.New("t", "1", nil, array{1}, array{1}, array{2}, lists{[]int{}}, lists{[]int{}}), 5},
		{"equal references", component.New("t", "1", nil, component.Ref("k"), component.Ref("k"), component.Ref("l")), 3},
	} {
		if got := visits(t, tt.root); len(got) != tt.want {
			t.Errorf("%s: %d visits %v, want %d", tt.name, len(got), got, tt.want)
		}
	}
}

// A graph that cannot be recognised as small ends in an error with advice, and soon.
func TestWalkTooMany(t *testing.T) {
	values := component.Component(byValue{"a", nil})
	maps := component.Component(withMap{})
	for range 60 {
		values = twice{values, values}
		maps = withMap{inputs: []component.Component{maps, maps}}
	}
	self := withMap{inputs: make([]component.Component, 1)}
	self.inputs[0] = self // a cycle that cannot be recognised
	for name, root := range map[string]component.Component{
		"diamonds by value": values, "diamonds of maps": maps, "fresh pointers": &fresh{}, "cycle of maps": self,
	} {
		err := component.WalkUpTo(t.Context(), root, 10_000)
		if !errors.Is(err, component.ErrTooMany) || !strings.Contains(err.Error(), "same pointers at each call") || !strings.Contains(err.Error(), root.Type()) {
			t.Errorf("%s: Walk = %v, want ErrTooMany with advice", name, err)
		}
	}
	// The root counts too.
	for n, want := range map[int]error{component.MaxComponents - 1: nil, component.MaxComponents: component.ErrTooMany} {
		wide := component.New("wide", "1", nil, slices.Repeat([]component.Component{withMap{}}, n)...)
		if err := component.Walk(t.Context(), wide, func(component.Component, []int) error { return nil }); !errors.Is(err, want) {
			t.Errorf("Walk of %d inputs = %v, want %v", n, err, want)
		}
	}
}

func TestWalkDeepByValue(t *testing.T) {
	c := byValue{"source", nil}
	for range 20_000 {
		c = byValue{"step", c}
	}
	if got := len(visits(t, c)); got != 20_001 {
		t.Errorf("%d visits, want 20001", got)
	}
}

func TestWalkDeep(t *testing.T) {
	const n = 100_000
	c := component.New("source", "1", nil)
	for range n {
		c = component.New("step", "1", nil, c)
	}
	got := visits(t, c)
	if len(got) != n+1 || got[0] != "source[]" || got[n] != fmt.Sprintf("step[%d]", n-1) {
		t.Errorf("%d visits that end in %s", len(got), got[len(got)-1])
	}
}

// ring is a component whose inputs can be set later.
type ring struct {
	name   string
	inputs []component.Component
}

func (c *ring) Type() string                  { return c.name }
func (c *ring) Version() string               { return "1" }
func (c *ring) Parameters() any               { return nil }
func (c *ring) Inputs() []component.Component { return c.inputs }

func TestWalkCycle(t *testing.T) {
	self := &ring{name: "self"}
	self.inputs = []component.Component{self}
	a := &ring{name: "a"}
	b := &ring{name: "b", inputs: []component.Component{component.New("other", "1", nil), a}}
	c := &ring{name: "c\n", inputs: []component.Component{b}}
	a.inputs = []component.Component{c}
	for _, tt := range []struct {
		root component.Component
		loop string
	}{
		{self, `"self" ← "self"`},
		{component.New("top", "1", nil, component.New("x", "1", nil), a), `"a" ← "c\n" ← "b" ← "a"`},
	} {
		err := component.Walk(t.Context(), tt.root, func(component.Component, []int) error { return nil })
		var e *component.CycleError
		if !errors.As(err, &e) || !strings.HasSuffix(err.Error(), ": "+tt.loop) {
			t.Errorf("Walk = %v, want the loop %s", err, tt.loop)
		}
	}
	long := &ring{name: "0"}
	last := long
	for i := range 99_999 {
		last = &ring{name: fmt.Sprint(i + 1), inputs: []component.Component{last}}
	}
	long.inputs = []component.Component{last}
	err := component.Walk(t.Context(), long, func(component.Component, []int) error { return nil })
	var e *component.CycleError
	if !errors.As(err, &e) || len(e.Loop) != 100_000 || len(err.Error()) > 500 {
		t.Fatalf("Walk = %v, want a loop of 100000 in few words", err)
	}
	for _, want := range []string{`"0" ← "99999" ← `, `"99991" ← … 99980 more … ← "10" ← `, `← "1" ← "0"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Walk = %v, want %s in it", err, want)
		}
	}
}

func TestWalkErrors(t *testing.T) {
	var typed *ring
	for name, root := range map[string]component.Component{
		"nil": nil, "nil pointer": typed, "nil input": component.New("t", "1", nil, component.New("u", "1", nil), nil), "nil pointer input": component.New("t", "1", nil, component.New("u", "1", nil), typed),
	} {
		err := component.Walk(t.Context(), root, func(component.Component, []int) error { return nil })
		if err == nil || strings.Contains(name, "input") && err.Error() != `input 1 of component "t" is nil` {
			t.Errorf("Walk of %s = %v, want an error that names it", name, err)
		}
	}
	stop := errors.New("stop")
	chain := component.New("t", "1", nil, component.New("u", "1", nil))
	n := 0
	err := component.Walk(t.Context(), chain, func(component.Component, []int) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("Walk = %v after %d visits, want the visitor's error after one", err, n)
	}
}

func TestWalkCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := component.New("source", "1", nil)
	for range 1000 {
		c = component.New("step", "1", nil, c)
	}
	n := 0
	err := component.Walk(ctx, c, func(component.Component, []int) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 100 {
		t.Errorf("Walk = %v after %d visits, want context.Canceled soon after 10", err, n)
	}
}

// gain is comparable, and answers differently for 0 and -0, which are equal to ==.
type gain struct{ g float64 }

func (g gain) Type() string                  { return "gain" }
func (g gain) Version() string               { return fmt.Sprint(math.Signbit(g.g)) }
func (g gain) Parameters() any               { return nil }
func (g gain) Inputs() []component.Component { return nil }

type gains struct {
	gain
	more [2]float32
	z    complex128
}

// What Go takes for equal although it can be distinguished is not taken for the same component.
func TestNegativeZeroIsNoAlias(t *testing.T) {
	minus := math.Copysign(0, -1)
	for _, pair := range [][2]component.Component{
		{gain{0}, gain{minus}},
		{gains{gain: gain{1}, more: [2]float32{0, 0}}, gains{gain: gain{1}, more: [2]float32{0, float32(minus)}}},
		{gains{gain: gain{1}}, gains{gain: gain{1}, z: complex(0, minus)}},
	} {
		if pair[0] != pair[1] {
			t.Fatalf("%v and %v are not equal to ==: this tests nothing", pair[0], pair[1])
		}
		var versions []string
		err := component.Walk(t.Context(), component.New("root", "1", nil, pair[0], pair[1], pair[0]), func(c component.Component, _ []int) error {
			versions = append(versions, fmt.Sprint(c))
			return nil
		})
		if err != nil || len(versions) != 3 {
			t.Errorf("%v and %v: visited %q, %v; want both and the root", pair[0], pair[1], versions, err)
		}
	}
}
