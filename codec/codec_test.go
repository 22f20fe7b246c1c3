package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/codec"
)

type (
	label   string
	blob    []byte
	samples []float64
	image   codec.Matrix[uint8]
	titled  struct {
		codec.Matrix[uint8]
		Title string
	}
	node struct {
		Value int
		Next  *node
	}
	base struct{ ID, Kind int }
	full struct {
		base
		*Extra
		Name string `cbor:"n"`
		Note string `json:"note,omitempty"`
		Skip func() `cbor:"-"`
	}
	Extra struct{ Depth float32 }
	apart struct {
		Extra `cbor:"extra"`
		Depth float32
	}
	numbered struct {
		A int `cbor:"1,keyasint"`
		B int `cbor:"-2,keyasint"`
	}
	// Matrix is not the codec's.
	Matrix[T any] struct{ Rows, Cols, Data T }
	row           struct {
		_ struct{} `cbor:",toarray"`
		X int
		Y string
	}
)

func at[T any](v T) *T { return &v }

// Every value comes back as it went, by the codec that its type asks for.
func TestValuesComeBack(t *testing.T) {
	zone := time.FixedZone("", -3*3600-30*60)
	for _, tt := range []struct {
		codec string
		value any
	}{
		{codec.Raw, ""},
		{codec.Raw, "text \xff that is not UTF-8"},
		{codec.Raw, []byte{}},
		{codec.Raw, []byte("bytes")},
		{codec.Raw, label("named")},
		{codec.Raw, blob("named")},
		{codec.Raw, json.RawMessage(`{"a":1}`)},
		{codec.Raw, net.IP{127, 0, 0, 1}},
		{codec.Raw, at("pointed to")},
		{codec.CBOR, []byte(nil)},
		{codec.CBOR, (*string)(nil)},

		{codec.NPY, []float64{1, math.Copysign(0, -1), math.NaN(), math.Inf(1)}},
		{codec.NPY, []float64{}},
		{codec.NPY, samples{1, 2}},
		{codec.NPY, []float32{0.1}},
		{codec.NPY, []int{math.MinInt, -1, math.MaxInt}},
		{codec.NPY, []uint{0, math.MaxUint}},
		{codec.NPY, []int8{-128, 127}},
		{codec.NPY, []int16{-1, 1}},
		{codec.NPY, []int32{-1, 1}},
		{codec.NPY, []int64{-1, 1}},
		{codec.NPY, []uint16{1}},
		{codec.NPY, []uint32{1}},
		{codec.NPY, []uint64{math.MaxUint64}},
		{codec.NPY, []complex64{1 + 2i}},
		{codec.NPY, []complex128{1 + 2i}},
		{codec.NPY, []bool{true, false}},
		{codec.NPY, []time.Duration{time.Second}},
		{codec.NPY, at([]float64{1})},
		{codec.NPY, 1 + 2i},
		{codec.NPY, complex64(1 + 2i)},
		{codec.NPY, [][]float64{{1, 2, 3}, {4, 5, 6}}},
		{codec.NPY, [][]bool{{true}, {false}}},
		{codec.NPY, [][]int{}},
		{codec.NPY, codec.Matrix[uint8]{Rows: 1, Cols: 2, Data: []uint8{1, 2}}},
		{codec.NPY, &codec.Matrix[int]{Rows: 2, Cols: 1, Data: []int{1, 2}}},
		{codec.NPY, codec.Matrix[bool]{Rows: 1, Cols: 1, Data: []bool{true}}},
		{codec.NPY, codec.Matrix[float64]{}},
		{codec.NPY, codec.NewMatrix[float64](0, 7)},
		{codec.CBOR, []float64(nil)},
		{codec.CBOR, [][]float64(nil)},
		{codec.CBOR, [][]float64{{1}, nil}},
		{codec.CBOR, [][]float64{{1}, {2, 3}}},
		{codec.CBOR, [][]float64{{}, {}}},
		{codec.CBOR, (*codec.Matrix[float64])(nil)},
		{codec.CBOR, [][]byte{[]byte("one"), []byte("two")}},
		{codec.CBOR, image{Rows: 1, Cols: 1, Data: []uint8{7}}},
		{codec.CBOR, Matrix[string]{"a", "b", "c"}},
		{codec.CBOR, titled{codec.Matrix[uint8]{Rows: 1, Cols: 1, Data: []uint8{7}}, "a cell"}},

		{codec.CBOR, true},
		{codec.CBOR, int64(math.MinInt64)},
		{codec.CBOR, uint64(math.MaxUint64)},
		{codec.CBOR, int8(-5)},
		{codec.CBOR, 0.1},
		{codec.CBOR, math.Copysign(0, -1)},
		{codec.CBOR, math.Float64frombits(0x7ff8000000000123)},
		{codec.CBOR, math.Float64frombits(0xfff8000000000000)},
		{codec.CBOR, math.Float32frombits(0x7fc00123)},
		{codec.CBOR, 5e-324},
		{codec.CBOR, float32(0.1)},
		{codec.CBOR, time.Hour},
		{codec.CBOR, [3]float64{1, 2, 3}},
		{codec.CBOR, [4]byte{1, 2, 3, 4}},
		{codec.CBOR, [0]int{}},
		{codec.CBOR, []string{"a", ""}},
		{codec.CBOR, []string{}},
		{codec.CBOR, []string(nil)},
		{codec.CBOR, make([]string, 200_000)},
		{codec.CBOR, []*int{nil, at(1)}},
		{codec.CBOR, map[string]int{}},
		{codec.CBOR, map[string]int(nil)},
		{codec.CBOR, map[int][]string{-1: nil, 1: {}, 300: {"x"}}},
		{codec.CBOR, map[bool]string{true: "yes"}},
		{codec.CBOR, map[float64]string{0.5: "half"}},
		{codec.CBOR, map[[2]int]string{{1, 2}: "x"}},
		{codec.CBOR, map[base]string{{1, 2}: "x"}},
		{codec.CBOR, map[netip.Addr]int{netip.MustParseAddr("::1"): 1}},
		{codec.CBOR, map[any]any{"a": int64(1), int64(1): "a", true: nil}},
		{codec.CBOR, map[string]struct{}{"in the set": {}}},
		{codec.CBOR, full{base: base{1, 2}, Extra: &Extra{0.1}, Name: "x", Note: "y"}},
		{codec.CBOR, full{}},
		{codec.CBOR, row{X: 1, Y: "y"}},
		{codec.CBOR, numbered{1, 2}},
		{codec.CBOR, apart{Extra{1}, 2}},
		{codec.CBOR, struct{ time.Time }{time.Unix(1, 2).UTC()}},
		{codec.CBOR, node{1, &node{2, &node{3, nil}}}},
		{codec.CBOR, struct{ M map[string][]*base }{map[string][]*base{"a": {{1, 2}, nil}}}},
		{codec.CBOR, struct{ Text string }{"not \xff UTF-8"}},
		{codec.CBOR, time.Time{}},
		{codec.CBOR, time.Date(2024, 2, 29, 23, 59, 59, 999999999, time.UTC)},
		{codec.CBOR, time.Date(2024, 2, 29, 23, 59, 59, 1, zone)},
		{codec.CBOR, time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)},
		{codec.CBOR, time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
		{codec.CBOR, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		{codec.CBOR, []time.Time{time.Unix(0, 1).In(zone)}},
		{codec.CBOR, big.NewInt(7)},
		{codec.CBOR, *new(big.Int).Lsh(big.NewInt(-1), 200)},
		{codec.CBOR, (*big.Int)(nil)},
		{codec.CBOR, big.NewRat(1, 3)},
		{codec.CBOR, url.URL{Scheme: "https", Host: "example.org", Path: "/a b"}},
		{codec.CBOR, []any{nil, true, int64(-1), 0.5, "text", []byte("bytes"), []any{}, map[string]any{"a": []any{int64(1)}}}},
		{codec.CBOR, map[string]any{"nested": map[string]any{"deep": map[string]any{}}}},
		{codec.CBOR, struct{ V any }{new(big.Int).Lsh(big.NewInt(1), 100)}},
		{codec.CBOR, struct{ V any }{time.Unix(1, 2).In(zone)}},
	} {
		name, got := thereAndBack(t, tt.value)
		if name != tt.codec {
			t.Errorf("Encode(%#v) takes codec %q, want %q", tt.value, name, tt.codec)
		}
		if !same(got, tt.value) {
			t.Errorf("%#v came back as %#v", tt.value, got)
		}
	}
}

// What an any holds comes back in a form that the package comment tells.
func TestAnyComesBackChanged(t *testing.T) {
	for _, tt := range []struct{ value, want any }{
		{nil, nil},
		{7, int64(7)},
		{uint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
		{*big.NewInt(7), int64(7)},
		{float32(0.5), 0.5},
		{label("x"), "x"},
		{[2]byte{1, 2}, []byte{1, 2}},
		{[]int{1, 2}, []any{int64(1), int64(2)}},
		{[]int(nil), nil},
		{(*int)(nil), nil},
		{map[label]int{"a": 1}, map[string]any{"a": int64(1)}},
		{base{1, 2}, map[string]any{"ID": int64(1), "Kind": int64(2)}},
		{row{X: 1, Y: "y"}, []any{int64(1), "y"}},
		{time.Time{}, nil},
		{big.NewRat(1, 3), "1/3"},
	} {
		_, got := thereAndBack(t, []any{tt.value})
		if !same(got, []any{tt.want}) {
			t.Errorf("%#v in an any came back as %#v, want %#v", tt.value, got.([]any)[0], tt.want)
		}
	}
}

// An any as the target gets what the codec can tell.
func TestDecodeIntoAny(t *testing.T) {
	for _, tt := range []struct{ value, want any }{
		{"text", []byte("text")},
		{[]float32{1}, []float32{1}},
		{[]int{1}, []int64{1}},
		{[]time.Duration{1}, []int64{1}},
		{[][]uint16{{1, 2}}, codec.Matrix[uint16]{Rows: 1, Cols: 2, Data: []uint16{1, 2}}},
		{complex64(1), complex64(1)},
		{base{1, 2}, map[string]any{"ID": int64(1), "Kind": int64(2)}},
		{nil, nil},
		{[]float64(nil), nil},
	} {
		name, body := encoded(t, tt.value)
		for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
			var got any = "something else"
			if err := read(name, body, &got); err != nil {
				t.Errorf("%s of %#v into an any failed: %v", how, tt.value, err)
			}
			if !same(got, tt.want) {
				t.Errorf("%s of %#v into an any = %#v, want %#v", how, tt.value, got, tt.want)
			}
		}
	}
}

// A value of another type is an error that names the codec, what was found and
// what was wanted; the target is left without it.
func TestAnotherType(t *testing.T) {
	for _, tt := range []struct {
		value any
		dst   any
		want  []string
	}{
		{"text", at(7), []string{"raw", "4 bytes", "int"}},
		{"text", at([]float64{1}), []string{"raw", "4 bytes", "[]float64"}},
		{"1234", at([4]byte{}), []string{"raw", "4 bytes", "[4]uint8"}},
		{[]float64{1, 2}, at([]float32{1}), []string{"npy", "float64 (<f8)", "(2,)", "[]float32, dtype <f4"}},
		{[]float64{1}, at([]int64{1}), []string{"npy", "float64 (<f8)", "[]int64, dtype <i8"}},
		{[]int64{1}, at([]float64{1}), []string{"npy", "int64 (<i8)", "[]float64, dtype <f8"}},
		{[]int64{1}, at([]uint64{1}), []string{"npy", "int64 (<i8)", "[]uint64, dtype <u8"}},
		{[]uint64{1}, at([]int64{1}), []string{"npy", "uint64 (<u8)", "[]int64, dtype <i8"}},
		{[]int8{1}, at([]uint16{1}), []string{"npy", "int8 (|i1)", "[]uint16, dtype <u2"}},
		{[]bool{true}, at([]uint8{1}), []string{"npy", "bool (|b1)", "[]uint8, dtype |u1"}},
		{[]float64{1}, at([]complex128{1}), []string{"npy", "float64 (<f8)", "[]complex128, dtype <c16"}},
		{[]float64{1}, at(1.0), []string{"npy", "(1,)", "float64, dtype <f8"}},
		{complex64(1), at([]complex64{1}), []string{"npy", "()", "[]complex64"}},
		{[]float64{1}, at([][]float64{{1}}), []string{"npy", "(1,)", "[][]float64"}},
		{[][]float64{{1}}, at([]float64{1}), []string{"npy", "(1, 1)", "[]float64"}},
		{[]float64{1}, at(codec.NewMatrix[float64](1, 1)), []string{"npy", "(1,)", "Matrix[float64], dtype <f8"}},
		{[][]float64{{1}}, at(titled{}), []string{"npy", "(1, 1)", "codec_test.titled"}},
		{[]float64{1}, at("text"), []string{"npy", "float64", "string"}},
		{[]float64{1}, at([]string{"x"}), []string{"npy", "float64", "[]string"}},
		{[]float64{1}, at(map[string]int{}), []string{"npy", "float64", "map[string]int"}},
		{[]float64{1}, at(io.Reader(nil)), []string{"npy", "float64", "io.Reader"}},
		{codec.NewMatrix[float64](3, 0), at([][]float64{{1}}), []string{"npy", "(3, 0)", "a Matrix can hold it"}},

		{7, at("text"), []string{"cbor", "an integer", "string"}},
		{7, at(1.5), []string{"cbor", "an integer", "float64", "would become a float"}},
		{7.0, at(7), []string{"cbor", "a float", "int"}},
		{300, at(int8(1)), []string{"cbor", "an integer", "int8", "300"}},
		{-1, at(uint(1)), []string{"cbor", "an integer", "uint"}},
		{0.1, at(float32(1)), []string{"cbor", "a float", "float32", "would change"}},
		{1e300, at(float32(1)), []string{"cbor", "a float", "float32"}},
		{true, at(1), []string{"cbor", "a bool", "int"}},
		{[3]int{1, 2, 3}, at([2]int{}), []string{"cbor", "an array", "[2]int", "it has 3 elements, the Go type 2"}},
		{[3]int{1, 2, 3}, at([4]int{}), []string{"cbor", "an array", "[4]int", "it has 3 elements, the Go type 4"}},
		{[4]byte{1, 2, 3, 4}, at([3]byte{}), []string{"cbor", "a byte string", "[3]uint8"}},
		{(*int)(nil), at(1), []string{"cbor", "null", "int", "would become an integer"}},
		{[]float64(nil), at("text"), []string{"cbor", "null", "string"}},
		{[]*int{nil}, at([]int{1}), []string{"cbor", "[0] is null and would become an integer"}},
		{struct{ A, B int }{1, 2}, at(struct{ A int }{}), []string{"cbor", "a map", "unknown field"}},
		{struct{ A int }{1}, at(struct{ A, B int }{}), []string{"cbor", "a map", ".B is not stored; tag the field with omitzero"}},
		{struct{ A float64 }{0.1}, at(struct{ A float32 }{}), []string{"cbor", "a map", ".A is a float that would change"}},
		{struct{ Abc int }{1}, at(struct{ ABC int }{}), []string{"cbor", "a map", "unknown field"}},
		{map[string][]float64{"x": {1, 0.1}}, at(map[string][]float32{}), []string{"cbor", "a map", ".x[1] is a float that would change"}},
		{map[string]int{"A": 1}, at(node{}), []string{"cbor", "a map", "node"}},
		{time.Unix(0, 0), at("text"), []string{"cbor", "a tagged value", "string"}},
		{"text", at(time.Time{}), []string{"raw", "time.Time"}},
		{1, at(time.Time{}), []string{"cbor", "an integer", "time.Time"}},
		{big.NewInt(1), at(time.Time{}), []string{"cbor", "time.Time"}},
		{1, at(func() {}), []string{"cbor", "an integer", "func()"}},
		{map[string]int{}, at(struct{ f int }{1}), []string{"cbor", "a map", ".f is unexported"}},
	} {
		name, body := encoded(t, tt.value)
		for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
			err := read(name, bytes.Clone(body), tt.dst)
			if !errors.Is(err, codec.ErrType) {
				t.Errorf("%s of %#v into %T: error %v, want ErrType", how, tt.value, tt.dst, err)
				continue
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s of %#v into %T: error %q, want it to say %q", how, tt.value, tt.dst, err, part)
				}
			}
		}
	}
}

