package interop_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
)

// Google tells the CRC-32C of what it holds, and Stat holds it against what was recorded.
func TestGCSTellsItsSum(t *testing.T) {
	b, err := openURL(t.Context(), gcsURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for name, change := range map[string]uint32{"sound": 0, "another": 1} {
		opts := sums([]byte("value"))
		opts.Sum += change
		if change != 0 {
			opts.Digest = [32]byte{} // unknown: so the service is not told the sum, and cannot refuse it
		}
		if _, err := b.Put(t.Context(), key(name), strings.NewReader("value"), opts); err != nil {
			t.Fatal(err)
		}
		_, err := b.Stat(t.Context(), key(name))
		if bad := change != 0; errors.Is(err, backend.ErrCorrupt) != bad || bad && !strings.Contains(err.Error(), "the service says that its CRC-32C is ") {
			t.Errorf("Stat(%q) = %v, want it corrupt: %v", name, err, bad)
		}
	}
}
