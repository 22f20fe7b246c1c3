package codec

import "testing"

// SetOnceLimit changes up to what size memory is allocated at once.
func SetOnceLimit(t testing.TB, n int) {
	old := onceLimit
	onceLimit = n
	t.Cleanup(func() { onceLimit = old })
}

// SetMaxVisits changes how many parts a value may have.
func SetMaxVisits(t testing.TB, n int) {
	old := maxVisits
	maxVisits = n
	t.Cleanup(func() { maxVisits = old })
}

const (
	MaxNesting = maxNesting
	MaxHeader  = maxHeader
	Step       = step
)
