package s3

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCombine(t *testing.T) {
	text := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(text)
	whole := crc32.Checksum(text, castagnoli)
	for _, at := range []int{0, 1, 7, 8, 50_000, 65_536, 99_999, 100_000} {
		first, second := crc32.Checksum(text[:at], castagnoli), crc32.Checksum(text[at:], castagnoli)
		if got := combine(first, second, int64(len(text)-at)); got != whole {
			t.Errorf("pieces of %d and %d bytes combine to %08x, want %08x", at, len(text)-at, got, whole)
		}
	}
}
