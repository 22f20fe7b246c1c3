package readers

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ctrlZ at the start of a line ends a file of CP/M, DOS and Axon's library.
const ctrlZ = 0x1a

// A piece is what came of parsing some lines.
type piece struct {
	rows     int
	text     [][]string     // by column; nil but for columns of text
	comments map[int]string // by row of this piece
	notes    notes
	pending  notes       // of the current row, which may yet fail
	err      *ParseError // what stopped it, behind the rows

	firstLine int // of its first row
	blank     int // line number of a blank line, after which no row may follow
	blankOff  int64
	goesOn    int  // line number of a row that follows it all the same
	ended     bool // a Ctrl-Z ends the file
	endedLine int
	afterEnd  bool // something follows the Ctrl-Z

	// where it is
	lay   *layout
	first int // index in dst of its first row
	data  []byte
	line  int
	off   int64 // of data[0]
	head  int   // index of the current line
	eol   int   // index of its end, if the slow path looked it up
	cut   bool  // the line is the last of the file and has no end
}

// parse reads the rows of b into dst, from row on. A row that cannot be read leaves
// nothing behind but its error.
func (l *layout) parse(b block, dst [][]float64, row int) *piece {
	p := &piece{lay: l, data: b.data, line: b.line, off: b.off, cut: b.cut, eol: -1}
	p.text = make([][]string, len(l.modes))
	p.first = row
	data := b.data
	for i := 0; i < len(data); p.line++ {
		p.head = i
		if data[i] <= ' ' {
			next, isRow := p.unusual(i)
			if !isRow {
				if next < 0 {
					break
				}
				i = next
				continue
			}
		}
		if p.blank > 0 {
			p.failBlank()
			break
		}
		var ok bool
		i, ok = p.row(dst, row, i)
		if ok && i-p.head > l.maxLine+2 { // two bytes of line end
			p.fail(p.head, 0, nil, ErrLineTooLong, fmt.Sprintf("at most %d bytes", l.maxLine))
			ok = false
		}
		if !ok {
			break
		}
		if p.firstLine == 0 {
			p.firstLine = p.line
		}
		if len(p.pending) > 0 {
			p.notes.addAll(p.pending)
			p.pending = p.pending[:0]
		}
		row++
	}
	p.rows = row - p.first
	for c, cells := range p.text {
		if len(cells) > p.rows {
			p.text[c] = cells[:p.rows]
		}
	}
	return p
}

// row reads a row that begins at data[i], and returns where the next line begins.
func (p *piece) row(dst [][]float64, row, i int) (next int, ok bool) {
	l, data := p.lay, p.data
	last := len(l.modes) - 1
	for c, mode := range l.modes {
		v, j, plain := scanDecimal(data, i, l.point)
		if plain && mode != asText {
			next = l.behind(data, j, c == last)
		} else {
			next = 0
		}
		if next == 0 {
			if i, ok = p.field(dst, row, c, i); !ok {
				return i, false
			}
			continue
		}
		if mode == asNumber {
			dst[c][row] = v
		}
		i = next
	}
	return i, true
}

// behind returns where the next field, or behind the last one the next line, begins, if a plain one ends before data[j];
// else 0.
func (l *layout) behind(data []byte, j int, last bool) int {
	switch d := data[j]; {
	case !last && d == l.tight, last && d == l.end:
		return j + 1
	case last && d == '\r' && data[j+1] == l.end:
		return j + 2
	}
	return 0
}

// unusual looks at a line that begins with a blank or a control character. It is a row
// if something else is on it; else next is where the next line begins, or -1 at a Ctrl-Z.
func (p *piece) unusual(i int) (next int, isRow bool) {
	if p.data[i] == ctrlZ {
		p.ended = true
		p.endedLine = p.line
		p.afterEnd = hasContent(p.data[i:])
		return -1, false
	}
	end := i + bytes.IndexByte(p.data[i:], p.lay.end)
	if !isBlank(p.data[i:end]) {
		return 0, true
	}
	if p.blank == 0 {
		p.blank = p.line
		p.blankOff = p.off + int64(i)
	}
	return end + 1, false
}

// hasContent reports whether anything but padding stands behind the end of a file.
func hasContent(data []byte) bool { return len(bytes.Trim(data, "\x1a \t\r\n")) > 0 }

// field reads what the fast path leaves: column c at data[i], with blanks, quotes, text,
// whatever is there. It returns the index where the next field begins, or behind the last
// one the next line.
func (p *piece) field(dst [][]float64, row, c, i int) (next int, ok bool) {
	l := p.lay
	if p.eol < i {
		p.eol = i + bytes.IndexByte(p.data[i:], l.end)
	}
	rec := trimCR(p.data[i:p.eol])
	f, rest := nextField(rec, 0, l.delim)
	if l.delim == blanks && len(f.text) == 0 && !f.quoted {
		return 0, p.failShort(c)
	}
	if !p.cell(dst, row, c, i, f) {
		return 0, false
	}
	last := len(l.modes) - 1
	switch {
	case c < last && rest < 0:
		return 0, p.failShort(c + 1)
	case c < last:
		return i + rest, true
	case rest >= 0 && !p.behindLast(row, rec, i, rest):
		return 0, false
	}
	return p.eol + 1, true
}

