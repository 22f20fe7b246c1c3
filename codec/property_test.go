package codec_test

import (
	"bytes"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/larder-store/larder/codec"
)

// everything has a field of each kind that CBOR is for.
type everything struct {
	Bool     bool
	Int      int
	Int8     int8
	Int64    int64
	Uint64   uint64
	Float32  float32
	Float64  float64
	Text     string
	Bytes    []byte
	Time     time.Time
	Times    []*time.Time
	Duration time.Duration
	Big      *big.Int
	Floats   []float64
	Array    [2]float32
	Hash     [4]byte
	Strings  []string
	Rows     [][]int16
	Names    map[string]string
	Numbers  map[int64][]byte
	Pairs    map[[2]int8]bool
	Any      any
	Tree     *everyTree
	Tagged   int `cbor:"t"`
	Jsoned   int `json:"j"`
	Inner
	*Outer
}

type Inner struct{ A, B *string }

type Outer struct{ C map[string]Inner }

type everyTree struct {
	Left, Right *everyTree
	Leaf        *int
}

// quiet makes NaNs quiet: CBOR does.
func quiet[F float32 | float64](f F) F {
	if f == f {
		return f
	}
	switch p := any(&f).(type) {
	case *float32:
		*p = math.Float32frombits(math.Float32bits(*p) | 1<<22)
	case *float64:
		*p = math.Float64frombits(math.Float64bits(*p) | 1<<51)
	}
	return f
}

var (
	text     = rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	float64s = rapid.OneOf(rapid.Float64(), rapid.Map(rapid.Uint64(), func(b uint64) float64 { return quiet(math.Float64frombits(b)) }),
		rapid.Map(rapid.Float32(), func(f float32) float64 { return float64(f) }))
	float32s = rapid.Map(rapid.Uint32(), func(b uint32) float32 { return quiet(math.Float32frombits(b)) })
	bigInts  = rapid.Custom(func(t *rapid.T) *big.Int {
		n := new(big.Int).SetBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "magnitude"))
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n
	})
	times = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
			return time.Time{}
		}
		offset := 60 * rapid.IntRange(-23*60, 23*60).Draw(t, "offset")
		// A day within the years 0 and 9999, whatever the offset.
		seconds := rapid.Int64Range(-62167219200+86400, 253402300799-86400).Draw(t, "seconds")
		return time.Unix(seconds, rapid.Int64Range(0, 999999999).Draw(t, "ns")).In(time.FixedZone("", offset))
	})
)

// orNil is nil now and then.
func orNil[T any](g *rapid.Generator[T]) *rapid.Generator[*T] { return rapid.Ptr(g, true) }

// sliceOf is nil now and then.
func sliceOf[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.OneOf(rapid.Just([]T(nil)), rapid.SliceOfN(g, 0, 5))
}

func mapOf[K comparable, V any](k *rapid.Generator[K], v *rapid.Generator[V]) *rapid.Generator[map[K]V] {
	return rapid.OneOf(rapid.Just(map[K]V(nil)), rapid.MapOfN(k, v, 0, 4))
}

// open are the values that come back as they are from an any.
func open(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), float64s.AsAny(), text.AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		times.Filter(func(t time.Time) bool { return !t.IsZero() }).AsAny(),
		bigInts.Filter(func(n *big.Int) bool { return !n.IsInt64() }).AsAny(),
	}
	if depth > 0 {
		kinds = append(kinds, rapid.SliceOfN(open(depth-1), 0, 3).AsAny(), rapid.MapOfN(text, open(depth-1), 0, 3).AsAny())
	}
	return rapid.OneOf(kinds...)
}

func trees(depth int) *rapid.Generator[*everyTree] {
	if depth == 0 {
		return rapid.Just[*everyTree](nil)
	}
	return rapid.Custom(func(t *rapid.T) *everyTree {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return &everyTree{trees(depth-1).Draw(t, "left"), trees(depth-1).Draw(t, "right"), orNil(rapid.Int()).Draw(t, "leaf")}
	})
}

