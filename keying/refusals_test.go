package keying_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// refusal is a component that has no key.
type refusal struct {
	name  string
	c     component.Component
	path  string // where the fault is
	why   string // part of what is said about it
	graph string // the same in the notation of golden.json; empty if only Go can make it
}

type (
	kernel interface{ At(float64) float64 }
	gauss  struct{ Width float64 }

	hidden struct {
		Order int
		cache map[string]int
	}
	twins struct {
		A int `larder:"n"`
		B int `json:"n"`
	}
	shadow struct {
		plain
		Order int
	}
	misspelt struct {
		A int `larder:"a,omitempty"`
	}
	stamped struct { // MarshalText of time.Time would leave out Width
		time.Time
		Width float64
	}
	dull struct { // IsZero of celsius would not look at Width
		celsius
		Width float64
	}
	byPointer struct{ *plain }
	list      struct{ Next *list }
	badText   struct{}
	panicky   struct{}
	zeroer    struct{ N int }
	stage     struct{ N int }
	badName   struct {
		A int `larder:"\xff"`
	}
)

func (gauss) At(float64) float64 { return 1 }

func (badText) MarshalText() ([]byte, error) { return []byte{0xff}, nil }
func (panicky) MarshalText() ([]byte, error) { panic("no text today") }
func (zeroer) IsZero() bool                  { panic("no zero today") }

func (s stage) Type() string                  { return "stage" }
func (s stage) Version() string               { return "1" }
func (s stage) Parameters() any               { return s }
func (s stage) Inputs() []component.Component { return nil }

// with is a component whose parameters have v in them.
func with(v any) component.Component {
	return component.New("t", "1", map[string]any{"filter": map[string]any{"x": v}})
}

// at is the same in the notation of golden.json.
func at(note string) string {
	return `[{"type":"t","version":"1","parameters":{"map":[["filter",{"map":[["x",` + note + `]]}]]}}]`
}

const x = "parameters.filter.x"

