package keying_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

// vector is one row of golden.json, from the side of Go.
type vector struct {
	name  string
	value any    // the parameters of a component of type "t", version "1"
	note  string // the same value in the notation of golden.json
}

// Types that occur in the vectors.
type (
	label   string
	gain    float32
	channel uint16
	octet   byte
	mode    int

	plain struct {
		Order  int
		Kind   string
		Cutoff float64
	}
	tagged struct {
		Order  int     `larder:"order" json:"n"`
		Kind   string  `json:"kind,omitempty"`
		Cutoff float64 `json:"-"`
		Hyphen bool    `larder:"-,"`
		Quoted int     `json:",string"`
	}
	excluding struct {
		Order    int
		Progress func(float64) `larder:"-"`
		verbose  bool          `larder:"-"`
		_        int
	}
	growing struct {
		Order  int
		Ripple float64    `larder:"ripple,omitzero"`
		Since  time.Time  `larder:",omitzero"`
		Limit  *int       `larder:"limit,omitzero"`
		Notch  notch      `larder:"notch,omitzero"`
		Pair   [2]float64 `larder:"pair,omitzero"`
	}
	notch struct{ Hz float64 }

	base struct {
		Order int
		inner
	}
	inner     struct{ Kind string }
	Shared    struct{ Rate float64 }
	embedding struct {
		base
		Shared `larder:"shared"`
		label2
		Cutoff float64
	}
	label2 struct{ Label label }
	outer1 struct {
		outer2
		D int
	}
	outer2 struct{ outer3 }
	outer3 struct{ outer4 }
	outer4 struct{ A, B, C int }
	Name   string
	naming struct {
		Name
		N int
	}

	celsius float64
	ratio   struct{ num, den int }
	probe   struct{ id string }
	stop    func()

	switching uint8
)

func (c celsius) IsZero() bool { return c == -273.15 }

func (m mode) MarshalText() ([]byte, error) {
	if m < 0 {
		return nil, errors.New("no such mode")
	}
	return []byte([]string{"off", "on"}[m]), nil
}

// A ratio has its method on the pointer.
func (r *ratio) MarshalText() ([]byte, error) {
	return []byte(big.NewRat(int64(r.num), int64(r.den)).String()), nil
}

func (p probe) MarshalText() ([]byte, error) { return []byte("probe " + p.id), nil }
func (p probe) MarshalJSON() ([]byte, error) { return []byte(`{"id":1}`), nil }
func (p probe) String() string               { return "another text" }

func (s switching) MarshalText() ([]byte, error) {
	return []byte([]string{"open", "closed"}[s]), nil
}

func (s stop) MarshalText() ([]byte, error) { return []byte("stop"), nil }

func ptr[T any](v T) *T { return &v }

func integer(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 0)
	if !ok {
		panic(s)
	}
	return n
}

var berlin = time.FixedZone("CET", 3600)