// A field that is tagged with omitzero may come later.
func TestLaterField(t *testing.T) {
	name, body := encoded(t, struct{ A int }{1})
	got := struct {
		A int
		B []float64 `cbor:",omitzero"`
	}{B: []float64{9}}
	if err := decode(name, body, &got); err != nil || got.A != 1 || got.B != nil {
		t.Errorf("Decode = %+v, error %v, want {A:1 B:[]}", got, err)
	}
}

// The zero time is the zero time in whatever zone.
func TestZeroTime(t *testing.T) {
	_, got := thereAndBack(t, time.Time{}.In(time.FixedZone("LMT", 19*60+32)))
	if !got.(time.Time).IsZero() {
		t.Errorf("the zero time came back as %v", got)
	}
}

// A field that is left out may hold anything.
func TestExcludedField(t *testing.T) {
	type cell struct {
		Value any
		Up    *node      `cbor:"-"`
		Stop  func()     `cbor:"-"`
		mu    sync.Mutex `cbor:"-"`
	}
	up := &node{}
	up.Next = up
	v := cell{Value: int64(1), Up: up}
	v.mu.Lock()
	_, got := thereAndBack(t, &v)
	if c := got.(*cell); c.Value != int64(1) || c.Up != nil || !c.mu.TryLock() {
		t.Errorf("%+v came back as %+v", &v, c)
	}
}