func refusals() []refusal {
	loop := &list{}
	loop.Next = loop
	ring := map[string]any{}
	ring["a"] = map[string]any{"b": ring}
	worm := []any{1, nil}
	worm[1] = worm
	var self any
	self = &self
	ok := component.New("ok", "1", nil)
	return []refusal{
		{"func", component.New("t", "1", map[string]any{"filter": map[string]any{"fn": func() {}}}), "parameters.filter.fn", "func is not data", ""},
		{"func that is nil", with((func())(nil)), x, "func is not data", ""},
		{"channel", with(make(chan int)), x, "chan is not data", ""},
		{"uintptr", with(uintptr(1)), x, "uintptr is an address", ""},
		{"unsafe.Pointer", with(unsafe.Pointer(nil)), x, "unsafe.Pointer is not data", ""},
		{"complex", with([]complex128{1}), x + "[0]", "real and imaginary part", ""},
		{"func as the parameters", component.New("t", "1", func() {}), "parameters", "func is not data", ""},

		{"unexported field", with([]hidden{{1, nil}}), x + "[0].cache", "unexported field", ""},
		{"mutex", with(struct{ Mu sync.Mutex }{}), x + ".Mu.", "unexported field", ""},
		{"unexported field of another package", with(&url.URL{User: url.User("me")}), x + ".User.", "unexported field", ""},
		{"two fields of one name", with(twins{}), x + ".n", "two fields", ""},
		{"field that hides another", with(shadow{}), x + ".Order", "two fields", ""},
		{"embedded pointer", with(byPointer{&plain{}}), x + ".plain", "embedded pointer", ""},
		{"omitzero on an embedded struct", with(struct {
			plain `larder:",omitzero"`
		}{}), x + ".plain", "omitzero on an embedded struct", ""},
		{"unknown option", with(misspelt{}), x + ".A", `unknown option "omitempty"`, ""},
		{"name that is not UTF-8", with(badName{}), x + ".A", "not valid UTF-8", ""},
		{"MarshalText of an embedded type", with(stamped{}), x, "would leave out its other fields", ""},
		{"IsZero of an embedded type", with(struct {
			D dull `larder:",omitzero"`
		}{}), x + ".D", "does not look at its other fields", ""},

		{"cyclic pointer", with(loop), x + ".Next", "*keying_test.list is cyclic", ""},
		{"pointer to itself", with(self), x, "is cyclic", ""},
		{"cyclic map", with(ring), x + ".a.b", "map[string]interface {} is cyclic", ""},
		{"cyclic slice", with(worm), x + "[1]", "[]interface {} is cyclic", ""},
		{"too deep", component.New("t", "1", deep(101)), "parameters" + strings.Repeat("[0]", 100), "nested too deep", `[{"type":"t","version":"1","parameters":{"deep":101}}]`},
		{"too large", with(make([]struct{}, keying.MaxPreimage)), x, "16777216 bytes", ""},

		{"text that is not UTF-8", with("a\xff"), x, "not valid UTF-8", at(`{"utf8":"61ff"}`)},
		{"text with a surrogate", with("\xed\xa0\x80"), x, "not valid UTF-8", at(`{"utf8":"eda080"}`)},
		{"text in an overlong form", with("\xc0\x80"), x, "not valid UTF-8", at(`{"utf8":"c080"}`)},
		{"key that is not UTF-8", component.New("t", "1", map[string]any{"\xff": 1}), `parameters["\xff"]`, "not valid UTF-8", ""},
		{"MarshalText that is not UTF-8", with(badText{}), x, "not valid UTF-8", ""},
		{"MarshalText that fails", with(mode(-1)), x, "no such mode", ""},
		{"MarshalText that panics", with(panicky{}), x, "no text today", ""},
		{"IsZero that panics", with(struct {
			Z zeroer `larder:"z,omitzero"`
		}{}), x + ".z", "no zero today", ""},

		{"keys equal after reduction", with(map[any]any{1: "a", 1.0: "b"}), x + "[1]", "float64 1 and int 1", at(`{"map":[[{"int":"1"},"a"],[{"float64":"3ff0000000000000"},"b"]]}`)},
		{"keys equal as text", with(map[any]any{label("a b"): 1, "a b": 2}), x + `["a b"]`, "keying_test.label a b and string a b", at(`{"map":[["a b",{"int":"1"}],["a b",{"int":"2"}]]}`)},
		{"two NaNs as keys", with(map[float64]int{math.NaN(): 1, math.Float64frombits(0x7ff8000000000002): 2}), x + "[NaN]", "two keys", at(`{"map":[[{"float64":"7ff8000000000001"},{"int":"1"}],[{"float64":"7ff8000000000002"},{"int":"2"}]]}`)},
		{"0 and -0 as keys", with(map[any]any{0: 1, math.Copysign(0, -1): 2}), x + "[0]", "two keys", at(`{"map":[[{"int":"0"},{"int":"1"}],[{"float64":"8000000000000000"},{"int":"2"}]]}`)},
		{"nil as a key", with(map[any]int{nil: 1}), x + "[<nil>]", "nil is no key", ""},
		{"struct as a key", with(map[notch]int{{50}: 1}), x + "[a keying_test.notch]", "is no key of a map", ""},
		{"array as a key", with(map[[1]byte]int{{50}: 1}), x + "[a [1]uint8]", "is no key of a map", ""},
		{"pointer as a key", with(map[any]int{(*string)(nil): 1}), x + "[a *string]", "*string is no key of a map", ""},
		{"time as a key", with(map[any]int{time.Time{}: 1}), x + "[a time.Time]", "is no key of a map", ""},
		{"integer beyond 64 bits as a key", with(map[float64]int{0x1p64: 1}), x + "[1.8446744073709552e+19]", "within 64 bits", ""},
		{"negative integer beyond 64 bits as a key", with(map[json.Number]int{"-9223372036854775809": 1}), x + "[-9223372036854775809]", "within 64 bits", at(`{"map":[[{"int":"-9223372036854775809"},{"int":"1"}]]}`)},

		{"year 0", with(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)), x, "year 0", ""},
		{"year 10000", with(time.Date(9999, 12, 31, 23, 30, 0, 0, time.FixedZone("", -3600))), x, "year 10000", at(`{"time":"9999-12-31T23:30:00-01:00"}`)},
		{"integer of 4097 bits", with(new(big.Int).Lsh(big.NewInt(1), 4096)), x, "4097 bits", at(`{"int":"` + new(big.Int).Lsh(big.NewInt(1), 4096).String() + `"}`)},
		{"big.Float beyond a float64", with(new(big.Float).SetPrec(200).Quo(big.NewFloat(1), big.NewFloat(3))), x, "no float64", ""},
		{"big.Float of a billion bits", with(new(big.Float).SetMantExp(big.NewFloat(1), 1<<30)), x, "4096 are allowed", ""},
		{"big.Float too small", with(new(big.Float).SetMantExp(big.NewFloat(1), -1<<30)), x, "no float64", ""},
		{"big.Rat 1/3", with(big.NewRat(1, 3)), x, "no float64", ""},
		{"json.Number that is none", with(json.Number("0x10")), x, "is not a number", ""},
		{"json.Number that is empty", with(json.Number("")), x, "is not a number", ""},
		{"json.Number with too many digits", with(json.Number("0.1000000000000000000001")), x, "more digits", ""},
		{"json.Number of 16 digits that are rounded", with(json.Number("9007199254740993.0")), x, "more digits", ""},
		{"json.Number of 17 digits that are rounded", with(json.Number("1.0000000000000001")), x, "more digits", ""},
		{"json.Number too large", with(json.Number("1e999999999")), x, "no float64", ""},
		{"json.Number too small", with(json.Number("1e-999999999")), x, "more digits", ""},

		{"interface with methods", with(struct{ K kernel }{gauss{1}}), x + ".K", "another type with the same fields", ""},
		{"interface with methods as a key", with(map[kernel]int{flat(1): 1}), x + "[1]", "another type with the same value", ""},
		{"key that holds itself", with(map[any]int{knot(): 1}), x + "[a *map[string]interface {}]", "is no key of a map", ""},
		{"component as the parameters", component.New("t", "1", stage{1}), "parameters", "give it as an input", ""},
		{"component as the parameters, with a moment", component.WithAsOf(component.New("t", "1", stage{1}), time.Unix(1, 0)), "parameters", "give it as an input", ""},
		{"moment that a wrapper loses", wrapper{component.WithAsOf(ok, time.Unix(1, 0))}, "asOf", "which may name a moment", ""},
		{"moment that a wrapper's wrapper loses", &wrapper{wrapper{component.WithAsOf(ok, time.Unix(1, 0))}}, "asOf", "which may name a moment", ""},
		{"type declared in a function", local(), "type", "it is empty", ""},
		{"type of what an interface holds", localInInterface(), "type", "it is empty", ""},
		{"type argument declared in a function", localArgument(), "type", "it is empty", ""},

		{"component as a parameter", with(stage{1}), x, "give it as an input", ""},
		{"component in an interface", with([]component.Component{ok}), x + "[0]", "give it as an input", ""},

		{"no type", component.New("", "1", nil), "type", "it is empty", `[{"type":""}]`},
		{"value without a type name", component.Of(map[string]any{}, "1"), "type", "it is empty", ""},
		{"type that is not UTF-8", component.New("\xff", "1", nil), "type", "not valid UTF-8", `[{"type":{"utf8":"ff"}}]`},
		{"version that is not UTF-8", component.New("t", "\xff", nil), "version", "not valid UTF-8", `[{"type":"t","version":{"utf8":"ff"}}]`},
		{"reserved type", component.New("larder.Ref", "1", nil), "type", "component.Ref", `[{"type":"larder.Ref"}]`},
		{"moment of a known key", component.WithAsOf(component.Ref(inputA), time.Unix(1, 0)), "type", "component.Ref", ""},
		{"known key in another form", component.New("t", "1", nil, ok, component.Ref(strings.ToUpper(inputA))), "inputs[1]", "no key of keying.Hash", `[{"type":"ok","version":"1"},{"type":"t","version":"1","inputs":[0,{"key":"` + strings.ToUpper(inputA) + `"}]}]`},
		{"moment beyond the years", component.WithAsOf(ok, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), "asOf", "year 10000", ""},
	}
}

