package codec_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/larder-store/larder/codec"
)

// There and back again.
func TestRoundTrip(t *testing.T) {
	for _, want := range []any{
		"", "text", []byte{}, []byte("bytes"), []byte(nil),
		1.5, 0.1, float32(0.1), 7, -7, true, uint64(1) << 63,
		[]float64{1, 2, 3}, []float64{}, []float64(nil), []int{-1, 2}, []bool{true, false}, []complex64{1 + 2i},
		complex(1, 2), [][]float64{{1, 2}, {3, 4}, {5, 6}}, [][]int{{1}, {2, 3}}, [][]int{}, [][]int(nil), [][]int{nil, {1}},
		codec.Matrix[float32]{Rows: 2, Cols: 2, Data: []float32{1, 2, 3, 4}},
		codec.Matrix[float32]{}, map[string]int{"a": 1}, [3]int{1, 2, 3},
		struct{ A, B float64 }{0.1, 2},
	} {
		e, err := codec.Encode(want)
		if err != nil {
			t.Errorf("Encode(%#v) failed: %v", want, err)
			continue
		}
		got := reflect.New(reflect.TypeOf(want))
		if err := codec.Decode(e.Codec, e.Body, e.Size, got.Interface()); err != nil {
			t.Errorf("Decode(Encode(%#v)) failed: %v", want, err)
			continue
		}
		if !reflect.DeepEqual(got.Elem().Interface(), want) {
			t.Errorf("Decode(Encode(%#v)) = %#v", want, got.Elem())
		}
		var b bytes.Buffer
		e.Body.Seek(0, 0)
		b.ReadFrom(e.Body)
		got = reflect.New(reflect.TypeOf(want))
		if err := codec.DecodeBytes(e.Codec, b.Bytes(), got.Interface()); err != nil {
			t.Errorf("DecodeBytes(Encode(%#v)) failed: %v", want, err)
		}
	}
}