var inners = rapid.Custom(func(t *rapid.T) Inner {
	return Inner{orNil(text).Draw(t, "A"), orNil(text).Draw(t, "B")}
})

var everythings = rapid.Custom(func(t *rapid.T) everything {
	e := everything{
		Bool: rapid.Bool().Draw(t, "Bool"), Int: rapid.Int().Draw(t, "Int"), Int8: rapid.Int8().Draw(t, "Int8"),
		Int64: rapid.Int64().Draw(t, "Int64"), Uint64: rapid.Uint64().Draw(t, "Uint64"),
		Float32: float32s.Draw(t, "Float32"), Float64: float64s.Draw(t, "Float64"),
		Text: text.Draw(t, "Text"), Bytes: sliceOf(rapid.Byte()).Draw(t, "Bytes"),
		Time: times.Draw(t, "Time"),
		// A pointer to the zero time comes back nil.
		Times:    sliceOf(orNil(times.Filter(func(t time.Time) bool { return !t.IsZero() }))).Draw(t, "Times"),
		Duration: time.Duration(rapid.Int64().Draw(t, "Duration")),
		Floats:   sliceOf(float64s).Draw(t, "Floats"),
		Array:    [2]float32{float32s.Draw(t, "Array"), float32s.Draw(t, "Array")},
		Strings:  sliceOf(text).Draw(t, "Strings"),
		Rows:     sliceOf(sliceOf(rapid.Int16())).Draw(t, "Rows"),
		Names:    mapOf(text, text).Draw(t, "Names"),
		Numbers:  mapOf(rapid.Int64(), sliceOf(rapid.Byte())).Draw(t, "Numbers"),
		Any:      open(3).Draw(t, "Any"),
		Tree:     trees(4).Draw(t, "Tree"),
		Tagged:   rapid.Int().Draw(t, "Tagged"),
		Inner:    inners.Draw(t, "Inner"),
	}
	copy(e.Hash[:], rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "Hash"))
	if rapid.Bool().Draw(t, "has Big") {
		e.Big = bigInts.Draw(t, "Big")
	}
	for range rapid.IntRange(0, 3).Draw(t, "Pairs") {
		if e.Pairs == nil {
			e.Pairs = map[[2]int8]bool{}
		}
		e.Pairs[[2]int8{rapid.Int8().Draw(t, "pair"), 1}] = rapid.Bool().Draw(t, "value")
	}
	if rapid.Bool().Draw(t, "has Outer") {
		e.Outer = &Outer{mapOf(text, inners).Draw(t, "C")}
	}
	return e
})

// comesBack is the law of this package: there and back is the same value, equal
// values are equal bytes, and the bytes say which value it was.
func comesBack(t *rapid.T, v any) {
	e, err := codec.Encode(v)
	if err != nil {
		t.Fatalf("Encode(%#v) failed: %v", v, err)
	}
	body := new(bytes.Buffer)
	if _, err := body.ReadFrom(e.Body); err != nil || int64(body.Len()) != e.Size {
		t.Fatalf("the body has %d bytes, error %v, want %d", body.Len(), err, e.Size)
	}
	dst := reflect.New(reflect.TypeOf(v))
	if err := decode(e.Codec, body.Bytes(), dst.Interface()); err != nil {
		t.Fatalf("Decode(Encode(%#v)) failed: %v", v, err)
	}
	if !same(dst.Elem().Interface(), v) {
		t.Fatalf("%#v came back as %#v", v, dst.Elem())
	}
	again, err := codec.Encode(dst.Elem().Interface())
	if err != nil {
		t.Fatalf("Encode of what came back failed: %v", err)
	}
	second := new(bytes.Buffer)
	if second.ReadFrom(again.Body); again.Codec != e.Codec || !bytes.Equal(second.Bytes(), body.Bytes()) {
		t.Fatalf("%#v is %q the first time and %q the second", v, body.Bytes(), second.Bytes())
	}
}

func TestPropertyEverythingComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { comesBack(t, everythings.Draw(t, "value")) })
}

func TestPropertyAnyComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { comesBack(t, []any{open(5).Draw(t, "value")}) })
}

// Arrays of every element, of any length and any bits.
func TestPropertyArraysComeBack(t *testing.T) {
	t.Run("bool", rapid.MakeCheck(arraysOf[bool]))
	t.Run("int", rapid.MakeCheck(arraysOf[int]))
	t.Run("int8", rapid.MakeCheck(arraysOf[int8]))
	t.Run("int16", rapid.MakeCheck(arraysOf[int16]))
	t.Run("int32", rapid.MakeCheck(arraysOf[int32]))
	t.Run("int64", rapid.MakeCheck(arraysOf[int64]))
	t.Run("uint", rapid.MakeCheck(arraysOf[uint]))
	t.Run("uint8", rapid.MakeCheck(arraysOf[uint8]))
	t.Run("uint16", rapid.MakeCheck(arraysOf[uint16]))
	t.Run("uint32", rapid.MakeCheck(arraysOf[uint32]))
	t.Run("uint64", rapid.MakeCheck(arraysOf[uint64]))
	t.Run("float32", rapid.MakeCheck(arraysOf[float32]))
	t.Run("float64", rapid.MakeCheck(arraysOf[float64]))
	t.Run("complex64", rapid.MakeCheck(arraysOf[complex64]))
	t.Run("complex128", rapid.MakeCheck(arraysOf[complex128]))
}

func arraysOf[T codec.Element](t *rapid.T) {
	rows := rapid.IntRange(0, 5).Draw(t, "rows")
	cols := rapid.IntRange(1, 5).Draw(t, "cols")
	data := make([]T, rows*cols)
	fill(t, data)
	comesBackExactly(t, data, func(got []T) []T { return got })

	m := codec.NewMatrix[T](rows, cols)
	copy(m.Data, data)
	comesBackExactly(t, m, func(got codec.Matrix[T]) []T {
		if got.Rows != rows || got.Cols != cols {
			t.Fatalf("a matrix of %d x %d came back as %d x %d", rows, cols, got.Rows, got.Cols)
		}
		return got.Data
	})
	table := make([][]T, rows)
	for i := range table {
		table[i] = m.Row(i)
	}
	comesBackExactly(t, table, func(got [][]T) []T {
		if len(got) != rows {
			t.Fatalf("%d rows came back as %d", rows, len(got))
		}
		var flat []T
		for _, r := range got {
			flat = append(flat, r...)
		}
		return flat
	})
}

// fill fills data with any bits that its elements may have.
func fill[T codec.Element](t *rapid.T, data []T) {
	if len(data) == 0 {
		return
	}
	mem := memory(data)
	most := byte(255)
	if _, ok := any(data).([]bool); ok {
		most = 1
	}
	copy(mem, rapid.SliceOfN(rapid.ByteMax(most), len(mem), len(mem)).Draw(t, "bits"))
}

func memory[T codec.Element](data []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(*new(T))))
}

// comesBackExactly compares memory, so that every bit of a NaN counts.
func comesBackExactly[T codec.Element, V any](t *rapid.T, v V, flat func(V) []T) {
	want := bytes.Clone(memory(flat(v)))
	e, err := codec.Encode(v)
	if err != nil {
		t.Fatalf("Encode(%v) failed: %v", v, err)
	}
	var got V
	if err := codec.Decode(e.Codec, e.Body, e.Size, &got); err != nil {
		t.Fatalf("Decode(Encode(%v)) failed: %v", v, err)
	}
	if mem := memory(flat(got)); !bytes.Equal(mem, want) {
		t.Fatalf("%v came back as %v, bits % x as % x", v, got, want, mem)
	}
}
