package codec_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/larder-store/larder/codec"
)

type (
	writesOnly struct{}
	event      struct {
		time.Time
		Name string
	}
	Selfish struct {
		*Selfish
		N int
	}
	endless    *endless
	hidden     struct{ A int }
	pointsToIt struct{ *hidden }
	asArray    struct {
		_ struct{} `cbor:",toarray"`
		*Extra
	}
	twice struct {
		A int `cbor:"x"`
		B int `json:"x"`
	}
	twiceInt struct {
		A int `cbor:"1,keyasint"`
		B int `cbor:"01,keyasint"`
	}
	shadow struct {
		Extra
		Depth float32
	}
	// forgetful loses what it is given, and says so to nobody.
	forgetful struct{ n int }
	tree      struct{ Children []*tree }
)

func (writesOnly) MarshalText() ([]byte, error)   { return nil, nil }
func (f forgetful) MarshalText() ([]byte, error)  { return []byte(fmt.Sprint(f.n)), nil }
func (f *forgetful) UnmarshalText(b []byte) error { f.n = 0; return nil }

// What would not come back is refused, with the path to it and the remedy.
func TestNotData(t *testing.T) {
	cyclic := &node{Value: 1}
	cyclic.Next = cyclic
	loop := map[string]any{}
	loop["self"] = []any{loop}
	var ring any
	ring = &ring
	var endlessly endless
	endlessly = &endlessly
	selfMade := []any{nil}
	selfMade[0] = selfMade
	codec.SetMaxVisits(t, 1_000_000)
	shared := &tree{}
	for range 40 {
		shared = &tree{Children: []*tree{shared, shared}}
	}
	amsterdam := time.FixedZone("LMT", 19*60+32)

	for _, tt := range []struct {
		value any
		want  []string
	}{
		{func() {}, []string{"func()", "value is a func()"}},
		{make(chan int), []string{"chan int"}},
		{uintptr(1), []string{"uintptr"}},
		{struct{ F func() }{}, []string{"value.F is a func()"}},
		{[]map[string]struct{ C chan int }{}, []string{"value[][].C is a chan int"}},
		{struct{ Err error }{}, []string{".Err is the interface error", "concrete type"}},
		{struct{ Z complex64 }{}, []string{".Z is a complex64", "two floats"}},
		{[][]complex64{{1}, nil}, []string{"value[][] is a complex64"}},
		{struct{ a int }{}, []string{".a is unexported", `cbor:"-"`}},
		{writesOnly{}, []string{"MarshalText but no UnmarshalText"}},
		{event{time.Unix(0, 0), "spike"}, []string{"embedded Time", "give that field a name"}},
		{Selfish{}, []string{".Selfish embeds itself"}},
		{pointsToIt{}, []string{".hidden is an embedded pointer to an unexported struct"}},
		{asArray{}, []string{".Extra is an embedded pointer in a struct stored as an array"}},
		{twice{}, []string{`.B has the name "x", which A has too`}},
		{twiceInt{}, []string{`.B has the name "1", which A has too`}},
		{shadow{}, []string{`.Depth has the name "Depth", which Depth has too`}},
		{struct {
			A int `json:"-"`
		}{}, []string{`.A has the tag json:"-"`, `cbor:"-"`}},
		{map[*int]string{}, []string{"keys of type *int"}},
		{map[string]func(){}, []string{"value[] is a func()"}},
		{endlessly, []string{"pointer to pointers without end"}},

		{[]any{1, map[string]any{"x": []any{func() {}}}}, []string{"value[1][x][0] is a func()"}},
		{struct{ V any }{hidden{}}, nil},
		{struct{ V any }{struct{ a int }{}}, []string{".V.a is unexported"}},
		{map[string]any{"x": map[int]string{1: "x"}}, []string{"could not be read again"}},
		{map[any]string{1: "x", int8(1): "y"}, []string{"could not be read again", "duplicate"}},
		{forgetful{7}, []string{"could not be read again"}},
		{new(big.Float).SetPrec(300).Quo(big.NewFloat(1).SetPrec(300), big.NewFloat(3).SetPrec(300)), []string{"could not be read again"}},

		{cyclic, []string{"node.Next.Next", "leads back to itself"}},
		{loop, []string{"[self][0][self]", "leads back to itself"}},
		{&ring, []string{"leads back to itself"}},
		{selfMade, []string{"leads back to itself"}},
		{nested(codec.MaxNesting + 1), []string{"deeper than 1000"}},
		{list(codec.MaxNesting + 1), []string{"deeper than 1000"}},
		{shared, []string{"over and over"}},

		{time.Date(2024, 1, 1, 0, 0, 0, 0, amsterdam), []string{"1172 seconds off UTC", "t.UTC()"}},
		{struct{ At []*time.Time }{[]*time.Time{nil, at(time.Unix(0, 0).In(amsterdam))}}, []string{"value.At[1] is a time"}},
		{[]any{time.Unix(0, 0).In(amsterdam)}, []string{"value[0] is a time"}},
		{map[string]time.Time{"x": time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"value[x] is a time in the year 10000"}},
		{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), []string{"year -1"}},
	} {
		_, err := codec.Encode(tt.value)
		if len(tt.want) == 0 {
			if err != nil {
				t.Errorf("Encode(%T) failed: %v", tt.value, err)
			}
			continue
		}
		if !errors.Is(err, codec.ErrNotData) {
			t.Errorf("Encode(%T): error %v, want ErrNotData saying %q", tt.value, err, tt.want)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Encode(%T): error %.300q, want it to say %q", tt.value, err, part)
			}
		}
	}
}

