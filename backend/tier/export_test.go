package tier

import (
	"testing"
	"time"
)

// SetLanded changes for a test how old a doubt is when it is over.
func SetLanded(t testing.TB, d time.Duration) {
	old := landed
	landed = d
	t.Cleanup(func() { landed = old })
}