// vectors are values of every kind.
var vectors = []vector{
	{"null", nil, `null`},
	{"false", false, `false`},
	{"true", true, `true`},

	{"int 0", 0, `{"int":"0"}`},
	{"int8 23", int8(23), `{"int":"23"}`},
	{"uint8 24", uint8(24), `{"int":"24"}`},
	{"int16 255", int16(255), `{"int":"255"}`},
	{"uint16 256", uint16(256), `{"int":"256"}`},
	{"int32 65535", int32(65535), `{"int":"65535"}`},
	{"uint32 65536", uint32(65536), `{"int":"65536"}`},
	{"uint32 largest", uint32(math.MaxUint32), `{"int":"4294967295"}`},
	{"uint64 2^32", uint64(1 << 32), `{"int":"4294967296"}`},
	{"int64 largest", int64(math.MaxInt64), `{"int":"9223372036854775807"}`},
	{"uint 7", uint(7), `{"int":"7"}`},
	{"uint64 largest", uint64(math.MaxUint64), `{"int":"18446744073709551615"}`},
	{"int -1", -1, `{"int":"-1"}`},
	{"int -24", -24, `{"int":"-24"}`},
	{"int -25", -25, `{"int":"-25"}`},
	{"int -257", -257, `{"int":"-257"}`},
	{"int64 smallest", int64(math.MinInt64), `{"int":"-9223372036854775808"}`},
	{"named integer", channel(16), `{"int":"16"}`},
	{"duration", 1500 * time.Millisecond, `{"int":"1500000000"}`},

	{"big.Int small", *big.NewInt(5), `{"int":"5"}`},
	{"big.Int pointer", big.NewInt(-5), `{"int":"-5"}`},
	{"bignum 2^64", integer("0x10000000000000000"), `{"int":"18446744073709551616"}`},
	{"bignum 10^30", integer("1000000000000000000000000000000"), `{"int":"1000000000000000000000000000000"}`},
	{"integer -2^64", integer("-0x10000000000000000"), `{"int":"-18446744073709551616"}`},
	{"bignum -2^64-1", integer("-0x10000000000000001"), `{"int":"-18446744073709551617"}`},
	{"bignum of 4096 bits", new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 4096), big.NewInt(1)), `{"int":"` + new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 4096), big.NewInt(1)).String() + `"}`},

	{"float 1.0 is 1", 1.0, `{"float64":"3ff0000000000000"}`},
	{"float32 3.0 is 3", float32(3), `{"float32":"40400000"}`},
	{"float -0 is 0", math.Copysign(0, -1), `{"float64":"8000000000000000"}`},
	{"float 0.5 in 16 bits", 0.5, `{"float64":"3fe0000000000000"}`},
	{"float 16 bits smallest normal", 0x1p-14, `{"float64":"3f10000000000000"}`},
	{"float 16 bits largest subnormal", 0x3ffp-24, `{"float64":"3f0ff80000000000"}`},
	{"float 16 bits smallest subnormal", 0x1p-24, `{"float64":"3e70000000000000"}`},
	{"float half of that", 0x1p-25, `{"float64":"3e60000000000000"}`},
	{"float with 11 bits of fraction", 1 + 0x1p-11, `{"float64":"3ff0020000000000"}`},
	{"float32 0.1", float32(0.1), `{"float32":"3dcccccd"}`},
	{"named float32", gain(-0.1), `{"float32":"bdcccccd"}`},
	{"float32 smallest subnormal", float32(0x1p-149), `{"float32":"00000001"}`},
	{"float half of that smallest", 0x1p-150, `{"float64":"3690000000000000"}`},
	{"float 0.1", 0.1, `{"float64":"3fb999999999999a"}`},
	{"float 1234567.5", 1234567.5, `{"float64":"4132d68780000000"}`},
	{"float 2.5e-10", 2.5e-10, `{"float64":"3df12e0be826d695"}`},
	{"float smallest subnormal", 5e-324, `{"float64":"0000000000000001"}`},
	{"float 2^53", 0x1p53, `{"float64":"4340000000000000"}`},
	{"float 2^63", 0x1p63, `{"float64":"43e0000000000000"}`},
	{"float -2^63", -0x1p63, `{"float64":"c3e0000000000000"}`},
	{"float 2^64", 0x1p64, `{"float64":"43f0000000000000"}`},
	{"float -2^64", -0x1p64, `{"float64":"c3f0000000000000"}`},
	{"float 1e300", 1e300, `{"float64":"7e37e43c8800759c"}`},
	{"float -1e300", -1e300, `{"float64":"fe37e43c8800759c"}`},
	{"float largest", math.MaxFloat64, `{"float64":"7fefffffffffffff"}`},
	{"NaN", math.NaN(), `{"float64":"7ff8000000000001"}`},
	{"NaN with payload and sign", math.Float64frombits(0xfff4000000000123), `{"float64":"fff4000000000123"}`},
	{"float32 NaN", float32(math.NaN()), `{"float32":"7fc00000"}`},
	{"infinity", math.Inf(1), `{"float64":"7ff0000000000000"}`},
	{"float32 negative infinity", float32(math.Inf(-1)), `{"float32":"ff800000"}`},
	{"big.Float integral", big.NewFloat(0x1p70), `{"int":"1180591620717411303424"}`},
	{"big.Float 0.5", *big.NewFloat(0.5), `{"float64":"3fe0000000000000"}`},
	{"big.Float infinite", new(big.Float).SetInf(true), `{"float64":"fff0000000000000"}`},
	{"big.Rat 6/3", big.NewRat(6, 3), `{"int":"2"}`},
	{"big.Rat 1/4", *big.NewRat(1, 4), `{"float64":"3fd0000000000000"}`},
	{"json.Number integer", json.Number("-12345678901234567890123"), `{"int":"-12345678901234567890123"}`},
	{"json.Number 0.10", json.Number("0.10"), `{"float64":"3fb999999999999a"}`},
	{"json.Number of 17 digits", json.Number("0.10000000000000001"), `{"float64":"3fb999999999999a"}`},
	{"json.Number 1e3", json.Number("1e3"), `{"int":"1000"}`},
	{"json.Number -0.0", json.Number("-0.0"), `{"int":"0"}`},

	{"text empty", "", `""`},
	{"text of 23 bytes", "abcdefghijklmnopqrstuvw", `"abcdefghijklmnopqrstuvw"`},
	{"text of 24 bytes", "abcdefghijklmnopqrstuvwx", `"abcdefghijklmnopqrstuvwx"`},
	{"text beyond ASCII", "Purkinje-Zelle, 20 µm, 神経", `"Purkinje-Zelle, 20 µm, 神経"`},
	{"text outside the basic plane", "\U0001f9e0", `"🧠"`},
	{"text composed", "\u00e9", `{"utf8":"c3a9"}`},
	{"text decomposed", "e\u0301", `{"utf8":"65cc81"}`},
	{"text with NUL and newline", "a\x00b\n", `"a\u0000b\n"`},
	{"text of a named type", label("soma"), `"soma"`},

	{"bytes empty", []byte{}, `{"bytes":""}`},
	{"bytes", []byte{0, 1, 0xff}, `{"bytes":"0001ff"}`},
	{"bytes in an array", [4]byte{1, 2, 3, 4}, `{"bytes":"01020304"}`},
	{"bytes of a named type", []octet{7}, `{"bytes":"07"}`},
	{"bytes in an array of a named type", [2]octet{7, 8}, `{"bytes":"0708"}`},

	{"time", time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC), `{"time":"2026-11-21T01:02:03Z"}`},
	{"time in another zone", time.Date(2026, 11, 21, 2, 2, 3, 0, berlin), `{"time":"2026-11-21T02:02:03+01:00"}`},
	{"time with a fraction", time.Date(2026, 11, 21, 1, 2, 3, 120_000_000, time.UTC), `{"time":"2026-11-21T01:02:03.12Z"}`},
	{"time to the nanosecond", time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC), `{"time":"1969-12-31T23:59:59.999999999Z"}`},
	{"time first", time.Time{}, `{"time":"0001-01-01T00:00:00Z"}`},
	{"time last", time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), `{"time":"9999-12-31T23:59:59.999999999Z"}`},

	{"nil pointer", (*int)(nil), `null`},
	{"nil slice", []float64(nil), `null`},
	{"nil bytes", []byte(nil), `null`},
	{"nil list", []any(nil), `null`},
	{"nil map", map[string]any(nil), `null`},
	{"nil map of another type", map[int]string(nil), `null`},
	{"nil with MarshalText", net.IP(nil), `null`},
	{"empty slice", []float64{}, `{"list":[]}`},
	{"empty list", []any{}, `{"list":[]}`},
	{"empty array", [0]int{}, `{"list":[]}`},
	{"empty map", map[string]any{}, `{"map":[]}`},
	{"empty map of another type", map[int]string{}, `{"map":[]}`},
	{"empty struct", struct{}{}, `{"map":[]}`},

	{"pointer", ptr(42), `{"int":"42"}`},
	{"pointer to pointer", ptr(ptr("x")), `"x"`},
	{"one pointer twice", func() any { p := ptr(1); return []*int{p, p} }(), `{"list":[{"int":"1"},{"int":"1"}]}`},

	{"list", []any{nil, true, 1, 1.5, "x", []byte("y"), []any{}}, `{"list":[null,true,{"int":"1"},{"float64":"3ff8000000000000"},"x",{"bytes":"79"},{"list":[]}]}`},
	{"slice of floats", []float64{1, 2.5, -0.1}, `{"list":[{"float64":"3ff0000000000000"},{"float64":"4004000000000000"},{"float64":"bfb999999999999a"}]}`},
	{"array of texts", [2]string{"b", "a"}, `{"list":["b","a"]}`},
	{"slice of slices", [][]int{{1}, nil, {}}, `{"list":[{"list":[{"int":"1"}]},null,{"list":[]}]}`},
	{"list of 24", make([]bool, 24), `{"list":[false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false,false]}`},
	{"lists 100 deep", deep(100), `{"deep":100}`},

	{"map sorted by length, then bytes", map[string]any{"b": 1, "aa": 2, "a": 3, "B": 4, "": 5, "é": 6}, `{"map":[["b",{"int":"1"}],["aa",{"int":"2"}],["a",{"int":"3"}],["B",{"int":"4"}],["",{"int":"5"}],["é",{"int":"6"}]]}`},
	{"map nested", map[string]any{"filter": map[string]any{"order": 4, "band": []any{300.0, 3e3}}, "dt": 1e-4}, `{"map":[["filter",{"map":[["order",{"int":"4"}],["band",{"list":[{"float64":"4072c00000000000"},{"float64":"40a7700000000000"}]}]]}],["dt",{"float64":"3f1a36e2eb1c432d"}]]}`},
	{"map of texts", map[string]string{"b": "x", "a": "y"}, `{"map":[["a","y"],["b","x"]]}`},
	{"map with integers as keys", map[int]string{-1: "c", 24: "b", 3: "a"}, `{"map":[[{"int":"3"},"a"],[{"int":"24"},"b"],[{"int":"-1"},"c"]]}`},
	{"map with floats as keys", map[float64]bool{0.5: true, 2: false, math.Inf(1): true}, `{"map":[[{"float64":"3fe0000000000000"},true],[{"int":"2"},false],[{"float64":"7ff0000000000000"},true]]}`},
	{"map with NaN as key", map[float64]int{math.NaN(): 1}, `{"map":[[{"float64":"7ff8000000000000"},{"int":"1"}]]}`},
	{"map with booleans as keys", map[bool]int{true: 1, false: 0}, `{"map":[[true,{"int":"1"}],[false,{"int":"0"}]]}`},
	{"map with all kinds of keys", map[any]any{"1": 1, 1: 2, uint64(math.MaxUint64): 3, int64(math.MinInt64): 4, true: 5, 1.5: 6}, `{"map":[["1",{"int":"1"}],[{"int":"1"},{"int":"2"}],[{"int":"18446744073709551615"},{"int":"3"}],[{"int":"-9223372036854775808"},{"int":"4"}],[true,{"int":"5"}],[{"float64":"3ff8000000000000"},{"int":"6"}]]}`},
	{"map with keys of a named type", map[label]gain{"soma": 0.5}, `{"map":[["soma",{"float32":"3f000000"}]]}`},
	{"map with MarshalText as keys", map[netip.Addr]mode{netip.MustParseAddr("10.0.0.1"): 1}, `{"map":[["10.0.0.1","on"]]}`},
	{"map with json.Number as keys", map[json.Number]any{"1": nil, "0.5": nil}, `{"map":[[{"int":"1"},null],[{"float64":"3fe0000000000000"},null]]}`},
	{"map of 24 entries", many(24), manyNote(24)},

	{"struct", plain{4, "butter", 300}, `{"map":[["Order",{"int":"4"}],["Kind","butter"],["Cutoff",{"int":"300"}]]}`},
	{"struct with tags", tagged{4, "butter", 300, true, 1}, `{"map":[["order",{"int":"4"}],["kind","butter"],["Cutoff",{"int":"300"}],["-",true],["Quoted",{"int":"1"}]]}`},
	{"struct with fields left out", excluding{Order: 4, Progress: func(float64) {}, verbose: true}, `{"map":[["Order",{"int":"4"}]]}`},
	{"struct with zeros left out", growing{Order: 4, Ripple: math.Copysign(0, -1), Since: time.Time{}.In(berlin), Pair: [2]float64{math.Copysign(0, -1), 0}}, `{"map":[["Order",{"int":"4"}]]}`},
	{"struct with nothing zero", growing{4, 0.5, time.Unix(0, 0), ptr(0), notch{50}, [2]float64{0, 1}}, `{"map":[["Order",{"int":"4"}],["ripple",{"float64":"3fe0000000000000"}],["Since",{"time":"1970-01-01T00:00:00Z"}],["limit",{"int":"0"}],["notch",{"map":[["Hz",{"int":"50"}]]}],["pair",{"list":[{"int":"0"},{"int":"1"}]}]]}`},
	{"struct with IsZero", struct {
		T celsius `larder:",omitzero"`
		U celsius `larder:",omitzero"`
	}{0, -273.15}, `{"map":[["T",{"int":"0"}]]}`},
	{"struct with pointers to what has IsZero", struct {
		P *celsius `larder:",omitzero"`
		Q *celsius `larder:",omitzero"`
		R any      `larder:",omitzero"`
		S any      `larder:",omitzero"`
	}{Q: ptr(celsius(-273.15)), S: time.Time{}}, `{"map":[["Q",{"float64":"c071126666666666"}],["S",{"time":"0001-01-01T00:00:00Z"}]]}`},
	{"struct with structs embedded deeper", outer1{outer2{outer3{outer4{1, 2, 3}}}, 4}, `{"map":[["A",{"int":"1"}],["B",{"int":"2"}],["C",{"int":"3"}],["D",{"int":"4"}]]}`},
	{"struct with structs embedded", embedding{base{4, inner{"butter"}}, Shared{20000}, label2{"soma"}, 300}, `{"map":[["Order",{"int":"4"}],["Kind","butter"],["shared",{"map":[["Rate",{"int":"20000"}]]}],["Label","soma"],["Cutoff",{"int":"300"}]]}`},
	{"struct with a text embedded", naming{"a", 1}, `{"map":[["Name","a"],["N",{"int":"1"}]]}`},
	{"struct by pointer", &plain{Order: 4}, `{"map":[["Order",{"int":"4"}],["Kind",""],["Cutoff",{"int":"0"}]]}`},
	{"structs in a list", []notch{{50}, {60}}, `{"list":[{"map":[["Hz",{"int":"50"}]]},{"map":[["Hz",{"int":"60"}]]}]}`},

	{"MarshalText", mode(1), `"on"`},
	{"MarshalText on the pointer, by value", ratio{6, 4}, `"3/2"`},
	{"MarshalText on the pointer, by pointer", &ratio{6, 4}, `"3/2"`},
	{"MarshalText before other methods", probe{"A"}, `"probe A"`},
	{"MarshalText of a function", stop(func() {}), `"stop"`},
	{"MarshalText in an interface with methods", []interface{ String() string }{probe{"B"}, time.Unix(1, 0)}, `{"list":["probe B",{"time":"1970-01-01T00:00:01Z"}]}`},
	{"list of a byte type with MarshalText", []switching{0, 1}, `{"list":["open","closed"]}`},
	{"bytes of a type with MarshalText", net.IPv4(10, 0, 0, 1), `"10.0.0.1"`},

	{"text that is all capitals and signs", map[string]any{"Ünit (mV)": "A__B"}, `{"map":[["Ünit (mV)","A__B"]]}`},
	{"words of everything", map[string]any{"n": nil, "l": []any{1, -2, []any{"x"}, map[string]any{"k": 0.1, "j": 1e-5}}, "b": []byte{0xab}, "m": map[string]any{}, "e": []any{}, "t": time.Unix(0, 5e8), "i": math.Inf(-1)},
		`{"map":[["n",null],["l",{"list":[{"int":"1"},{"int":"-2"},{"list":["x"]},{"map":[["k",{"float64":"3fb999999999999a"}],["j",{"float64":"3ee4f8b588e368f1"}]]}]}],["b",{"bytes":"ab"}],["m",{"map":[]}],["e",{"list":[]}],["t",{"time":"1970-01-01T00:00:00.5Z"}],["i",{"float64":"fff0000000000000"}]]}`},
}

