package readers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What can be wrong with a file. Every error of this package is a [*ParseError] that
// matches one of these with [errors.Is], or the error of the io.Reader below it.
var (
	ErrFormat      = errors.New("not a file of this format")
	ErrVersion     = errors.New("unsupported version")
	ErrHeader      = errors.New("malformed header")
	ErrColumnCount = errors.New("wrong number of fields")
	ErrNumber      = errors.New("not a number")
	ErrRowCount    = errors.New("more rows than declared")
	ErrTruncated   = errors.New("the file ends early")
	ErrLineTooLong = errors.New("line too long")
	ErrLimit       = errors.New("limit exceeded")
)

// shownText bounds how much of a file an error repeats: enough to recognise a cell,
// too little to flood a log.
const shownText = 40

// A ParseError says what is wrong and where. Line and Column count from 1, Column in
// bytes; Field counts the fields of a line from 1; Offset counts bytes from the start of
// the file. What does not apply is zero.
type ParseError struct {
	Format Format
	Name   string // of the file, where it is known
	Line   int
	Column int
	Field  int
	Offset int64
	Text   string // the offending text, at most 40 bytes of it
	Err    error  // a sentinel of this package, or what the io.Reader said
	Hint   string // what was expected, or what to do about it
}

// Error gives place, text and reason on one line:
//
//	ATF: cell.atf:12:34: field 3: "1,5": not a number (for decimal commas set Options.DecimalComma)
func (e *ParseError) Error() string {
	var b strings.Builder
	b.WriteString(e.Format.String())
	if e.Name != "" {
		b.WriteString(": " + e.Name)
	}
	switch {
	case e.Line > 0 && e.Name != "" && e.Column > 0:
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	case e.Line > 0 && e.Column > 0:
		fmt.Fprintf(&b, ": line %d, column %d", e.Line, e.Column)
	case e.Line > 0 && e.Name != "":
		fmt.Fprintf(&b, ":%d", e.Line)
	case e.Line > 0:
		fmt.Fprintf(&b, ": line %d", e.Line)
	}
	if e.Field > 0 {
		fmt.Fprintf(&b, ": field %d", e.Field)
	}
	if e.Text != "" {
		b.WriteString(": " + strconv.Quote(e.Text))
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *ParseError) Unwrap() error { return e.Err }

// shown cuts text for an error, whatever bytes it holds.
func shown(text []byte) string {
	if len(text) <= shownText {
		return decode(text)
	}
	return decode(text[:shownText-3]) + "..."
}
