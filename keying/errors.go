package keying

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrTooLong: a free name that has no escaped form within the limit of a segment.
	ErrTooLong = errors.New("too long")
	// ErrMalformed: bytes that are not the canonical encoding of a component, or a
	// text that [Escape] did not make.
	ErrMalformed = errors.New("malformed")
	// ErrNoPreimage: the component is a component.Ref, of which only the key is known.
	ErrNoPreimage = errors.New("only the key is known")
)

// Error says why a component has no key.
type Error struct {
	Type string // of the component that is at fault, which may be an input of the one asked about
	Path string // where in it: "parameters.filter.fn", "inputs[2]", "type"
	Err  error  // what is wrong there
}

// Error reads like: component "spikes.Detect": parameters.filter.fn: func is not data. It has less than 4
// KiB, whatever the names of types and parameters are.
func (e *Error) Error() string {
	return fmt.Sprintf("component %q: %s: %s", middle(e.Type), middle(e.Path), middle(e.Err.Error()))
}

// maxShown bounds each of the three parts of an error: %q may take four bytes for one.
const maxShown = 480

// middle returns a text without its middle, if it is too long.
func middle(s string) string {
	if len(s) <= maxShown {
		return s
	}
	const end = (maxShown - len("…")) / 2
	return strings.ToValidUTF8(s[:end], "") + "…" + strings.ToValidUTF8(s[len(s)-end:], "")
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// fault is an error on its way from the value at fault up to the component: each level
// puts its own step before the path.
type fault struct {
	path string
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// faultf makes a fault at the present value.
func faultf(format string, args ...any) error {
	return &fault{err: fmt.Errorf(format, args...)}
}

// below puts step before the path of err.
func below(step string, err error) error {
	f, ok := err.(*fault)
	if !ok {
		return &fault{path: step, err: err}
	}
	f.path = step + f.path
	return f
}
