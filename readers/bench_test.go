package readers_test

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/larder-store/larder/readers"
)

// recording is an ATF file in memory as Clampfit would write it: the time and ten sweeps.
func recording(rows int) []byte {
	b := []byte("ATF\t1.0\r\n0\t11     \r\n\"Time (s)\"")
	for i := range 10 {
		b = append(b, "\t\"Trace #"+strconv.Itoa(i+1)+" (pA)\""...)
	}
	b = append(b, "\r\n"...)
	random := rand.New(rand.NewPCG(1, 2))
	for row := range rows {
		b = strconv.AppendFloat(b, float64(row)*5e-5, 'g', 12, 64)
		for range 10 {
			b = append(b, '\t')
			b = strconv.AppendFloat(b, random.NormFloat64()*200, 'g', 6, 64)
		}
		b = append(b, "\r\n"...)
	}
	return b
}

func BenchmarkReadATF(b *testing.B) {
	file := recording(100_000)
	for _, workers := range []int{1, 2} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				t, err := readers.ReadATF(bytes.NewReader(file), &readers.Options{Workers: workers})
				if err != nil || t.Rows() != 100_000 {
					b.Fatalf("%d rows, %v", t.Rows(), err)
				}
			}
		})
	}
}

func BenchmarkBlocks(b *testing.B) {
	file := recording(100_000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r, err := readers.NewATFReader(bytes.NewReader(file), &readers.Options{Workers: 1})
		if err != nil {
			b.Fatal(err)
		}
		rows := 0
		for block, err := range r.Blocks() {
			if err != nil {
				b.Fatal(err)
			}
			rows += block.Rows
		}
		if rows != 100_000 {
			b.Fatalf("%d rows, want 100000", rows)
		}
	}
}
