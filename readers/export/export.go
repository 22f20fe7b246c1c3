// Package export shows what a recording holds and turns it into CSV, JSON lines and NPY.
// It is what stands behind "larder read", kept apart so that package readers needs
// nothing but the standard library.
package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/larder-store/larder/readers"
)

// A Source is what is exported: a *readers.Table, or a *readers.Recording, whose rows pass by in
// blocks and are never in memory together.
type Source interface {
	Head() *readers.Table // all but the rows
	Blocks() iter.Seq2[*readers.Block, error]
	CommentCount() int // rows with a comment
	Summaries() []readers.Summary
}

// A Selection chooses traces of a recording.
type Selection struct {
	Sweep  int    // counted from 0; negative: every sweep
	Signal string // by name; empty: every signal
}

// All chooses everything.
var All = Selection{Sweep: -1}

// Columns returns the columns of the chosen traces, the time before them. For [All] it
// returns every column that was read, text among them.
func (s Selection) Columns(t *readers.Table) ([]int, error) {
	var cols []int
	if s == All {
		for c := range t.Columns {
			if t.Columns[c].Kind != readers.Unread {
				cols = append(cols, c)
			}
		}
		return cols, nil
	}
	places, err := s.places(t)
	if err != nil {
		return nil, err
	}
	if c := t.TimeColumn(); c >= 0 && t.Columns[c].Kind != readers.Unread {
		cols = append(cols, c)
	}
	for _, p := range places {
		cols = append(cols, p.column)
	}
	return cols, nil
}

// Traces returns the chosen traces, sweep by sweep. For [All] it leaves out columns of text and
// those that were not read.
func (s Selection) Traces(t *readers.Table) ([]readers.Trace, error) {
	places, err := s.places(t)
	if err != nil {
		return nil, err
	}
	var traces []readers.Trace
	for _, p := range places {
		if s == All && t.Columns[p.column].Kind != readers.Float64 {
			continue
		}
		tr, err := t.Trace(p.sweep, p.signal)
		if err != nil {
			return nil, err
		}
		traces = append(traces, tr)
	}
	if len(traces) == 0 {
		return nil, errors.New("the file holds no traces")
	}
	return traces, nil
}

// A place is where a trace is.
type place struct{ sweep, signal, column int }

// places finds the chosen traces, sweep by sweep. Its errors count sweeps from 1, as people who
// recorded them do.
func (s Selection) places(t *readers.Table) ([]place, error) {
	sweeps, signals := t.Sweeps(), len(t.Signals())
	first, last := 0, sweeps-1
	if s.Sweep >= 0 {
		first, last = s.Sweep, s.Sweep
	}
	if first >= max(sweeps, 1) {
		return nil, fmt.Errorf("no sweep %d: the file has %d", first+1, sweeps)
	}
	from, to := 0, signals-1
	if s.Signal != "" {
		i, err := t.FindSignal(s.Signal)
		if err != nil {
			return nil, err
		}
		from, to = i, i
	}
	begin := 0
	if t.TimeColumn() == 0 {
		begin = 1
	}
	var places []place
	for sweep := first; sweep <= min(last, sweeps-1); sweep++ {
		for signal := from; signal <= to; signal++ {
			places = append(places, place{sweep, signal, begin + sweep*signals + signal})
		}
	}
	return places, nil
}

// title names a column: its title with units as in the file, or its place.
func title(t *readers.Table, col int) string {
	c := t.Columns[col]
	switch {
	case c.Title == "" && c.Units == "":
		return "column " + strconv.Itoa(col)
	case c.Units == "":
		return c.Title
	}
	return c.Title + " (" + c.Units + ")"
}

// check refuses columns that are not there or were not read.
func check(t *readers.Table, cols []int) error {
	for _, c := range cols {
		if c < 0 || c >= len(t.Columns) {
			return fmt.Errorf("no column %d: the file has %d", c, len(t.Columns))
		}
		if t.Columns[c].Kind == readers.Unread {
			return fmt.Errorf("column %d (%s) was not read", c, title(t, c))
		}
	}
	return nil
}

// commentTitle is the column that holds the comments of rows, where there are any.
const commentTitle = "comment"

// CSV writes the columns with a line of titles, numbers in as many digits as it takes to
// read them back exactly. The comments of rows are a last column, if there are any. A NEURON graph
// that has curves and no columns is written as curve, x, y.
func CSV(w io.Writer, src Source, cols []int) error {
	if err := check(src.Head(), cols); err != nil {
		return err
	}
	return writeCSV(csv.NewWriter(w), src, cols, func(cell string) string { return cell })
}

// CSVForSpreadsheet is CSV with an apostrophe before each text that a spreadsheet would take for a formula, and
// run: one that begins with =, +, -, @, a tab or a carriage return. Numbers stay as they are.
func CSVForSpreadsheet(w io.Writer, src Source, cols []int) error {
	if err := check(src.Head(), cols); err != nil {
		return err
	}
	return writeCSV(csv.NewWriter(w), src, cols, func(cell string) string {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			return "'" + cell
		}
		return cell
	})
}

