package blob

import (
	"math"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// RoundTrip encodes a Meta as it is kept with an object and decodes it again.
func RoundTrip(key backend.Key, meta backend.Meta) (backend.Info, int, error) {
	m, err := encodeMeta(stamp{size: math.MaxInt64, digest: [32]byte{1}, sum: 2, key: keyCheck(key), nonce: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, meta)
	if err != nil {
		return backend.Info{}, 0, err
	}
	total := 0
	for k, v := range m {
		total += len(k) + len(v)
	}
	info, _, err := describe(key, driver.Object{Meta: m, Size: math.MaxInt64})
	return info, total, err
}