// deep returns n lists within each other, the innermost with nil in it.
func deep(n int) any {
	var v any
	for range n {
		v = []any{v}
	}
	return v
}

func many(n int) any {
	m := map[string]any{}
	for i := range n {
		m[string(rune('a'+i))] = i
	}
	return m
}

func manyNote(n int) string {
	var pairs []any
	for i := range n {
		pairs = append(pairs, []any{string(rune('a' + i)), map[string]string{"int": big.NewInt(int64(i)).String()}})
	}
	b, err := json.Marshal(map[string]any{"map": pairs})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// graph is a row of golden.json that is not about parameters alone.
type graph struct {
	name string
	c    component.Component
	note string
}

const keyNote = `{"key":"` + inputA + `"}`

func graphs(t *testing.T) []graph {
	t.Helper()
	a := component.New("a", "1", nil)
	b := component.New("b", "1", nil)
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, berlin)
	const nodes = `[{"type":"a","version":"1"},{"type":"b","version":"1"},`
	return []graph{
		{"no version", component.New("t", "", nil), `[{"type":"t"}]`},
		{"type with a path", component.New("github.com/larder-store/larder/examples/spikes.Detect", "v1.2.3-rc.1+x", nil), `[{"type":"github.com/larder-store/larder/examples/spikes.Detect","version":"v1.2.3-rc.1+x"}]`},
		{"type beyond ASCII", component.New("..Größe__µ", "1", nil), `[{"type":"..Größe__µ","version":"1"}]`},
		{"type without words", component.New("神経", "", nil), `[{"type":"神経"}]`},
		{"inputs", component.New("t", "1", nil, a, b), nodes + `{"type":"t","version":"1","inputs":[0,1]}]`},
		{"inputs in another order", component.New("t", "1", nil, b, a), nodes + `{"type":"t","version":"1","inputs":[1,0]}]`},
		{"an input twice", component.New("t", "1", nil, a, a), nodes + `{"type":"t","version":"1","inputs":[0,0]}]`},
		{"inputs of inputs", component.New("t", "1", 0.5, component.New("u", "1", nil, a, b), b), nodes + `{"type":"u","version":"1","inputs":[0,1]},{"type":"t","version":"1","parameters":{"float64":"3fe0000000000000"},"inputs":[2,1]}]`},
		{"diamonds 60 deep", diamonds(60), diamondsNote(60)},
		{"as of a moment", component.WithAsOf(component.New("t", "1", nil), noon), `[{"type":"t","version":"1","asOf":"2026-11-21T12:00:00+01:00"}]`},
		{"as of a fraction of a second", component.WithAsOf(component.New("t", "1", nil, a), noon.Add(1)), `[{"type":"a","version":"1"},{"type":"t","version":"1","inputs":[0],"asOf":"2026-11-21T11:00:00.000000001Z"}]`},
		{"as of no moment", component.WithAsOf(component.New("t", "1", nil), time.Time{}), `[{"type":"t","version":"1"}]`},
		{"as of the year 1, which is no moment", component.WithAsOf(component.New("t", "1", nil), time.Time{}), `[{"type":"t","version":"1","asOf":"0001-01-01T00:00:00Z"}]`},
		{"as of the year 1 in a zone, which is no moment", component.WithAsOf(component.New("t", "1", nil), time.Time{}.In(berlin)), `[{"type":"t","version":"1","asOf":"0001-01-01T01:00:00+01:00"}]`},
		{"as of the second instant of the year 1", component.WithAsOf(component.New("t", "1", nil), time.Time{}.Add(1)), `[{"type":"t","version":"1","asOf":"0001-01-01T00:00:00.000000001Z"}]`},
		{"zero time in a zone", component.New("t", "1", []any{time.Time{}.In(berlin), struct {
			T time.Time `larder:",omitzero"`
		}{time.Time{}.In(berlin)}}), `[{"type":"t","version":"1","parameters":{"list":[{"time":"0001-01-01T01:00:00+01:00"},{"map":[]}]}}]`},
		{"an input as of a moment", component.New("t", "1", nil, component.WithAsOf(a, noon)), `[{"type":"a","version":"1","asOf":"2026-11-21T11:00:00Z"},{"type":"t","version":"1","inputs":[0]}]`},
		{"an input known by its key", component.New("t", "1", nil, component.Ref(inputA), b), `[{"type":"b","version":"1"},{"type":"t","version":"1","inputs":[` + keyNote + `,0]}]`},
		{"contents of a file", file(t, "hello\n"), `[{"type":"larder.File","version":"1","parameters":{"map":[["size",{"int":"6"}],["sha256",{"bytes":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"}]]}}]`},
		{"type of a Go value", component.Of(Detect{Threshold: -4.5}, "2"), `[{"type":"github.com/larder-store/larder/keying_test.Detect","version":"2","parameters":{"map":[["threshold",{"float64":"c012000000000000"}]]}}]`},
	}
}

// file is the component of a file with the given contents.
func file(t *testing.T, contents string) component.Component {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording.dat")
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := component.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Detect is a component's type and its parameters in one.
type Detect struct {
	Threshold float64 `larder:"threshold"`
}

// diamonds is a chain of n components that each use the one before twice.
func diamonds(n int) component.Component {
	c := component.New("source", "1", nil)
	for i := range n {
		c = component.New("join", "1", i, c, c)
	}
	return c
}

func diamondsNote(n int) string {
	nodes := []any{map[string]any{"type": "source", "version": "1"}}
	for i := range n {
		nodes = append(nodes, map[string]any{"type": "join", "version": "1", "parameters": map[string]string{"int": big.NewInt(int64(i)).String()}, "inputs": []int{i, i}})
	}
	b, err := json.Marshal(nodes)
	if err != nil {
		panic(err)
	}
	return string(b)
}
