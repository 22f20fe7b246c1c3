package readers

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// A mode says what becomes of the cells of a column.
type mode uint8

const (
	asNumber mode = iota
	asText
	asNothing
)

// A layout says how the rows of a file are written and what to make of them. It does not
// change while blocks are parsed, so goroutines share it.
type layout struct {
	format  Format
	name    string
	delim   byte
	tight   byte // the delimiter that the fast path expects: delim, or a TAB between blanks
	point   byte // the decimal sign
	end     byte // of a line
	maxLine int
	modes   []mode // by column

	strict   bool
	comments bool // one quoted field may follow the last column
	mixable  bool // text among numbers is NaN for the moment and noted; else an error
}

// decideDelimiter chooses the one delimiter of a file: the first that splits the titles
// into the declared number, or, where the declaration is wrong, that splits the titles
// and the first row into the same number, or that the titles hold at all. A comma is not taken for
// a delimiter beside TABs: unquoted cells may hold commas.
func decideDelimiter(title, first []byte, declared int) byte {
	candidates := []byte{'\t', ',', ';', blanks}
	count := func(rec []byte, delim byte) int { return len(trimEmpty(splitFields(rec, delim), 1)) }
	for _, d := range candidates {
		if count(title, d) == declared {
			return d
		}
	}
	for _, d := range candidates {
		if n := count(title, d); n > 1 && n == count(first, d) {
			return d
		}
	}
	for _, d := range candidates[:3] {
		if bytes.IndexByte(title, d) >= 0 {
			return d
		}
	}
	return '\t'
}

// layOut prepares the rows of a table whose columns are known, by the first row.
func (e *engine) layOut(format Format, delim byte, first []field) error {
	t := e.table
	cols := len(t.Columns)
	t.Float, t.Text = make([][]float64, cols), make([][]string, cols)
	e.lay = layout{format: format, name: e.opts.Name, delim: delim, tight: delim, point: '.', end: e.src.end,
		maxLine: e.opts.MaxLine, strict: e.opts.Strict, modes: make([]mode, cols)}
	if delim == blanks && bytes.IndexByte(e.src.peekLine(), '\t') >= 0 {
		e.lay.tight = '\t'
	}
	if e.opts.DecimalComma {
		if delim == ',' {
			return &ParseError{Format: format, Name: e.opts.Name, Err: ErrFormat, Hint: "Options.DecimalComma: commas separate the fields of this file"}
		}
		e.lay.point = ','
	}
	t.Delimiter = delim
	for c := range t.Columns {
		m := asNumber
		switch {
		case len(e.opts.Columns) > 0 && !slices.Contains(e.opts.Columns, c):
			m, t.Columns[c].Kind = asNothing, Unread
		case slices.Contains(e.opts.Text, c):
			m, t.Columns[c].Kind = asText, Text
		case format == ATF && c < len(first) && e.isText(first, c):
			m, t.Columns[c].Kind = asText, Text
			if e.lay.point == '.' && isNumber(first[c].text, ',') && !first[c].quoted {
				t.Warnings = append(t.Warnings, Warning{Code: DecimalComma, Line: e.src.line, Column: c, Count: 1,
					Msg: fmt.Sprintf("%s: kept as text, as its first cell %q is; if the comma is a decimal one set Options.DecimalComma",
						t.columnName(c), shown(first[c].text))})
			}
		}
		e.lay.modes[c] = m
	}
	for _, c := range slices.Concat(e.opts.Columns, e.opts.Text) {
		if c < 0 || c >= cols {
			return &ParseError{Format: format, Name: e.opts.Name, Err: ErrColumnCount,
				Hint: fmt.Sprintf("Options asks for column %d, the file has %d", c, cols)}
		}
	}
	return nil
}

// isText reports whether the cell of the first row makes column c one of text. The last cell of a
// file that is cut does not if it may be the beginning of a number.
func (e *engine) isText(first []field, c int) bool {
	f := first[c]
	if f.quoted || len(f.text) == 0 || isNumber(f.text, e.lay.point) {
		return f.quoted
	}
	cut := c == len(first)-1 && e.src.err == io.EOF && bytes.IndexByte(e.src.rest(), e.src.end) < 0
	return !cut || !isNumber(append(bytes.Clone(f.text), '0'), e.lay.point)
}

// commaHint is for text that is made of numbers once commas are decimal signs.
const commaHint = "it looks like numbers with decimal commas: set Options.DecimalComma, and Options.Headerless if there is no header"

// looksLikeCommas reports whether a file begins with such numbers and has no header.
func looksLikeCommas(text []byte) bool {
	for _, line := range firstLines(text, 2, lineEnd(text)) {
		for _, f := range bytes.Fields(line) {
			if !isNumber(f, ',') {
				return false
			}
		}
	}
	return bytes.IndexByte(text, ',') >= 0
}
