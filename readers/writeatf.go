package readers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteOptions change how an ATF file is written. nil and the zero value write what
// Axon's programs do: CRLF and Windows-1252.
type WriteOptions struct {
	LF   bool // end lines with LF alone
	UTF8 bool // write UTF-8: for text that Windows-1252 lacks, and for programs that expect it
}

// WriteATF writes a table as an Axon Text File: header records, titles with units,
// numbers, text and row comments. Numbers are written with as many digits as it takes to
// read the same number back, and reading the file gives the table again, but for how things were quoted.
//
// The format has no escape for quotes: text that holds a quote or a line end is an error.
func WriteATF(w io.Writer, t *Table, opts *WriteOptions) error {
	var o WriteOptions
	if opts != nil {
		o = *opts
	}
	a := &atfWriter{w: bufio.NewWriterSize(w, 64<<10), t: t, o: o}
	if err := a.check(); err != nil {
		return err
	}
	a.header()
	for row := range t.Rows() {
		a.row(row)
	}
	if a.err != nil {
		return a.err
	}
	if err := a.w.Flush(); err != nil {
		return fmt.Errorf("readers: write ATF: %w", err)
	}
	return nil
}

// An atfWriter keeps the first error of its text; bufio keeps that of the io.Writer.
type atfWriter struct {
	w   *bufio.Writer
	t   *Table
	o   WriteOptions
	buf []byte
	err error
}

// check refuses what could not be read back.
func (a *atfWriter) check() error {
	t := a.t
	cols := len(t.Columns)
	if cols == 0 || cols > defaultMaxColumns {
		return fmt.Errorf("readers: write ATF: %d columns, 1 to %d can be written", cols, defaultMaxColumns)
	}
	if len(t.Headers) > maxRecords {
		return fmt.Errorf("readers: write ATF: %d header records, at most %d can be written", len(t.Headers), maxRecords)
	}
	for c, col := range t.Columns {
		n := -1
		switch {
		case col.Kind == Float64 && c < len(t.Float) && t.Float[c] != nil:
			n = len(t.Float[c])
		case col.Kind == Text && c < len(t.Text) && t.Text[c] != nil:
			n = len(t.Text[c])
		}
		if n < 0 {
			return fmt.Errorf("readers: write ATF: column %d has no data", c)
		}
		if n != t.Rows() {
			return fmt.Errorf("readers: write ATF: column %d has %d rows, column 0 has %d", c, n, t.Rows())
		}
	}
	return nil
}

func (a *atfWriter) header() {
	a.plain("ATF\t1.0")
	a.end()
	a.plain(strconv.Itoa(len(a.t.Headers)) + "\t" + strconv.Itoa(len(a.t.Columns)))
	a.end()
	for i, h := range a.t.Headers {
		a.headerRecord(i, h)
	}
	for i, c := range a.t.Columns {
		if i > 0 {
			a.plain("\t")
		}
		a.quoted(a.title(i, c), func() string { return fmt.Sprintf("the title of column %d", i) })
	}
	a.end()
}

// title is the title of a column as it was read, or as its parts now say.
func (a *atfWriter) title(i int, c Column) string {
	for _, raw := range []string{c.Raw, c.Title, c.Title + " (" + c.Units + ")"} {
		if p := titleOf(raw); p.Title == c.Title && p.Units == normalUnits(c.Units) {
			return raw
		}
	}
	a.fail(fmt.Sprintf("the title of column %d", i), c.Title+" ("+c.Units+")", "units begin at the first parenthesis and end at the next")
	return ""
}

func (a *atfWriter) headerRecord(i int, h HeaderRecord) {
	where := func() string { return fmt.Sprintf("header record %d", i) }
	text := h.Key + "=" + h.Value
	if h.Key == "" {
		text = h.Value
	}
	if strings.Contains(h.Key, "=") || h.Key == "" && strings.Contains(h.Value, "=") {
		a.fail(where(), h.Raw, "an equals sign ends the key")
	}
	a.quoted(text, where)
	for _, f := range h.Fields {
		a.plain("\t")
		a.quoted(f, where)
	}
	a.end()
}

func (a *atfWriter) row(row int) {
	t := a.t
	a.buf = a.buf[:0]
	for c := range t.Columns {
		if c > 0 {
			a.plain("\t")
		}
		if t.Columns[c].Kind == Text {
			a.quoted(t.Text[c][row], func() string { return fmt.Sprintf("row %d, column %d", row, c) })
			continue
		}
		a.buf = appendNumber(a.buf[:0], t.Float[c][row], "nan")
		a.w.Write(a.buf)
	}
	if comment, ok := t.Comments[row]; ok {
		a.plain("\t")
		a.quoted(comment, func() string { return fmt.Sprintf("the comment of row %d", row) })
	}
	a.end()
}

// appendNumber writes v so that it is read back exactly, with nan as given and an infinity with its sign.
func appendNumber(b []byte, v float64, nan string) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, nan...)
	case math.IsInf(v, 1):
		return append(b, "+inf"...)
	case math.IsInf(v, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func (a *atfWriter) plain(s string) { a.w.WriteString(s) }

func (a *atfWriter) end() {
	if a.o.LF {
		a.plain("\n")
		return
	}
	a.plain("\r\n")
}

// quoted writes text between quotes. where names it in an error.
func (a *atfWriter) quoted(text string, where func() string) {
	if strings.ContainsAny(text, "\"\r\n") {
		a.fail(where(), text, "quotes and line ends cannot be written")
		return
	}
	if !utf8.ValidString(text) {
		a.fail(where(), text, "valid UTF-8 is wanted")
		return
	}
	encoded := []byte(text)
	if !a.o.UTF8 {
		var ok bool
		if encoded, ok = encode1252(text); !ok {
			a.fail(where(), text, "Windows-1252 cannot hold it: set WriteOptions.UTF8")
			return
		}
	}
	if decode(encoded) != text {
		a.fail(where(), text, "in Windows-1252 its bytes would be read back as UTF-8: set WriteOptions.UTF8")
		return
	}
	a.plain(`"`)
	a.w.Write(encoded)
	a.plain(`"`)
}

func (a *atfWriter) fail(where, text, reason string) {
	if a.err == nil {
		a.err = errors.New("readers: write ATF: " + where + ": " + strconv.Quote(shown([]byte(text))) + ": " + reason)
	}
}

// encode1252 turns text into Windows-1252, if it can.
func encode1252(text string) ([]byte, bool) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		switch {
		case r < 0x80, r >= 0xa0 && r <= 0xff:
			b = append(b, byte(r))
		default:
			i := slices.Index(windows1252[:], r)
			if i < 0 {
				return nil, false
			}
			b = append(b, byte(0x80+i))
		}
	}
	return b, true
}