// wrapper logs, say, and embeds what it wraps.
type wrapper struct{ component.Component }

// selfish embeds itself.
type selfish struct{ *selfish }

func (selfish) Type() string                  { return "selfish" }
func (selfish) Version() string               { return "1" }
func (selfish) Parameters() any               { return nil }
func (selfish) Inputs() []component.Component { return nil }

func TestEmbedsItself(t *testing.T) {
	s := &selfish{}
	s.selfish = s
	if key, err := (keying.Hash{}).Key(t.Context(), s); err != nil || key == "" {
		t.Errorf("Key = %q, %v", key, err)
	}
}

// flat is a kernel that is a number to a map.
type flat int

func (flat) At(float64) float64 { return 1 }

// knot returns what no program can print: it holds itself.
func knot() any {
	m := map[string]any{}
	m["self"] = m
	return &m
}

type box[T any] struct{ In T }

func local() component.Component {
	type inner struct{ N int }
	return component.Of(inner{1}, "1")
}

func localInInterface() component.Component {
	type inner struct{ N int }
	var v any = inner{1}
	return component.Of(v, "1")
}

func localArgument() component.Component {
	type inner struct{ N int }
	return component.Of(box[inner]{}, "1")
}

// What is told apart has different keys, and what is the same thing has one.
func TestOwnParameters(t *testing.T) {
	own := stage{1}
	for _, c := range []component.Component{own, &own, component.Of(own, "1"), component.Of(&own, "1"), component.WithAsOf(component.Of(own, "1"), time.Unix(1, 0)), component.WithAsOf(own, time.Unix(1, 0))} {
		if _, err := (keying.Hash{}).Key(t.Context(), c); err != nil {
			t.Errorf("a component that is its own parameters: %v", err)
		}
	}
	if _, err := (keying.Hash{}).Key(t.Context(), wrapper{component.New("t", "1", nil)}); err != nil {
		t.Errorf("a wrapper around a component without a moment: %v", err)
	}
}