// nested is n slices within one another; list n structs.
func nested(n int) any {
	v := []any{}
	for range n - 1 {
		v = []any{v}
	}
	return v
}

func list(n int) *node {
	var l *node
	for range n {
		l = &node{Next: l}
	}
	return l
}

// The deepest that is taken comes back.
func TestDeepestValue(t *testing.T) {
	for _, v := range []any{nested(codec.MaxNesting), list(codec.MaxNesting)} {
		if _, got := thereAndBack(t, v); !same(got, v) {
			t.Errorf("a %T of %d levels came back changed", v, codec.MaxNesting)
		}
	}
}

// The bytes are RFC 8949's core deterministic encoding, with its own examples
// (appendix A) where they apply.
func TestDeterministicForm(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{nil, "f6"}, {true, "f5"}, {false, "f4"},
		{0, "00"}, {23, "17"}, {24, "1818"}, {1000, "1903e8"}, {1000000, "1a000f4240"}, {int64(1000000000000), "1b000000e8d4a51000"},
		{uint64(math.MaxUint64), "1bffffffffffffffff"}, {-1, "20"}, {-100, "3863"}, {-1000, "3903e7"},
		{new(big.Int).Lsh(big.NewInt(1), 64), "c249010000000000000000"},
		{big.NewInt(-1), "20"},
		{0.0, "f90000"}, {math.Copysign(0, -1), "f98000"}, {1.5, "f93e00"}, {65504.0, "f97bff"}, {100000.0, "fa47c35000"},
		{3.4028234663852886e+38, "fa7f7fffff"}, {1e300, "fb7e37e43c8800759c"}, {5.960464477539063e-8, "f90001"},
		{-4.1, "fbc010666666666666"}, {math.Inf(1), "f97c00"}, {math.Inf(-1), "f9fc00"}, {float32(1.5), "f93e00"},
		{math.Float64frombits(0x7ff8 << 48), "f97e00"},
		{time.Date(2013, 3, 21, 20, 4, 0, 0, time.UTC), "c074323031332d30332d32315432303a30343a30305a"},
		{[]string{}, "80"}, {map[string]int{}, "a0"}, {[]string(nil), "f6"},
		{map[any]any{10: nil, 100: nil, -1: nil, "z": nil, "aa": nil, false: nil}, "a60af61864f620f6617af6626161f6f4f6"},
		{map[string]int{"b": 1, "aa": 2, "c": 3}, "a361620161630362616102"},
		{struct{ C, B, Aa int }{1, 2, 3}, "a3614202614301624161" + "03"},
	} {
		_, body := encoded(t, tt.value)
		if got := hex.EncodeToString(body); got != tt.want {
			t.Errorf("Encode(%#v) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

// Only the deterministic form is read.
func TestHostileCBOR(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		dst        any
		want       error
	}{
		{"nothing", "", new(any), codec.ErrMalformed},
		{"nothing", "", new(float64), codec.ErrMalformed},
		{"more than one item", "0101", new(any), codec.ErrMalformed},
		{"a cut float", "fb3ff0", new(float64), codec.ErrMalformed},
		{"a cut text", "63616", new(any), codec.ErrMalformed},
		{"an array of 2^60", "9b1000000000000000", new([]int), codec.ErrMalformed},
		{"an array of 2^31", "9a80000000", new([]struct{}), codec.ErrMalformed},
		{"a map of 2^60", "bb1000000000000000", new(map[string]int), codec.ErrMalformed},
		{"a text of 2^63", "7b8000000000000000", new(any), codec.ErrMalformed},
		{"a byte string of 2^40", "5b0000010000000000", new([]byte), codec.ErrMalformed},
		{"a text of no certain length", "7f6161ff", new(any), codec.ErrMalformed},
		{"an array of no certain length", "9f01ff", new([]any), codec.ErrMalformed},
		{"a map of no certain length", "bf616101ff", new(map[string]int), codec.ErrMalformed},
		{"a key twice", "a2616101616102", new(map[string]int), codec.ErrMalformed},
		{"a key twice in an any", "a2616101616102", new(any), codec.ErrMalformed},
		{"a field twice", "a2614101614102", new(hidden), codec.ErrMalformed},
		{"keys in disorder", "a2616201616102", new(map[string]int), codec.ErrType},
		{"a key that is no text", "a10102", new(any), codec.ErrType},
		{"a long integer", "1801", new(int), codec.ErrType},
		{"a long integer", "1b0000000000000001", new(int64), codec.ErrType},
		{"a long float", "fb3ff0000000000000", new(float64), codec.ErrType},
		{"a long float", "fa3fc00000", new(float64), codec.ErrType},
		{"a long float", "fb3ff0000000000000", new(any), codec.ErrType},
		{"a signalling NaN", "f97d00", new(float64), codec.ErrType},
		{"a long length", "980101", new([]int), codec.ErrType},
		{"undefined", "f7", new(any), codec.ErrType},
		{"a simple value", "e5", new(int), codec.ErrType},
		{"a bignum that is small", "c24101", new(big.Int), codec.ErrType},
		{"a bignum with zeros", "c24a00010000000000000000", new(any), codec.ErrType},
		{"a bignum as int", "c24101", new(int), codec.ErrMalformed},
		{"a bignum as bytes", "c2420102", new([]byte), codec.ErrMalformed},
		{"a tag around an int", "d903e805", new(int), codec.ErrType},
		{"a tag of its own kind", "d9d9f705", new(int), codec.ErrType},
		{"a time without a tag", "74323031332d30332d32315432303a30343a30305a", new(time.Time), codec.ErrType},
		{"a time in seconds", "c11a514b67b0", new(time.Time), codec.ErrType},
		{"a time that is none", "c0657468656e21", new(time.Time), codec.ErrMalformed},
		{"a time as text", "c06161", new(string), codec.ErrType},
		{"reserved", "1c", new(any), codec.ErrMalformed},
		{"break alone", "ff", new(any), codec.ErrMalformed},
		{"1001 arrays", strings.Repeat("81", 1001) + "80", new(any), codec.ErrMalformed},
		{"100,000 arrays", strings.Repeat("81", 100_000), new(any), codec.ErrMalformed},
		{"100,000 tags", strings.Repeat("c1", 100_000), new(any), codec.ErrMalformed},
	} {
		body, _ := hex.DecodeString(tt.body)
		for how, read := range map[string]func(string, []byte, any) error{"Decode": decode, "DecodeBytes": codec.DecodeBytes} {
			err := read(codec.CBOR, bytes.Clone(body), tt.dst)
			// On machines of 32 bits the library cuts lengths; what it then makes of
			// the bytes is not what they say.
			if !errors.Is(err, tt.want) && (strconv.IntSize == 64 || !errors.Is(err, codec.ErrType)) {
				t.Errorf("%s, %s into %T: error %v, want %v", tt.name, how, tt.dst, err, tt.want)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("%s, %s into %T: the error has %d bytes", tt.name, how, tt.dst, len(err.Error()))
			}
		}
	}
}

// An error does not repeat a value.
func TestErrorsAreShort(t *testing.T) {
	secret := strings.Repeat("secret", 100_000)
	_, body := encoded(t, struct{ T string }{secret})
	var dst struct{ T int }
	if err := decode(codec.CBOR, body, &dst); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("Decode of a text as int: error %.100v, want one that does not show it", err)
	}
	long := append([]byte{0xc0, 0x7a, 0, 9, 0x27, 0xc0}, secret...)
	var when time.Time
	if err := decode(codec.CBOR, long, &when); err == nil || len(err.Error()) > 1000 {
		t.Errorf("Decode of a long text as time: error of %d bytes, want a short one", len(fmt.Sprint(err)))
	}
}

// To print a large number takes the library minutes; it must not come to that.
func TestHugeNumber(t *testing.T) {
	const length = 64 << 20
	body := make([]byte, 6, 6+length)
	copy(body, "\xc2\x5a\x04\x00\x00\x00")
	body = append(body, bytes.Repeat([]byte{0xab}, length)...)
	var n int
	if err := codec.DecodeBytes(codec.CBOR, body, &n); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("Decode of a number of 64 MiB as int: error %v, want ErrMalformed", err)
	}
}

