package packname_test

import (
	"testing"

	"github.com/larder-store/larder/internal/packname"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last uint64
	}{{"p/000000000001=000000000000", 1, 1}, {"p/000000000007=000000000003", 4, 7}} {
		if got := packname.Of(c.first, c.last); got != c.name {
			t.Errorf("packname.Of(%d, %d) = %q, want %q", c.first, c.last, got, c.name)
		}
		if first, last, ok := packname.Parse(c.name); !ok || first != c.first || last != c.last {
			t.Errorf("packname.Parse(%q) = %d, %d, %v", c.name, first, last, ok)
		}
	}
	for _, name := range []string{"p/1=0", "p/000000000000=000000000000", "p/000000000001=000000000001", "p/x", "p/000000000001", "p/000000000001=000000000000x", "p/+00000000001=000000000000"} {
		if first, last, ok := packname.Parse(name); ok {
			t.Errorf("packname.Parse(%q) = %d, %d, want none", name, first, last)
		}
	}
}
