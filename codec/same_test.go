package codec_test

import (
	"bytes"
	"io"
	"math"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/larder-store/larder/codec"
)

// same is reflect.DeepEqual, but floats are compared bit by bit (NaN too, and -0 is
// not 0) and times by instant and offset.
func same(a, b any) bool { return sameValue(reflect.ValueOf(a), reflect.ValueOf(b)) }

func sameValue(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	if !a.IsValid() {
		return true
	}
	if a.Kind() == reflect.Struct && a.NumField() > 0 && opaque(a.Type()) {
		return sameOpaque(a.Interface(), b.Interface())
	}
	switch a.Kind() {
	case reflect.Float32:
		return math.Float32bits(a.Interface().(float32)) == math.Float32bits(b.Interface().(float32))
	case reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Complex64, reflect.Complex128: // NaN is in them too
		x, y := a.Complex(), b.Complex()
		return math.Float64bits(real(x)) == math.Float64bits(real(y)) && math.Float64bits(imag(x)) == math.Float64bits(imag(y))
	case reflect.Pointer, reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || sameValue(a.Elem(), b.Elem()))
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		fallthrough
	case reflect.Array:
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for it := a.MapRange(); it.Next(); {
			if !sameValue(it.Value(), b.MapIndex(it.Key())) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			if (f.IsExported() || f.Anonymous) && !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// opaque reports whether a struct shows none of its fields.
func opaque(t reflect.Type) bool {
	return !slices.ContainsFunc(reflect.VisibleFields(t), reflect.StructField.IsExported)
}

func sameOpaque(a, b any) bool {
	switch x := a.(type) {
	case time.Time:
		y := b.(time.Time)
		_, xo := x.Zone()
		_, yo := y.Zone()
		return x.Equal(y) && xo == yo
	case big.Int:
		y := b.(big.Int)
		return x.Cmp(&y) == 0
	}
	return reflect.DeepEqual(a, b)
}

// encoded is Encode with the body read.
func encoded(t testing.TB, v any) (name string, body []byte) {
	t.Helper()
	e, err := codec.Encode(v)
	if err != nil {
		t.Fatalf("Encode(%T) failed: %v", v, err)
	}
	body, err = io.ReadAll(e.Body)
	if err != nil || int64(len(body)) != e.Size {
		t.Fatalf("Encode(%T) has a body of %d bytes, error %v, want Size %d", v, len(body), err, e.Size)
	}
	return e.Codec, body
}

// thereAndBack encodes v and decodes it into a new value of its type, both ways.
func thereAndBack(t testing.TB, v any) (name string, got any) {
	t.Helper()
	name, body := encoded(t, v)
	dst := reflect.New(reflect.TypeOf(v))
	if err := codec.Decode(name, bytes.NewReader(body), int64(len(body)), dst.Interface()); err != nil {
		t.Fatalf("Decode(Encode(%T)) failed: %v", v, err)
	}
	direct := reflect.New(reflect.TypeOf(v))
	if err := codec.DecodeBytes(name, bytes.Clone(body), direct.Interface()); err != nil {
		t.Fatalf("DecodeBytes(Encode(%T)) failed: %v", v, err)
	}
	if !sameValue(dst, direct) {
		t.Fatalf("DecodeBytes gives %#v, Decode %#v", direct.Elem(), dst.Elem())
	}
	return name, dst.Elem().Interface()
}

func decode(name string, body []byte, dst any) error {
	return codec.Decode(name, bytes.NewReader(body), int64(len(body)), dst)
}

func TestSameTellsApart(t *testing.T) {
	for _, pair := range [][2]any{
		{1, 2}, {1, int64(1)}, {"a", "b"}, {[2]int{1, 2}, [2]int{1, 3}}, {[]any{1}, []any{nil}},
		{0.0, math.Copysign(0, -1)}, {math.NaN(), math.Float64frombits(0x7ff8000000000123)},
		{[]int(nil), []int{}}, {map[string]int(nil), map[string]int{}},
		{map[string]int{"a": 1}, map[string]int{"b": 1}}, {map[string]int{"a": 1}, map[string]int{"a": 2}},
		{base{1, 2}, base{1, 3}}, {full{base: base{1, 2}}, full{base: base{1, 3}}},
		{&Extra{1}, &Extra{2}}, {(*Extra)(nil), &Extra{}}, {big.NewInt(1), big.NewInt(2)},
		{time.Unix(1, 0), time.Unix(2, 0)}, {time.Unix(1, 0).UTC(), time.Unix(1, 0).In(time.FixedZone("", 60))},
	} {
		if same(pair[0], pair[1]) {
			t.Errorf("same(%#v, %#v) = true, want false", pair[0], pair[1])
		}
	}
}