// An error can be printed and logged, whatever the names in it are.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("\u202e\x00", 100_000)
	var nested any = func() {}
	for range 90 {
		nested = map[string]any{long[:400]: nested}
	}
	for name, c := range map[string]component.Component{
		"type":    component.New(long, "1", func() {}),
		"path":    component.New("t", "1", nested),
		"message": component.New("t", "1", loud{long}),
		"input":   component.New(long, "1", nil, nil),
		"cycle":   &loop{long},
	} {
		_, err := keying.Hash{}.Key(t.Context(), c)
		if err == nil || len(err.Error()) >= 4096 {
			t.Errorf("%s: an error of %d bytes", name, len(fmt.Sprint(err)))
		}
	}
}

type loud struct{ text string }

func (l loud) MarshalText() ([]byte, error) { return nil, errors.New(l.text) }

// loop is an input of itself.
type loop struct{ typ string }

func (l *loop) Type() string                  { return l.typ }
func (l *loop) Version() string               { return "" }
func (l *loop) Parameters() any               { return nil }
func (l *loop) Inputs() []component.Component { return []component.Component{l} }

func TestRefusals(t *testing.T) {
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			for _, g := range []keying.Preimager{keying.Hash{}, keying.Readable{}} {
				key, preimage, err := g.Preimage(t.Context(), r.c)
				var e *keying.Error
				if !errors.As(err, &e) || key != "" || preimage != nil {
					t.Fatalf("%T.Preimage = %q, %x, %v, want a *keying.Error alone", g, key, preimage, err)
				}
				if !strings.HasPrefix(e.Path, r.path) || !strings.HasSuffix(r.path, ".") && e.Path != r.path {
					t.Errorf("%T: path %q, want %q", g, e.Path, r.path)
				}
				why := r.why
				if _, ok := g.(keying.Readable); ok {
					why = strings.ReplaceAll(why, "keying.Hash", "keying.Readable")
				}
				if !strings.Contains(e.Err.Error(), why) {
					t.Errorf("%T: %q, want %q in it", g, e.Err, why)
				}
				if want := fmt.Sprintf("component %q: %s: %v", r.c.Type(), e.Path, e.Err); err.Error() != want {
					t.Errorf("%T: %q, want %q", g, err, want)
				}
				if len(err.Error()) > 1000 {
					t.Errorf("%T: an error of %d bytes", g, len(err.Error()))
				}
			}
		})
	}
}

// A fault in an input names the input's type.
func TestRefusalNamesTheComponent(t *testing.T) {
	bad := component.New("bad", "1", func() {})
	c := component.New("top", "1", nil, component.New("middle", "1", nil, bad))
	_, err := keying.Hash{}.Key(t.Context(), c)
	if want := `component "bad": parameters: func is not data`; err == nil || err.Error() != want {
		t.Errorf("Key = %v, want %s", err, want)
	}
}

// What would be huge is refused before it takes memory.
func TestRefusalTakesNoMemory(t *testing.T) {
	huge := component.New("t", "1", new(big.Float).SetMantExp(big.NewFloat(1), math.MaxInt32-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := keying.Hash{}.Key(t.Context(), huge)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; err == nil || allocated > 1<<20 {
		t.Errorf("Key = %v with %d bytes allocated, want an error with little", err, allocated)
	}
}

// A pointer as a key of a map is refused, whatever it leads to.
func TestRefusesPointersAsKeys(t *testing.T) {
	for _, m := range []any{map[*string]int{ptr("a"): 1}, map[any]int{ptr("a"): 1}, map[*big.Int]int{big.NewInt(1): 1}, map[*time.Time]int{ptr(time.Time{}): 1}, map[*mode]int{ptr(mode(1)): 1}} {
		if key, err := (keying.Hash{}).Key(t.Context(), component.New("t", "1", m)); err == nil || !strings.Contains(err.Error(), "is no key of a map") {
			t.Errorf("Key of a %T = %q, %v, want an error", m, key, err)
		}
	}
}

// After a refusal the generator works as before: nothing of it is left in a pool.
func TestRefusalLeavesNothing(t *testing.T) {
	good := component.New("t", "1", twenty())
	want, err := keying.Hash{}.Key(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refusals() {
		if _, err := (keying.Hash{}).KeyFrom(r.c); err == nil && len(r.c.Inputs()) == 0 {
			t.Errorf("KeyFrom of %s succeeded", r.name)
		}
		if got, err := (keying.Hash{}).Key(t.Context(), good); got != want || err != nil {
			t.Fatalf("after %s: Key = %v, %v, want %v", r.name, got, err, want)
		}
	}
}