// One Encoded does not touch another.
func TestEncodedAreApart(t *testing.T) {
	var all []codec.Encoded
	for i := range 10 {
		e, err := codec.Encode(map[string]int{"n": i})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	for i, e := range all {
		var got map[string]int
		if err := codec.Decode(e.Codec, e.Body, e.Size, &got); err != nil || got["n"] != i {
			t.Errorf("value %d of 10 came back as %v, error %v", i, got, err)
		}
	}
}

// Everything may be called from several goroutines at once.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				v := twenty{Cell: strings.Repeat("c", i), Seed: i, Latencies: make([]float64, i)}
				if _, got := thereAndBack(t, v); !same(got, v) {
					t.Errorf("%+v came back as %+v", v, got)
				}
				f := []float64{float64(i)}
				if _, got := thereAndBack(t, f); !same(got, f) {
					t.Errorf("%v came back as %v", f, got)
				}
			}
		})
	}
	wg.Wait()
}

// Nothing of what the target held before stays.
func TestTargetIsFresh(t *testing.T) {
	name, body := encoded(t, map[string]int{"new": 1})
	m := map[string]int{"old": 1}
	alias := m
	if err := decode(name, body, &m); err != nil || len(m) != 1 || m["new"] != 1 {
		t.Errorf("Decode into a map with an entry = %v, error %v, want only the new one", m, err)
	}
	if len(alias) != 1 || alias["old"] != 1 {
		t.Errorf("the old map became %v", alias)
	}
	name, body = encoded(t, []*int{at(1)})
	old := at(7)
	s := []*int{old}
	if err := decode(name, body, &s); err != nil || *s[0] != 1 || *old != 7 {
		t.Errorf("Decode into a slice of pointers = %d, and the old pointer's %d, error %v, want 1 and 7", *s[0], *old, err)
	}
}

