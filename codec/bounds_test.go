package codec_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-store/larder/codec"
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What is allocated for hostile bytes is bounded by the bytes there are, not by what
// they claim.
func TestHostileBytesAllocateLittle(t *testing.T) {
	const most = 200 << 10 // for buffers, errors and type information
	claim := "{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }\n"
	for _, tt := range []struct {
		name, codec string
		body        []byte
		bound       uint64
	}{
		{"2^60 numbers", codec.NPY, npy(claim), most},
		{"2^60 rows of nothing", codec.NPY, npy(strings.Replace(claim, "(1152921504606846976,)", "(1152921504606846976, 0)", 1)), most},
		{"a header of 4 GB", codec.NPY, []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{"), most},
		{"10,000 bytes of brackets", codec.NPY, npy(strings.Repeat("(", 10_000)), most},
		{"many dimensions", codec.NPY, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 4000) + ")}\n"), most},
		{"an array of 2^60", codec.CBOR, []byte("\x9b\x10\x00\x00\x00\x00\x00\x00\x00"), most},
		{"a map of 2^60", codec.CBOR, []byte("\xbb\x10\x00\x00\x00\x00\x00\x00\x00"), most},
		{"a text of 2^40", codec.CBOR, []byte("\x7b\x00\x00\x01\x00\x00\x00\x00\x00"), most},
		{"arrays of 2^31 in one another", codec.CBOR, bytes.Repeat([]byte("\x9a\x7f\xff\xff\xff"), 900), most},
		// In an any an empty array or map is one byte here and less than 100 in memory.
		{"20,000 empty maps", codec.CBOR, append([]byte("\x99\x4e\x20"), bytes.Repeat([]byte{0xa0}, 20_000)...), most + 100*20_000},
		{"20,000 empty arrays", codec.CBOR, append([]byte("\x99\x4e\x20"), bytes.Repeat([]byte{0x80}, 20_000)...), most + 100*20_000},
		{"20,000 nulls", codec.CBOR, append([]byte("\x99\x4e\x20"), bytes.Repeat([]byte{0xf6}, 20_000)...), most + 100*20_000},
	} {
		for _, target := range targets {
			dst := target()
			var err error
			got := allocated(func() { err = codec.Decode(tt.codec, bytes.NewReader(tt.body), int64(len(tt.body)), dst) })
			if got > tt.bound {
				t.Errorf("%s into %T: %d bytes allocated, want at most %d; error %v", tt.name, dst, got, tt.bound, err)
			}
		}
	}
}

// A size that is not true costs no more than the limit and what there is.
func TestWrongSizeAllocatesLittle(t *testing.T) {
	const limit = 1 << 20
	codec.SetOnceLimit(t, limit)
	claim := npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }\n")
	for _, tt := range []struct {
		codec string
		body  []byte
		size  int64
		dst   any
	}{
		{codec.NPY, append(bytes.Clone(claim), make([]byte, 3<<20)...), int64(len(claim)) + 8<<40, new([]float64)},
		{codec.Raw, make([]byte, 3<<20), 1 << 60, new([]byte)},
		{codec.Raw, make([]byte, 3<<20), 1 << 60, new(string)},
		{codec.CBOR, make([]byte, 3<<20), 1 << 60, new(any)},
	} {
		var err error
		got := allocated(func() { err = codec.Decode(tt.codec, bytes.NewReader(tt.body), tt.size, tt.dst) })
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s of 2^40 bytes or more, of which 3 MiB come: error %v, want ErrUnexpectedEOF", tt.codec, err)
		}
		if most := uint64(limit + 2*2*3<<20); got > most {
			t.Errorf("%s: %d bytes allocated, want at most %d", tt.codec, got, most)
		}
	}
}

// Memory that grows gets everything.
func TestGrowingMemory(t *testing.T) {
	want := make([]int32, 100_000)
	for i := range want {
		want[i] = int32(i)
	}
	_, body := encoded(t, want)
	for _, limit := range []int{1, 4, 1000, 399_999, 400_000} {
		codec.SetOnceLimit(t, limit)
		var got []int32
		if err := decode(codec.NPY, body, &got); err != nil || !same(got, want) {
			t.Errorf("with steps from %d bytes: %d elements, error %v, want %d", limit, len(got), err, len(want))
		}
		var wide []int64
		if err := decode(codec.NPY, body, &wide); err != nil || wide[99_999] != 99_999 {
			t.Errorf("with steps from %d bytes, widened: %d elements, error %v, want %d", limit, len(wide), err, len(want))
		}
	}
}

// The usual ways allocate what the value needs, once.
func TestAllocations(t *testing.T) {
	floats := make([]float64, 100_000)
	_, body := encoded(t, floats)
	fresh := allocated(func() {
		var dst []float64
		if err := decode(codec.NPY, body, &dst); err != nil {
			t.Fatal(err)
		}
	})
	if most := uint64(len(body) + len(body)/10); fresh > most {
		t.Errorf("Decode of %d bytes into a nil slice allocates %d, want at most %d", len(body), fresh, most)
	}
	reused := allocated(func() {
		if err := decode(codec.NPY, body, &floats); err != nil {
			t.Fatal(err)
		}
	})
	if reused > 100_000 {
		t.Errorf("Decode of %d bytes into a slice with room allocates %d, want next to nothing", len(body), reused)
	}
	written := allocated(func() {
		e, err := codec.Encode(floats)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Body.(io.WriterTo).WriteTo(struct{ io.Writer }{io.Discard}); err != nil {
			t.Fatal(err)
		}
	})
	if written > 10_000 && !bigEndian {
		t.Errorf("Encode and WriteTo of %d bytes allocate %d, want next to nothing", len(body), written)
	}

	_, number := encoded(t, 0.1)
	var f float64
	if n := testing.AllocsPerRun(100, func() { codec.DecodeBytes(codec.CBOR, number, &f) }); n > 0 {
		t.Errorf("DecodeBytes of a float allocates %v times, want 0", n)
	}
	r := bytes.NewReader(number)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(number)
		codec.Decode(codec.CBOR, r, int64(len(number)), &f)
	}); n > 3 {
		t.Errorf("Decode of a float allocates %v times, want at most 3", n)
	}
}
