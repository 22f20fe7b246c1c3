// Package export shows what a recording holds and turns it into CSV, JSON lines and NPY.
// It is what stands behind "larder read", kept apart so that package readers needs
// nothing but the standard library.
package export

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/readers"
)

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
	traces, err := s.Traces(t)
	if err != nil {
		return nil, err
	}
	if t.HasTimeColumn() {
		cols = append(cols, 0)
	}
	for _, tr := range traces {
		cols = append(cols, tr.Column)
	}
	return cols, nil
}

// Traces returns the chosen traces, sweep by sweep. For [All] it leaves out columns of text.
func (s Selection) Traces(t *readers.Table) ([]readers.Trace, error) {
	sweeps, signals := t.Sweeps(), len(t.Signals())
	first, last := 0, sweeps-1
	if s.Sweep >= 0 {
		first, last = s.Sweep, s.Sweep
	}
	from, to := 0, signals-1
	if s.Signal != "" {
		i, err := t.FindSignal(s.Signal)
		if err != nil {
			return nil, err
		}
		from, to = i, i
	}
	var traces []readers.Trace
	for sweep := first; sweep <= last; sweep++ {
		for signal := from; signal <= to; signal++ {
			if s == All && isText(t, sweep, signal) {
				continue
			}
			tr, err := t.Trace(sweep, signal)
			if err != nil {
				return nil, err
			}
			traces = append(traces, tr)
		}
	}
	if len(traces) == 0 {
		return nil, errors.New("the file holds no traces")
	}
	return traces, nil
}

func isText(t *readers.Table, sweep, signal int) bool {
	first := 0
	if t.HasTimeColumn() {
		first = 1
	}
	return t.Columns[first+sweep*len(t.Signals())+signal].Kind == readers.Text
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

// CSV writes the columns with a line of titles, numbers in as many digits as it takes to
// read them back exactly. A NEURON graph that has curves and no columns is written as
// curve, x, y.
func CSV(w io.Writer, t *readers.Table, cols []int) error {
	if err := check(t, cols); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	if len(t.Columns) == 0 {
		curves(out, t)
	} else {
		rows(out, t, cols)
	}
	out.Flush()
	return out.Error()
}

func rows(out *csv.Writer, t *readers.Table, cols []int) {
	record := make([]string, len(cols))
	for i, c := range cols {
		record[i] = title(t, c)
	}
	out.Write(record)
	for row := range t.Rows() {
		for i, c := range cols {
			if t.Columns[c].Kind == readers.Text {
				record[i] = t.Text[c][row]
				continue
			}
			record[i] = number(t.Float[c][row])
		}
		out.Write(record)
	}
}

func curves(out *csv.Writer, t *readers.Table) {
	out.Write([]string{"curve", "x", "y"})
	for i, c := range t.Curves {
		name := c.Label
		if name == "" {
			name = strconv.Itoa(i)
		}
		for j := range c.X {
			out.Write([]string{name, number(c.X[j]), number(c.Y[j])})
		}
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// JSONL writes JSON lines: first {"columns": [{"title": …, "units": …}, …]}, then each
// row as an array, for titles may repeat. What is not finite is null, for JSON has no
// word for it.
func JSONL(w io.Writer, t *readers.Table, cols []int) error {
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
	out := bufio.NewWriterSize(w, 64<<10)
	if err := json.NewEncoder(out).Encode(head); err != nil {
		return err
	}
	var line []byte
	for row := range t.Rows() {
		line = append(line[:0], '[')
		for i, c := range cols {
			if i > 0 {
				line = append(line, ',')
			}
			line = appendCell(line, t, c, row)
		}
		out.Write(append(line, "]\n"...))
	}
	return out.Flush()
}

func appendCell(line []byte, t *readers.Table, col, row int) []byte {
	if t.Columns[col].Kind == readers.Text {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(t.Text[col][row]); err != nil {
			return append(line, "null"...) // a string always encodes
		}
		return append(line, bytes.TrimRight(b.Bytes(), "\n")...)
	}
	v := t.Float[col][row]
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(line, "null"...)
	}
	return strconv.AppendFloat(line, v, 'g', -1, 64)
}

// NPY writes the columns of numbers among cols as one array of float64, a row for each
// row: numpy.load opens it. Columns of text are an error.
func NPY(w io.Writer, t *readers.Table, cols []int) error {
	if err := check(t, cols); err != nil {
		return err
	}
	for _, c := range cols {
		if t.Columns[c].Kind == readers.Text {
			return fmt.Errorf("column %d (%s) holds text, which an array of numbers cannot: choose a signal, or take CSV", c, title(t, c))
		}
	}
	m := codec.NewMatrix[float64](t.Rows(), len(cols))
	for i, c := range cols {
		for row, v := range t.Float[c] {
			m.Data[row*len(cols)+i] = v
		}
	}
	encoded, err := codec.Encode(m)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, encoded.Body)
	return err
}
