package keying_test

import (
	"bytes"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// oracle is another maker of deterministic CBOR. It knows the order of keys, the shortest
// floats and bignums; reducing integral floats is left to reduce.
var oracle = func() cbor.EncMode {
	o := cbor.CoreDetEncOptions()
	o.BigIntConvert = cbor.BigIntConvertShortest
	o.Time = cbor.TimeRFC3339NanoUTC
	o.TimeTag = cbor.EncTagRequired
	m, err := o.EncMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// reduce turns integral floats into integers, throughout.
func reduce(v any) any {
	switch v := v.(type) {
	case float32:
		return reduce(float64(v))
	case float64:
		if v != math.Trunc(v) || math.IsInf(v, 0) {
			return v
		}
		n, _ := big.NewFloat(v).Int(nil)
		return *n
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = reduce(v[i])
		}
		return list
	case map[any]any:
		m := map[any]any{}
		for k, x := range v {
			m[k] = reduce(x) // keys are drawn reduced
		}
		return m
	}
	return v
}

// drawn values are what Decode gives, and what reduces to it.
var drawn = func() *rapid.Generator[any] {
	hard := rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0x1p-24, 0x1p-25, 0x3ffp-24, 0x1p-14, 65504, 65504.5, 65535, 0x1p53, 0x1p63, 0x1p64, -0x1p63, -0x1p64, math.MaxFloat32, 0x1p-126, 0x1p-149, 0x1p-150, math.MaxFloat64, 5e-324, math.Inf(1), math.Inf(-1), math.NaN()})
	small := rapid.Map(rapid.Uint16(), func(bits uint16) float64 { return float64(bits) * 0x1p-20 }) // many fit 16 bits
	scalar := rapid.OneOf(
		rapid.Just(any(nil)),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Int8().AsAny(),
		rapid.Uint64().AsAny(),
		rapid.Float64().AsAny(),
		rapid.Float32().AsAny(),
		hard.AsAny(),
		small.AsAny(),
		rapid.String().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) any { return *new(big.Int).SetBytes(b) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) any { return *new(big.Int).Not(new(big.Int).SetBytes(b)) }),
		rapid.Custom(func(t *rapid.T) any {
			sec := rapid.Int64Range(-62135596799, 253402300799).Draw(t, "seconds")
			// One second later than the first time, which the oracle takes for none.
			ns := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999_999_999)).Draw(t, "nanoseconds")
			return time.Unix(sec, ns).In(berlin)
		}),
	)
	key := rapid.OneOf(
		rapid.String().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Map(rapid.Int64Min(0), func(n int64) any { return uint64(n) + 1<<63 }),
		rapid.Bool().AsAny(),
		rapid.Map(rapid.Int32(), func(n int32) any { return float64(n) + 0.5 }),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return scalar
		}
		inner := value(depth - 1)
		return rapid.OneOf(scalar, rapid.SliceOfN(inner, 0, 30).AsAny(), rapid.MapOfN(key, inner, 0, 30).AsAny())
	}
	return value(3)
}()

// TestOracle compares whole pre-images with those of an independent encoder, and sees
// that they decode and encode to themselves.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawn.Draw(t, "parameters")
		_, got, err := keying.Hash{}.Preimage(t.Context(), component.New("t", "1", v, component.Ref(inputA)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := oracle.Marshal([]any{keying.Format, "t", "1", reduce(v), []any{inputA}, nil})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("pre-image of %#v\n%x, want\n%x", v, got, want)
		}
		checkFixpoint(t, got)
	})
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkFixpoint decodes a pre-image and encodes what it says.
func checkFixpoint(t fataler, preimage []byte) {
	t.Helper()
	d, err := keying.Decode(preimage)
	if err != nil {
		t.Fatalf("Decode(%x) = %v", preimage, err)
	}
	again, err := keying.Encode(d)
	if err != nil || !bytes.Equal(again, preimage) {
		t.Fatalf("%x decodes to %#v, which encodes to\n%x, %v", preimage, d, again, err)
	}
}

// TestEqualValuesEqualKeys gives one value in different Go types.
func TestEqualValuesEqualKeys(t *testing.T) {
	type options struct {
		Order int     `larder:"order"`
		Low   float32 `json:"low"`
		Names []string
	}
	want := ""
	for i, v := range []any{
		map[string]any{"order": 4, "low": 0.5, "Names": []any{"a"}},
		map[label]any{"order": 4.0, "low": float32(0.5), "Names": []label{"a"}},
		options{4, 0.5, []string{"a"}},
		&options{4, 0.5, []string{"a"}},
		map[any]any{"order": uint8(4), "low": big.NewRat(1, 2), "Names": [1]string{"a"}},
		any(map[string]any{"order": big.NewInt(4), "low": big.NewFloat(0.5), "Names": []*string{ptr("a")}}),
	} {
		got, err := keying.Hash{}.Key(t.Context(), component.New("t", "1", v))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = got
		}
		if got != want {
			t.Errorf("key of %#v is %s, want %s", v, got, want)
		}
	}
}

// TestDifferentValuesDifferentKeys goes over all vectors and what is easily mixed up.
func TestDifferentValuesDifferentKeys(t *testing.T) {
	seen := map[string]any{}
	for _, v := range []any{
		nil, false, 0, "", []byte{}, []any{}, map[string]any{}, time.Time{}, []any{nil}, []any{[]any{}}, []any{0}, []any{""},
		true, 1, "1", []byte("1"), []any{1}, []any{"1"}, 1.5, "1.5", math.NaN(), "NaN", math.Inf(1), math.Inf(-1), -1,
		map[any]any{1: 1}, map[any]any{"1": 1}, map[any]any{true: 1}, map[any]any{1: "1"}, map[any]any{"": nil}, map[any]any{"a": nil},
		[]any{1, 2}, []any{2, 1}, []any{[]any{1}, 2}, []any{1, []any{2}}, []any{[]any{1, 2}},
		0.1, float32(0.1), "\u00e9", "e\u0301", integer("18446744073709551616"), "18446744073709551616", integer("-18446744073709551617"),
		"0001-01-01T00:00:00Z", time.Unix(0, 0), time.Unix(0, 1), map[string]any{"a": map[string]any{"b": 1}}, map[string]any{"a": 1, "b": 1}, map[string]any{"a.b": 1},
	} {
		key, err := keying.Hash{}.Key(t.Context(), component.New("t", "1", v))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := seen[key]; taken {
			t.Errorf("%#v and %#v have one key", v, other)
		}
		seen[key] = v
	}
}
