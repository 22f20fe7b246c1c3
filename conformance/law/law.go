// Package law says what a backend must do: a table of laws, each a sentence and a
// function that tries to catch a backend breaking it.
//
// [Check] holds a backend to all of them and reports; it needs no test binary, so that
// anyone can run it on a bucket or database. Tests use conformance.Run, which adds
// what only tests have.
//
// The laws come from the contract in package backend. A new one is a row in a table and
// a mutant in package conformance's tests that breaks it.
package law

import (
	"context"
	"fmt"
	"slices"
)

// A Law is one rule and the experiment that shows whether a backend keeps it.
type Law struct {
	Name  string // group and case: "put/short-body"
	Rule  string // what every backend does, as a sentence
	Needs []Need // without all of these the law does not apply
	Tier  Tier   // the lowest tier that tries it; zero is Quick

	// Alone: the experiment looks at the whole process, its goroutines or files, or at the
	// whole place, so that nothing else may run beside it.
	Alone bool

	// Waits: the experiment does little but wait for time to pass, so that it may run beside any number of others but those that are Alone.
	Waits bool

	// Fn tries the law in e's place. An error says how the backend broke it.
	Fn func(ctx context.Context, e *Env) error
}

// Laws returns the table, in the order in which it is tried: what fails early
// explains what fails late.
func Laws() []Law {
	return slices.Concat(
		handleLaws, errorLaws, urlLaws, putLaws, bodyLaws, getLaws, infoLaws, keyLaws,
		ifAbsentLaws, ifMatchLaws, deleteLaws, listLaws, pageLaws, shelvesLaws,
		scanLaws, rangeLaws, viewLaws, stageLaws, batchLaws, deleteMatchLaws, cancelLaws, stormLaws, historyLaws, modelLaws, matrixLaws, leaseLaws, sweepLaws, findLaws, leakLaws, processLaws,
	)
}

// Tier says how much time a run may take.
type Tier int

// Quick is a look of some seconds at a backend on this machine. Full is what CI runs:
// at most a minute a backend. Soak goes on for many minutes, by hand.
const (
	Quick Tier = iota
	Full
	Soak
)

var tierNames = map[Tier]string{Quick: "quick", Full: "full", Soak: "soak"}

// String returns quick, full or soak.
func (t Tier) String() string {
	if s, ok := tierNames[t]; ok {
		return s
	}
	return fmt.Sprintf("Tier(%d)", int(t))
}

// MarshalText implements [encoding.TextMarshaler].
func (t Tier) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Tier) UnmarshalText(text []byte) error {
	for tier, name := range tierNames {
		if name == string(text) {
			*t = tier
			return nil
		}
	}
	return fmt.Errorf("tier %q is unknown; known: quick, full, soak", text)
}
