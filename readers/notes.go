package readers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A note is a doubt about cells of one column, counted while rows are parsed. At the end
// it becomes a Warning.
type note struct {
	code   Code
	column int
	line   int // of the first
	count  int
	text   string // of the first
}

// notes hold one note for each doubt and column, so they stay few.
type notes []note

func (ns *notes) add(n note) {
	i := slices.IndexFunc(*ns, func(m note) bool { return m.code == n.code && m.column == n.column })
	if i < 0 {
		*ns = append(*ns, n)
		return
	}
	(*ns)[i].count += n.count
}

func (ns *notes) addAll(others notes) {
	for _, n := range others {
		ns.add(n)
	}
}

// note counts a doubt about the field at data[at]. When strict it is an error, and note
// answers false.
func (p *piece) note(code Code, c, at int, text []byte) bool {
	if p.lay.strict {
		return p.fail(at, c+1, text, code.err(), "Options.Strict: "+code.String())
	}
	p.pending.add(note{code: code, column: c, line: p.line, count: 1, text: shown(text)})
	return true
}

// err is what a doubt becomes when strict.
func (c Code) err() error {
	switch c {
	case EmptyCell, MixedColumn, DecimalComma:
		return ErrNumber
	case OutOfRange:
		return strconv.ErrRange
	case ExtraDelimiter, DeclaredColumns:
		return ErrColumnCount
	case DeclaredRows:
		return ErrRowCount
	case NoFinalNewline, NoEvents:
		return ErrTruncated
	}
	return ErrHeader
}

// warning words a note about a column of t.
func (n note) warning(t *Table) Warning {
	w := Warning{Code: n.code, Line: n.line, Column: n.column, Count: n.count}
	col := t.columnName(n.column)
	switch n.code {
	case EmptyCell:
		w.Msg = fmt.Sprintf("%s: %s read as NaN, the first here", col, count(n.count, "empty cell"))
	case OutOfRange:
		w.Msg = fmt.Sprintf("%s: %s too large for a float64 read as infinity, the first %q here", col, count(n.count, "number"), n.text)
	case ExtraDelimiter:
		w.Msg = fmt.Sprintf("delimiters without a field at the end of %s, the first here", count(n.count, "row"))
	case MixedColumn:
		w.Msg = fmt.Sprintf("%s: kept as text for %s without a number, the first %q here", col, count(n.count, "cell"), n.text)
		if strings.Contains(n.text, ",") && isNumber([]byte(n.text), ',') {
			w.Msg += "; if the comma is a decimal one set Options.DecimalComma"
		}
	}
	return w
}

// columnName names a column in a warning.
func (t *Table) columnName(c int) string {
	if title := t.Columns[c].Title; title != "" {
		return fmt.Sprintf("column %d (%s)", c, title)
	}
	return fmt.Sprintf("column %d", c)
}

// count says "1 cell" or "5 cells".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
