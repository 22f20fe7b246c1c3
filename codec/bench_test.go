package codec_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/larder-store/larder/codec"
)

const million = 1_000_000

// The limit of what reading or writing an array can cost.
func BenchmarkCopyMillionFloats(b *testing.B) {
	src, dst := make([]float64, million), make([]float64, million)
	b.SetBytes(8 * million)
	for b.Loop() {
		copy(dst, src)
	}
}

// inMemory is a writer that keeps what it is given in memory it already has.
type inMemory struct{ buf []byte }

func (w *inMemory) Write(p []byte) (int, error) {
	n := copy(w.buf, p)
	w.buf = w.buf[n:]
	return n, nil
}

func BenchmarkEncodeMillionFloats(b *testing.B) {
	src, dst := make([]float64, million), make([]byte, 8*million+128)
	b.SetBytes(8 * million)
	b.ReportAllocs()
	for b.Loop() {
		e, err := codec.Encode(src)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Body.(io.WriterTo).WriteTo(&inMemory{dst}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeMillionFloats(b *testing.B) {
	e, err := codec.Encode(make([]float64, million))
	if err != nil {
		b.Fatal(err)
	}
	stored, _ := io.ReadAll(e.Body)
	for _, bb := range []struct {
		name  string
		reuse bool
	}{{"reused", true}, {"fresh", false}} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(8 * million)
			b.ReportAllocs()
			var dst []float64
			for b.Loop() {
				if !bb.reuse {
					dst = nil
				}
				if err := codec.Decode(codec.NPY, bytes.NewReader(stored), e.Size, &dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a small array costs beside its few bytes.
func BenchmarkTenFloats(b *testing.B) {
	src := make([]float64, 10)
	_, stored := encoded(b, src)
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.Encode(src); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DecodeBytes", func(b *testing.B) {
		b.ReportAllocs()
		var dst []float64
		for b.Loop() {
			if err := codec.DecodeBytes(codec.NPY, stored, &dst); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFloat(b *testing.B) {
	e, err := codec.Encode(0.1)
	if err != nil {
		b.Fatal(err)
	}
	stored, _ := io.ReadAll(e.Body)
	var f float64
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.Encode(0.1)
		}
	})
	b.Run("DecodeBytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := codec.DecodeBytes(codec.CBOR, stored, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Decode", func(b *testing.B) {
		b.ReportAllocs()
		r := bytes.NewReader(stored)
		for b.Loop() {
			r.Reset(stored)
			if err := codec.Decode(codec.CBOR, r, e.Size, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// twenty is a typical result: 20 fields of several kinds.
type twenty struct {
	Cell, Protocol, Species, Region, Experimenter string
	Sweeps, Spikes, Channel, Seed                 int
	Rate, Threshold, Gain, Offset, Mean, SD, Peak float64
	Filtered, Inverted                            bool
	Latencies                                     []float64
	Tags                                          []string
}

var result = twenty{
	Cell: "2019_03_14_c2", Protocol: "steps", Species: "mouse", Region: "L5", Experimenter: "a.b.",
	Sweeps: 12, Spikes: 231, Channel: 1, Seed: 12345,
	Rate: 20000, Threshold: -20.5, Gain: 0.1, Offset: -0.31, Mean: -65.432, SD: 0.21, Peak: 41.7,
	Filtered: true, Latencies: []float64{0.0123, 0.0131, 0.0119}, Tags: []string{"good", "published"},
}

func BenchmarkStruct(b *testing.B) {
	e, err := codec.Encode(result)
	if err != nil {
		b.Fatal(err)
	}
	stored, _ := io.ReadAll(e.Body)
	b.Run("Encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			codec.Encode(result)
		}
	})
	b.Run("DecodeBytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var dst twenty
			if err := codec.DecodeBytes(codec.CBOR, stored, &dst); err != nil {
				b.Fatal(err)
			}
		}
	})
	// The library alone: without the check that the value came back.
	b.Run("LibraryEncode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			cbor.Marshal(result)
		}
	})
	b.Run("LibraryDecode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var dst twenty
			if err := cbor.Unmarshal(stored, &dst); err != nil {
				b.Fatal(err)
			}
		}
	})
}
