package s3

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/larder-store/larder/internal/sums"
)

func TestCombine(t *testing.T) {
	text := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(text)
	whole := crc32.Checksum(text, sums.Castagnoli)
	for _, at := range []int{0, 1, 7, 8, 50_000, 65_536, 99_999, 100_000} {
		first, second := crc32.Checksum(text[:at], sums.Castagnoli), crc32.Checksum(text[at:], sums.Castagnoli)
		if got := combine(first, second, int64(len(text)-at)); got != whole {
			t.Errorf("pieces of %d and %d bytes combine to %08x, want %08x", at, len(text)-at, got, whole)
		}
	}
}
