package codec_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/larder-store/larder/codec"
)

// targets are what a fuzzed value is read into.
var targets = []func() any{
	func() any { return new(any) },
	func() any { return new([]float64) },
	func() any { return new([]bool) },
	func() any { return new([]int) },
	func() any { return new([][]float32) },
	func() any { return new(codec.Matrix[int16]) },
	func() any { return new(complex128) },
	func() any { return new(float64) },
	func() any { return new(int) },
	func() any { return new(string) },
	func() any { return new([]byte) },
	func() any { return new([]any) },
	func() any { return new(map[string]any) },
	func() any { return new(map[any]int) },
	func() any { return new(everything) },
	func() any { return new(full) },
	func() any { return new(*node) },
	func() any { return new([3]int) },
}

// check reads hostile bytes into all targets. What is read must be a value that is stored as
// those bytes; what is not must be one of this package's errors.
func check(t *testing.T, name string, body []byte) {
	for _, target := range targets {
		dst, direct := target(), target()
		err := decode(name, body, dst)
		if directErr := codec.DecodeBytes(name, bytes.Clone(body), direct); (err == nil) != (directErr == nil) {
			t.Fatalf("Decode into %T: error %v, DecodeBytes: error %v", dst, err, directErr)
		}
		if err != nil {
			if !errors.Is(err, codec.ErrMalformed) && !errors.Is(err, codec.ErrType) {
				t.Fatalf("Decode into %T: error %v is neither ErrMalformed nor ErrType", dst, err)
			}
			if !isEmpty(dst) && !isMatrix(dst) {
				t.Fatalf("Decode into %T: error %v, but it holds %v", dst, err, dst)
			}
			continue
		}
		value := reflect.ValueOf(dst).Elem()
		e, err := codec.Encode(value.Interface())
		if err != nil {
			t.Fatalf("%T was read, but cannot be encoded: %v", dst, err)
		}
		again, _ := io.ReadAll(e.Body)
		if name == codec.CBOR && e.Codec == codec.CBOR && !bytes.Equal(again, body) {
			t.Fatalf("%T was read from % x, but is stored as % x", dst, body, again)
		}
		back := reflect.New(value.Type())
		if err := decode(e.Codec, again, back.Interface()); err != nil {
			t.Fatalf("%T was read and stored, but not read again: %v", dst, err)
		}
		if e.Codec == name && !same(back.Elem().Interface(), value.Interface()) {
			t.Fatalf("%#v was read, stored, and came back as %#v", value, back.Elem())
		}
	}
}

func isMatrix(dst any) bool {
	_, ok := dst.(*codec.Matrix[int16])
	return ok
}

func FuzzNPY(f *testing.F) {
	files, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(files) == 0 {
		f.Fatalf("no files in testdata, error %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (1152921504606846976,), }\n"))
	f.Add(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (0, 9223372036854775807), }\n"))
	f.Add(npy("{'descr': '|b1', 'fortran_order': True, 'shape': (1, 2), }\n", 2, 0xff))
	f.Add(npy("{'descr': '>c16', 'fortran_order': True, 'shape': (2, 2), }\n", make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, body []byte) { check(t, codec.NPY, body) })
}

func FuzzCBOR(f *testing.F) {
	for _, v := range []any{
		nil, true, 7, -7, 0.1, "text", []string{"a"}, []any{1, "a", nil, 0.5}, map[string]any{"a": map[string]any{"b": 1}},
		full{Name: "x", Extra: &Extra{1}}, everything{}, node{1, &node{2, nil}}, [3]int{1, 2, 3},
	} {
		e, err := codec.Encode([]any{v})
		if err != nil {
			f.Fatal(err)
		}
		b, _ := io.ReadAll(e.Body)
		f.Add(b[1:]) // without the head of the array
	}
	for _, s := range []string{
		"\x9b\x10\x00\x00\x00\x00\x00\x00\x00", "\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", "\x9f\x01\xff", "\xa2\x61a\x01\x61a\x02",
		strings.Repeat("\x81", 2000), strings.Repeat("\xc2", 2000), "\xc0\x74" + "2013-03-21T20:04:00Z", "\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
		"\xa2\x01\x01\x61a\x02", "\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\xd9\xd9\xf7\x00", "\xf9\x7d\x00", "\xfa\x7f\xa0\x00\x00", "\xf8\x20", "\xf7",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) { check(t, codec.CBOR, body) })
}
