package sums

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// TestCRC holds both ways of summing, and the change from one to the other within a value, to package crc32.
func TestCRC(t *testing.T) {
	defer func(was int64, fast bool) { spent.Store(was); many.Store(fast) }(spent.Load(), many.Load())
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, length := range []int{0, 1, 7, 100, few - 1, few, few + 1, 3 * few} {
		b := make([]byte, length)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		want := crc32.Checksum(b, table)
		spent.Store(0)
		many.Store(false)
		if got := CRC(b); got != want {
			t.Errorf("CRC of %d bytes = %08x, want %08x", length, got, want)
		}
		if got := bytewise(0, b); got != want {
			t.Errorf("bytewise of %d bytes = %08x, want %08x", length, got, want)
		}
		spent.Store(0)
		many.Store(false)
		sum := uint32(0)
		for at := 0; at < length; at += 1000 {
			sum = Update(sum, b[at:min(length, at+1000)])
		}
		if sum != want {
			t.Errorf("Update over %d bytes in pieces = %08x, want %08x", length, sum, want)
		}
	}
	if !many.Load() {
		t.Error("a long value is still summed byte by byte")
	}
}