func TestUnknownCodec(t *testing.T) {
	for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
		var v any
		err := read("zarr", nil, &v)
		if !errors.Is(err, codec.ErrUnknownCodec) {
			t.Fatalf("%s with codec zarr: error %v, want ErrUnknownCodec", how, err)
		}
		for _, part := range []string{`"zarr"`, codec.Raw, codec.NPY, codec.CBOR} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s with codec zarr: error %q does not name %s", how, err, part)
			}
		}
	}
}

func TestTargetMustBeAPointer(t *testing.T) {
	for _, name := range []string{codec.Raw, codec.NPY, codec.CBOR} {
		for _, dst := range []any{nil, 7, "text", (*int)(nil), (*[]byte)(nil)} {
			for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
				if err := read(name, []byte{1}, dst); !errors.Is(err, codec.ErrType) || !strings.Contains(err.Error(), "pointer") {
					t.Errorf("%s of %s into %#v: error %v, want one about a pointer", how, name, dst, err)
				}
			}
		}
	}
}

// A raw value can be copied to a writer.
func TestRawIntoWriter(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("before ")
	if err := decode(codec.Raw, []byte("and after"), &b); err != nil || b.String() != "before and after" {
		t.Errorf("Decode into a Buffer = %q, error %v, want %q", b.String(), err, "before and after")
	}
}