// cell keeps one cell.
func (p *piece) cell(dst [][]float64, row, c, i int, f field) bool {
	l := p.lay
	switch l.modes[c] {
	case asNothing:
		return true
	case asText:
		if !f.quoted && bytes.IndexByte(f.text, '\r') >= 0 {
			return p.fail(i+f.pos, c+1, f.text, ErrColumnCount, mixedEnds)
		}
		p.text[c] = append(p.text[c], decode(f.text))
		return true
	}
	if len(f.text) == 0 && p.cut && c == len(l.modes)-1 {
		return p.fail(i+f.pos, c+1, nil, ErrTruncated, "the last line has no end and its last field is empty")
	}
	if len(f.text) == 0 {
		dst[c][row] = math.NaN()
		return p.note(EmptyCell, c, i+f.pos, f.text)
	}
	v, err := parseNumber(f.text, l.point)
	if f.quoted {
		err = ErrNumber // quotes make it text
	}
	dst[c][row] = v
	switch {
	case err == nil:
		return true
	case errors.Is(err, strconv.ErrRange):
		return p.note(OutOfRange, c, i+f.pos, f.text)
	case l.mixable && !p.cut:
		dst[c][row] = math.NaN()
		return p.note(MixedColumn, c, i+f.pos, f.text)
	case p.misfit():
		return false // a line of another kind: say that, not what its first word is not
	case p.cut:
		return p.fail(i+f.pos, c+1, f.text, ErrTruncated, "the last line has no end and its last field is no number")
	}
	return p.fail(i+f.pos, c+1, f.text, ErrNumber, p.hintNumber(f.text))
}

func (p *piece) hintNumber(text []byte) string {
	switch {
	case p.lay.point == '.' && p.lay.delim != ',' && isNumber(text, ','):
		return "for decimal commas set Options.DecimalComma"
	case p.lay.format == ATF:
		return "to read the column as text list it in Options.Text"
	}
	return ""
}

// behindLast looks at what stands behind the last column, at rec[rest]: a comment, empty
// fields, or fields too many.
func (p *piece) behindLast(row int, rec []byte, i, rest int) bool {
	l := p.lay
	fields := trimEmpty(splitFields(rec[rest:], l.delim), 0)
	switch {
	case len(fields) == 0:
		return p.note(ExtraDelimiter, len(l.modes)-1, i+rest, nil)
	case len(fields) == 1 && fields[0].quoted && l.comments:
		if p.comments == nil {
			p.comments = map[int]string{}
		}
		p.comments[row-p.first] = decode(fields[0].text)
		return true
	}
	return p.failLong(p.head, trimEmpty(splitFields(trimCR(p.data[p.head:p.eol]), l.delim), 0))
}

// failLong reports the first field too many of a line that begins at data[at].
func (p *piece) failLong(at int, fields []field) bool {
	cols := len(p.lay.modes)
	f := fields[cols]
	return p.fail(at+f.pos, cols+1, f.text, ErrColumnCount, fmt.Sprintf("%d fields, %d expected", len(fields), cols))
}

// misfit reports the current line if it has another number of fields than a row.
func (p *piece) misfit() bool {
	cols := len(p.lay.modes)
	fields := trimEmpty(splitFields(trimCR(p.data[p.head:p.eol]), p.lay.delim), cols)
	switch {
	case len(fields) < cols:
		p.failShort(len(fields))
	case len(fields) > cols && !(len(fields) == cols+1 && fields[cols].quoted && p.lay.comments):
		p.failLong(p.head, fields)
	}
	return p.err != nil
}

// failShort reports a row of only got fields.
func (p *piece) failShort(got int) bool {
	err, hint := ErrColumnCount, fmt.Sprintf("%d fields, %d expected", got, len(p.lay.modes))
	if p.cut {
		err = ErrTruncated
		hint += ", and the last line has no end"
	}
	return p.fail(p.head, 0, trimCR(p.data[p.head:p.eol]), err, hint)
}

// failBlank reports a row behind a blank line.
func (p *piece) failBlank() {
	p.goesOn = p.line
	p.err = p.lay.blankError(p.blank, p.blankOff, p.line)
}

func (l *layout) blankError(blank int, off int64, line int) *ParseError {
	return &ParseError{Format: l.format, Name: l.name, Line: blank, Column: 1, Offset: off, Err: ErrColumnCount,
		Hint: fmt.Sprintf("an empty line ends the data, but line %d goes on", line)}
}

// fail reports an error at data[at] and answers false.
func (p *piece) fail(at, field int, text []byte, err error, hint string) bool {
	p.err = &ParseError{Format: p.lay.format, Name: p.lay.name, Line: p.line, Column: at - p.head + 1, Field: field,
		Offset: p.off + int64(at), Text: shown(text), Err: err, Hint: hint}
	return false
}
