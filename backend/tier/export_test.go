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

// SetSilence changes for a test how long a sender may show no sign of life, and how often one shows it.
func SetSilence(t testing.TB, bound, every time.Duration) {
	oldSilence, oldRenewal := silence, renewal
	silence, renewal = bound, every
	t.Cleanup(func() { silence, renewal = oldSilence, oldRenewal })
}