// DecodeBytes takes the bytes over where it can, and uses the target's memory where
// there is enough.
func TestDecodeBytesTakesOver(t *testing.T) {
	b := []byte("bytes and more")[:5]
	var fresh []byte
	if err := codec.DecodeBytes(codec.Raw, b, &fresh); err != nil || &fresh[0] != &b[0] {
		t.Errorf("DecodeBytes(raw) into a nil slice did not take the bytes over; error %v", err)
	}
	if cap(fresh) != len(fresh) {
		t.Errorf("DecodeBytes(raw) left a capacity of %d behind %d bytes: an append would write over what is not the value", cap(fresh), len(fresh))
	}
	roomy := make([]byte, 2, 10)
	first := &roomy[0]
	if err := codec.DecodeBytes(codec.Raw, b, &roomy); err != nil || &roomy[0] != first || string(roomy) != "bytes" {
		t.Errorf("DecodeBytes(raw) into a slice with room = %q in other memory; error %v", roomy, err)
	}
	var s struct{ B []byte }
	name, body := encoded(t, struct{ B []byte }{[]byte("xyz")})
	if err := codec.DecodeBytes(name, body, &s); err != nil {
		t.Fatal(err)
	}
	clear(body)
	if string(s.B) != "xyz" {
		t.Errorf("a []byte inside a struct refers to the stored bytes: it became %q", s.B)
	}
}
