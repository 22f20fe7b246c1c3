package codec_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/codec"
)

var errBad = errors.New("checksum mismatch")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBad }

// lastWord delivers all bytes and, together with the last ones or after them,
// an error: as a reader does that verifies a checksum.
type lastWord struct {
	b     []byte
	after bool
	steps []int
}

func (r *lastWord) Read(p []byte) (int, error) {
	n := copy(p, r.b)
	r.b = r.b[n:]
	r.steps = append(r.steps, len(p))
	if len(r.b) == 0 && (!r.after || n == 0) {
		return n, errBad
	}
	return n, nil
}

// values are one of each codec, small and large, with a target of their own type and
// one of another.
var values = []struct {
	name  string
	value any
	dst   func() any
	other func() any
}{
	{"raw", "text", func() any { return new(string) }, func() any { return new(int) }},
	{"raw bytes", make([]byte, 1_000_000), func() any { return new([]byte) }, func() any { return new(int) }},
	{"raw to a writer", make([]byte, 1_000_000), func() any { return new(bytes.Buffer) }, func() any { return new(int) }},
	{"npy", []float64{1, 2}, func() any { return new([]float64) }, func() any { return new([]int8) }},
	{"npy large", make([]float64, 200_000), func() any { return new([]float64) }, func() any { return new([]string) }},
	{"npy widened", make([]float32, 200_000), func() any { return new([]float64) }, func() any { return new(string) }},
	{"npy matrix", codec.NewMatrix[bool](1000, 900), func() any { return new(codec.Matrix[bool]) }, func() any { return new([]bool) }},
	{"npy rows", [][]int{{1, 2}, {3, 4}}, func() any { return new([][]int) }, func() any { return new([]int) }},
	{"npy number", 1 + 2i, func() any { return new(complex128) }, func() any { return new(float64) }},
	{"npy any", []float64{1, 2}, func() any { return new(any) }, func() any { return new(bool) }},
	{"npy pointer", []float64{1, 2}, func() any { return new(*[]float64) }, func() any { return new(*bool) }},
	{"cbor", 0.1, func() any { return new(float64) }, func() any { return new(string) }},
	{"cbor struct", result, func() any { return new(twenty) }, func() any { return new([]int) }},
	{"cbor large", make([]string, 300_000), func() any { return new([]string) }, func() any { return new(map[string]int) }},
}

// The reader's error comes before all others and as it is, and then nothing is
// delivered.
func TestReaderHasTheLastWord(t *testing.T) {
	for _, tt := range values {
		name, body := encoded(t, tt.value)
		for _, after := range []bool{false, true} {
			for _, dst := range []any{tt.dst(), tt.other()} {
				r := &lastWord{b: bytes.Clone(body), after: after}
				err := codec.Decode(name, r, int64(len(body)), dst)
				if err != errBad {
					t.Errorf("%s into %T, after %v: Decode returned %v, want the reader's own error", tt.name, dst, after, err)
				}
				if len(r.b) > 0 {
					t.Errorf("%s into %T: Decode left %d bytes unread", tt.name, dst, len(r.b))
				}
				if _, ok := dst.(io.Writer); !ok && !isEmpty(dst) {
					t.Errorf("%s into %T, after %v: Decode delivered unverified bytes", tt.name, dst, after)
				}
				for _, n := range r.steps {
					if n > codec.Step {
						t.Errorf("%s into %T: a read of %d bytes, want at most %d", tt.name, dst, n, codec.Step)
					}
				}
			}
		}
		for _, cut := range []int{0, 1, len(body) / 2, len(body) - 1} {
			r := io.MultiReader(bytes.NewReader(body[:cut]), errReader{})
			if err := codec.Decode(name, r, int64(len(body)), tt.dst()); err != errBad {
				t.Errorf("%s: Decode of a reader that fails at %d of %d returned %v, want its error", tt.name, cut, len(body), err)
			}
		}
		if err := codec.Decode("zarr", &lastWord{b: body}, int64(len(body)), tt.dst()); err != errBad {
			t.Errorf("%s: Decode with an unknown codec returned %v, want the reader's error", tt.name, err)
		}
	}
}

// Readers may deliver as they like.
func TestOddReaders(t *testing.T) {
	for _, tt := range values {
		if tt.name == "npy any" || tt.name == "npy pointer" || tt.name == "raw to a writer" {
			continue
		}
		name, body := encoded(t, tt.value)
		if len(body) > 100_000 {
			continue // byte by byte takes too long
		}
		for how, r := range map[string]io.Reader{
			"one byte":     iotest.OneByteReader(bytes.NewReader(body)),
			"half":         iotest.HalfReader(bytes.NewReader(body)),
			"data and EOF": iotest.DataErrReader(bytes.NewReader(body)),
		} {
			dst := tt.dst()
			if err := codec.Decode(name, r, int64(len(body)), dst); err != nil {
				t.Errorf("%s from a reader that gives %s: %v", tt.name, how, err)
			}
			if _, again := encoded(t, dst); !bytes.Equal(again, body) {
				t.Errorf("%s from a reader that gives %s came back changed", tt.name, how)
			}
		}
	}
}

func TestSizeMustBeRight(t *testing.T) {
	for _, tt := range values {
		name, body := encoded(t, tt.value)
		for _, size := range []int{-1, 0, len(body) - 1, len(body) + 1, 2 * len(body)} {
			dst := tt.dst()
			err := codec.Decode(name, bytes.NewReader(body), int64(size), dst)
			want := codec.ErrMalformed
			if size > len(body) {
				want = io.ErrUnexpectedEOF
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: Decode of %d bytes as %d: error %v, want %v", tt.name, len(body), size, err, want)
			}
		}
	}
}

// isEmpty reports whether dst points to nothing that could be part of a value.
func isEmpty(dst any) bool {
	v := reflect.ValueOf(dst).Elem()
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
