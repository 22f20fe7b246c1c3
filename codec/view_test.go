package codec_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"unsafe"

	"github.com/larder-store/larder/codec"
)

// alignedBytes returns the bytes of a value, aligned as a mapped file is.
func alignedBytes(t *testing.T, v any) (string, []byte) {
	t.Helper()
	e, err := codec.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	words := make([]uint64, e.Size/8+1)
	b := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), e.Size)
	if _, err := io.ReadFull(e.Body, b); err != nil {
		t.Fatal(err)
	}
	return e.Codec, b
}

func TestSlice(t *testing.T) {
	name, b := alignedBytes(t, []float64{1.5, 2, -3})
	got, err := codec.Slice[float64](name, b)
	if err != nil || !slices.Equal(got, []float64{1.5, 2, -3}) {
		t.Fatalf("Slice = %v, %v", got, err)
	}
	if unsafe.Pointer(&got[0]) != unsafe.Pointer(&b[len(b)-24]) {
		t.Error("the numbers were copied")
	}
	if cap(got) != 3 {
		t.Errorf("the slice could grow into what follows: its capacity is %d", cap(got))
	}
	if got, err := codec.Slice[byte](codec.Raw, []byte("raw")); err != nil || string(got) != "raw" {
		t.Errorf("raw bytes: %q, %v", got, err)
	}
	if _, err := codec.Slice[float64](name, append([]byte("\x00"), b...)[1:]); !errors.Is(err, codec.ErrCopy) {
		// append gives memory that is aligned, so that one byte further on is not
		t.Errorf("numbers that are not aligned: %v, want ErrCopy", err)
	}
	for what, c := range map[string]struct {
		v    any
		show func(string, []byte) error
		want error
	}{
		"float64 as float32": {[]float64{1}, as[float32], codec.ErrType},
		"float32 as float64": {[]float32{1}, as[float64], codec.ErrCopy},
		"a matrix":           {codec.NewMatrix[float64](2, 2), as[float64], codec.ErrType},
		"text":               {"text", as[float64], codec.ErrType},
		"a map":              {map[string]int{"a": 1}, as[float64], codec.ErrType},
		"bools":              {[]bool{true, false}, as[bool], nil},
		"no numbers":         {[]int64{}, as[int64], nil},
	} {
		name, b := alignedBytes(t, c.v)
		if err := c.show(name, b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	name, b = alignedBytes(t, []bool{true, false})
	b[len(b)-1] = 2
	if _, err := codec.Slice[bool](name, b); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("a bool of 2: %v, want ErrMalformed", err)
	}
	if _, err := codec.Slice[float64](codec.NPY, b[:20]); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("a header that is cut off: %v, want ErrMalformed", err)
	}
}

func as[T codec.Element](name string, b []byte) error {
	_, err := codec.Slice[T](name, b)
	return err
}

func TestMatrixOf(t *testing.T) {
	m := codec.Matrix[int32]{Rows: 2, Cols: 3, Data: []int32{1, 2, 3, 4, 5, 6}}
	name, b := alignedBytes(t, m)
	got, err := codec.MatrixOf[int32](name, b)
	if err != nil || got.Rows != 2 || got.Cols != 3 || !slices.Equal(got.Data, m.Data) {
		t.Errorf("MatrixOf = %v, %v", got, err)
	}
	if unsafe.Pointer(&got.Data[0]) != unsafe.Pointer(&b[len(b)-24]) {
		t.Error("the numbers were copied")
	}
	name, b = alignedBytes(t, codec.NewMatrix[int32](0, 3))
	if got, err := codec.MatrixOf[int32](name, b); err != nil || got.Cols != 3 || got.Data != nil {
		t.Errorf("a matrix of nothing: %v, %v", got, err)
	}
	columns := []byte("\x93NUMPY\x01\x00\x76\x00{'descr': '<i4', 'fortran_order': True, 'shape': (2, 2)}")
	for len(columns) < 127 {
		columns = append(columns, ' ')
	}
	columns = append(append(columns, '\n'), make([]byte, 16)...)
	if _, err := codec.MatrixOf[int32](codec.NPY, columns); !errors.Is(err, codec.ErrCopy) {
		t.Errorf("columns: %v, want ErrCopy", err)
	}
}
