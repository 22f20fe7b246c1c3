// Package component says what a result is: the type and version of the code that
// makes it, its parameters, and what it is computed from.
package component

import "time"

// A Component describes a computation completely: two components with equal
// answers produce the same result, on every machine. Its key is made from these
// four answers (and [Timed], if it has it), and from nothing else.
//
// A Component MUST answer the same for as long as it is in use, and may be asked
// by several goroutines at once.
type Component interface {
	// Type is the full type: import path and name of the code, or a stage's name.
	Type() string
	// Version is the version of the source code behind Type. Change it when the
	// same parameters and inputs would give another result.
	Version() string
	// Parameters are data only: nil, bool, numbers, text, bytes, time.Time, slices, arrays,
	// maps and structs of those. What is no data (a func, a channel) makes
	// the key fail; nothing is left out silently.
	Parameters() any
	// Inputs are the components it is computed from, in order; nil for none.
	// They must not lead back to the component.
	Inputs() []Component
}

// Timed is a Component whose result holds as of a moment, such as the state of
// a database at noon. The moment is part of what it is; the zero time is none.
type Timed interface {
	Component
	AsOf() time.Time
}
