package backend

// A Describer states what it promises beyond what every [Backend] must do. The
// conformance suite holds it to its word.
type Describer interface {
	Limits() Limits
}

// Limits are promises and bounds. The zero value promises nothing.
type Limits struct {
	// AtomicIfAbsent and AtomicIfMatch: the conditions are decided at the instant of
	// the write, among all writers of the place. Without it a Put with the
	// condition fails with errors.ErrUnsupported.
	AtomicIfAbsent bool
	AtomicIfMatch  bool

	// Durable: what was acknowledged survives a power cut, not just the death
	// of a process.
	Durable bool

	// Lasting: values survive Close and can be found by another Open of the
	// same place. Without it they live and die with the process.
	Lasting bool

	// Shared: other machines that open the same place see the same values.
	Shared bool

	// CostlyRequests: every call costs money or a network round trip, so that a
	// caller avoids those that it can do without.
	CostlyRequests bool

	// MaxValue is the largest value in bytes, at least 1 MiB; 0 is no limit worth naming.
	MaxValue int64
}

// LimitsOf returns what b promises; nothing, if it does not say.
func LimitsOf(b Backend) Limits {
	if d, ok := As[Describer](b); ok {
		return d.Limits()
	}
	return Limits{}
}