// writeCSV writes the columns, with each text as text makes it.
func writeCSV(out *csv.Writer, src Source, cols []int, text func(string) string) error {
	if t := src.Head(); len(t.Columns) == 0 {
		curves(out, t, text)
	} else if err := rows(out, src, cols, text); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func rows(out *csv.Writer, src Source, cols []int, text func(string) string) error {
	t := src.Head()
	record := make([]string, len(cols), len(cols)+1)
	for i, c := range cols {
		record[i] = text(title(t, c))
	}
	comments := src.CommentCount() > 0
	if comments {
		record = append(record, commentTitle)
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for b, err := range src.Blocks() {
		if err != nil {
			return err
		}
		for row := range b.Rows {
			for i, c := range cols {
				if t.Columns[c].Kind == readers.Text {
					record[i] = text(b.Text[c][row])
					continue
				}
				record[i] = number(b.Float[c][row])
			}
			if comments {
				record[len(cols)] = text(b.Comments[row])
			}
			if err := out.Write(record); err != nil {
				return err
			}
		}
	}
	return nil
}

func curves(out *csv.Writer, t *readers.Table, text func(string) string) {
	out.Write([]string{"curve", "x", "y"})
	for i, c := range t.Curves {
		name := c.Label
		if name == "" {
			name = strconv.Itoa(i)
		}
		for j := range c.X {
			out.Write([]string{text(name), number(c.X[j]), number(c.Y[j])})
		}
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// JSONL writes JSON lines: first {"columns": [{"title": …, "units": …}, …]}, then each
// row as an array, for titles may repeat. What is not finite is null, for JSON has no
// word for it. The comments of rows are a last column, if there are any; rows without one have null.
func JSONL(w io.Writer, src Source, cols []int) error {
	t := src.Head()
	if err := check(t, cols); err != nil {
		return err
	}
	type column struct {
		Title string `json:"title"`
		Units string `json:"units,omitzero"`
	}
	head := struct {
		Columns []column `json:"columns"`
	}{Columns: []column{}}
	for _, c := range cols {
		head.Columns = append(head.Columns, column{t.Columns[c].Title, t.Columns[c].Units})
	}
	comments := src.CommentCount() > 0
	if comments {
		head.Columns = append(head.Columns, column{Title: commentTitle})
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if err := json.NewEncoder(out).Encode(head); err != nil {
		return err
	}
	var line []byte
	for b, err := range src.Blocks() {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		for row := range b.Rows {
			line = append(line[:0], '[')
			for i, c := range cols {
				if i > 0 {
					line = append(line, ',')
				}
				if t.Columns[c].Kind == readers.Text {
					line = appendText(line, b.Text[c][row])
					continue
				}
				line = appendNumber(line, b.Float[c][row])
			}
			if comments {
				line = appendComment(line, b.Comments, row, len(cols) > 0)
			}
			if _, err := out.Write(append(line, "]\n"...)); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func appendComment(line []byte, comments map[int]string, row int, behind bool) []byte {
	if behind {
		line = append(line, ',')
	}
	text, ok := comments[row]
	if !ok {
		return append(line, "null"...)
	}
	return appendText(line, text)
}

func appendText(line []byte, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return append(line, "null"...) // a string always encodes
	}
	return append(line, bytes.TrimRight(b.Bytes(), "\n")...)
}

func appendNumber(line []byte, v float64) []byte {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(line, "null"...)
	case v == 0 && math.Signbit(v):
		return append(line, "-0.0"...) // readers take -0 for an integer, which has no such zero
	}
	return strconv.AppendFloat(line, v, 'g', -1, 64)
}

// NPY writes the columns of numbers among cols as one array of float64, a row for each
// row: numpy.load opens it. Columns of text are an error. Comments of rows have no place in it.
func NPY(w io.Writer, src Source, cols []int) error {
	t := src.Head()
	if err := check(t, cols); err != nil {
		return err
	}
	for _, c := range cols {
		if t.Columns[c].Kind == readers.Text {
			return fmt.Errorf("column %d (%s) holds text, which an array of numbers cannot: choose a signal, or take CSV", c, title(t, c))
		}
	}
	out := bufio.NewWriterSize(w, 64<<10)
	out.Write(npyHeader(t.Rows(), len(cols)))
	var line []byte
	for b, err := range src.Blocks() {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		for row := range b.Rows {
			line = line[:0]
			for _, c := range cols {
				line = binary.LittleEndian.AppendUint64(line, math.Float64bits(b.Float[c][row]))
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// npyHeader is the header of a matrix of float64, as package codec writes it of one in memory.
func npyHeader(rows, cols int) []byte {
	const fixed = 10 // the magic, the version and the length of the rest
	b := fmt.Appendf(make([]byte, fixed, 128), "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	for (len(b)+1)%64 != 0 {
		b = append(b, ' ')
	}
	b = append(b, '\n')
	copy(b, "\x93NUMPY\x01\x00")
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)-fixed))
	return b
}
