package s3

import (
	"math/rand/v2"
	"testing"

	"github.com/larder-store/larder/internal/sums"
)

func TestCombine(t *testing.T) {
	text := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{}).Read(text)
	whole := sums.CRC(text)
	for _, at := range []int{0, 1, 7, 8, 50_000, 65_536, 99_999, 100_000} {
		first, second := sums.CRC(text[:at]), sums.CRC(text[at:])
		if got := combine(first, second, int64(len(text)-at)); got != whole {
			t.Errorf("pieces of %d and %d bytes combine to %08x, want %08x", at, len(text)-at, got, whole)
		}
	}
}