// Signalling NaNs become quiet, and nothing else about a NaN changes.
func TestSignallingNaN(t *testing.T) {
	_, got := thereAndBack(t, math.Float64frombits(0xfff0000000000123))
	if bits := math.Float64bits(got.(float64)); bits != 0xfff8000000000123 {
		t.Errorf("a signalling NaN came back as %#x, want %#x", bits, uint64(0xfff8000000000123))
	}
}

// A type that writes itself is used by its own methods.
func TestOwnMethods(t *testing.T) {
	type place struct {
		Addr netip.Addr
		Raw  cbor.RawMessage
	}
	want := place{netip.MustParseAddr("fe80::1%eth0"), cbor.RawMessage{0x83, 1, 2, 3}}
	_, got := thereAndBack(t, want)
	if p := got.(place); p.Addr != want.Addr || !bytes.Equal(p.Raw, want.Raw) {
		t.Errorf("%v came back as %v", want, got)
	}
}

// The fast path for single numbers agrees with the library, which reads them where they are
// of a named type.
func TestScalarsAgreeWithLibrary(t *testing.T) {
	type (
		f64 float64
		f32 float32
		i64 int64
		num int
		yes bool
	)
	bodies := [][]byte{{0xf4}, {0xf5}, {0xf6}, {0xf7}, {0xf8, 0x20}, {}, {0x20}, {0x00}, {0x17}}
	for _, n := range []uint64{0, 1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64} {
		for _, major := range []byte{0x00, 0x20} {
			bodies = append(bodies,
				[]byte{major | byte(n&0x1f)},
				[]byte{major | 24, byte(n)},
				[]byte{major | 25, byte(n >> 8), byte(n)},
				[]byte{major | 26, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)},
				[]byte{major | 27, byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
	}
	for half := 0; half < 1<<16; half += 61 {
		bodies = append(bodies, []byte{0xf9, byte(half >> 8), byte(half)})
		single := uint32(half)<<16 | uint32(half>>3)
		bodies = append(bodies, []byte{0xfa, byte(single >> 24), byte(single >> 16), byte(single >> 8), byte(single)})
		double := uint64(half)<<48 | uint64(half)<<25 | uint64(half&1)
		b := []byte{0xfb, 0, 0, 0, 0, 0, 0, 0, 0}
		for i := range 8 {
			b[1+i] = byte(double >> (56 - 8*i))
		}
		bodies = append(bodies, b)
	}
	for _, b := range bodies {
		var (
			gotF64, gotF32, gotI64, gotInt, gotBool = 1.5, float32(1.5), int64(7), 7, true
			libF64                                  f64
			libF32                                  f32
			libI64                                  i64
			libInt                                  num
			libBool                                 yes
		)
		agree(t, b, &gotF64, &libF64, func() bool { return math.Float64bits(gotF64) == math.Float64bits(float64(libF64)) })
		agree(t, b, &gotF32, &libF32, func() bool { return math.Float32bits(gotF32) == math.Float32bits(float32(libF32)) })
		agree(t, b, &gotI64, &libI64, func() bool { return gotI64 == int64(libI64) })
		agree(t, b, &gotInt, &libInt, func() bool { return gotInt == int(libInt) })
		agree(t, b, &gotBool, &libBool, func() bool { return gotBool == bool(libBool) })
	}
}

func agree(t *testing.T, b []byte, fast, slow any, same func() bool) {
	t.Helper()
	fastErr, slowErr := codec.DecodeBytes(codec.CBOR, b, fast), codec.DecodeBytes(codec.CBOR, b, slow)
	if (fastErr == nil) != (slowErr == nil) {
		t.Fatalf("Decode(%x) into %T: error %v; into %T: error %v", b, fast, fastErr, slow, slowErr)
	}
	if fastErr == nil && !same() {
		t.Fatalf("Decode(%x) into %T differs from %T", b, fast, slow)
	}
}
