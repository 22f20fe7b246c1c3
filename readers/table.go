package readers

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A Kind says what the cells of a column are.
type Kind uint8

const (
	Float64 Kind = iota // numbers, in Table.Float
	Text                // text, in Table.Text
	Unread              // left out by Options.Columns
)

// A Column describes one column. Titles may be empty and may repeat: columns are distinguished
// apart by their place.
type Column struct {
	Title string
	Units string
	Raw   string // the title as it stands in the file, without its quotes
	Kind  Kind
}

// A HeaderRecord is one optional header record of an ATF file, conventionally
// "Key=Value", sometimes with further fields on the line.
type HeaderRecord struct {
	Key    string   // before the first '='; empty if there is none
	Value  string   // after it
	Fields []string // further fields of the record
	Raw    string   // the record as it stands, without blanks and TABs at its end
	Line   int
}

// A Code distinguishes one kind of warning from another.
type Code uint8

const (
	EmptyCell       Code = iota + 1 // an empty cell in a column of numbers, read as NaN
	MixedColumn                     // a column of text that also holds numbers
	OutOfRange                      // a number too large for a float64, read as an infinity
	ExtraDelimiter                  // delimiters without a field behind them at the end of a row
	NoFinalNewline                  // the last line has no end: it may be cut
	DeclaredColumns                 // the declared number of columns is wrong
	DeclaredRows                    // the declared number of rows is too small
	AfterEnd                        // bytes behind an end-of-file mark (Ctrl-Z), not read
	OddHeader                       // something in the header is not as described
	DecimalComma                    // a column of text whose cells look like numbers with decimal commas
	NoEvents                        // nothing follows the header of an AER-DAT file: it may be cut
)

var codeNames = [...]string{"", "empty cell", "mixed column", "out of range", "extra delimiter",
	"no final newline", "declared columns", "declared rows", "after end", "odd header", "decimal comma", "no events"}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint8(c))
}

// A Warning is a doubt about a file that could be read all the same. Doubts of one kind
// about one column are one Warning with a count.
type Warning struct {
	Code   Code
	Line   int // of the first occurrence
	Column int // index of the column, -1 if it concerns none
	Count  int
	Msg    string
}

func (w Warning) String() string {
	if w.Line > 0 {
		return fmt.Sprintf("line %d: %s", w.Line, w.Msg)
	}
	return w.Msg
}

// A Curve is a line of a NEURON graph that has points of its own.
type Curve struct {
	Label string
	X, Y  []float64
}

// A Table is what a file holds. It is plain data and belongs to the caller. Reading it
// from several goroutines is safe.
type Table struct {
	Format  Format
	Version string // as written in an ATF file: "1.0", "1"
	Label   string // of a NEURON vector file, verbatim

	Headers  []HeaderRecord
	Columns  []Column
	Float    [][]float64    // by column; nil for columns of another kind
	Text     [][]string     // by column; nil for columns of another kind
	Curves   []Curve        // of a NEURON graph, beside or instead of columns
	Comments map[int]string // by row: the comment behind the last column of an ATF record

	// Step is the sampling interval where the header gives it and no column holds the
	// time (NEURON's count-and-step files), else 0.
	Step float64

	Delimiter       byte // that separates the fields; ' ' means runs of blanks and TABs
	DeclaredRows    int  // as the header says; -1 if it does not
	DeclaredColumns int  // as the header says; -1 if it does not
	FinalNewline    bool // the file ends with the end of a line; else its last number may be cut
	Warnings        []Warning

	rows int // that were read, also where Options.Columns left out every column
}

// Rows returns the number of rows, the same for every column that was read.
func (t *Table) Rows() int {
	for c := range t.Columns {
		switch {
		case c < len(t.Float) && t.Float[c] != nil:
			return len(t.Float[c])
		case c < len(t.Text) && t.Text[c] != nil:
			return len(t.Text[c])
		}
	}
	return t.rows
}

// Header returns the first header record with this key.
func (t *Table) Header(key string) (HeaderRecord, bool) {
	for _, h := range t.Headers {
		if h.Key == key {
			return h, true
		}
	}
	return HeaderRecord{}, false
}

// Floats returns a column as numbers. A column of text is converted: what is not a
// number becomes NaN, and bad counts those cells.
func (t *Table) Floats(col int) (values []float64, bad int, err error) {
	if err := t.check(col); err != nil {
		return nil, 0, err
	}
	if t.Columns[col].Kind == Float64 {
		return t.Float[col], 0, nil
	}
	values = make([]float64, len(t.Text[col]))
	for i, s := range t.Text[col] {
		v, err := parseNumber([]byte(strings.TrimSpace(s)), '.')
		if errors.Is(err, ErrNumber) {
			v = math.NaN()
			bad++
		}
		values[i] = v
	}
	return values, bad, nil
}

// check reports whether col holds data.
func (t *Table) check(col int) error {
	if col < 0 || col >= len(t.Columns) {
		return fmt.Errorf("readers: no column %d: the file has %d", col, len(t.Columns))
	}
	if len(t.Float) != len(t.Columns) || len(t.Text) != len(t.Columns) {
		return errors.New("readers: the table has no data")
	}
	if t.Columns[col].Kind == Unread {
		return fmt.Errorf("readers: column %d was not read: Options.Columns leaves it out", col)
	}
	return nil
}

// numbers returns column col, which must be one of numbers.
func (t *Table) numbers(col int) ([]float64, error) {
	if err := t.check(col); err != nil {
		return nil, err
	}
	if t.Columns[col].Kind == Text {
		return nil, fmt.Errorf("readers: column %d (%q) holds text: Floats converts it", col, t.Columns[col].Title)
	}
	return t.Float[col], nil
}

// warn appends a warning about no column in particular.
func (t *Table) warn(code Code, line int, format string, args ...any) Warning {
	w := Warning{Code: code, Line: line, Column: -1, Count: 1, Msg: fmt.Sprintf(format, args...)}
	t.Warnings = append(t.Warnings, w)
	return w
}
