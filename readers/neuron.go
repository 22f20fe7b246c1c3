package readers

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// How NEURON's text files begin.
const (
	labelMark = "label:"
	graphMark = "Graph addvar/addexpr lines"
	linesMark = "PolyLines"
)

// ReadNeuronDat reads the files that NEURON writes under the name .dat: the vector file
// (label, count, rows of x and y), and also Vector.printf, Vector.vwrite, File.printf
// tables, count and step, and graphs printed as text, and the spikes of Brian's FileSpikeMonitor. [Table.Format] says which it was.
// It returns what it read together with an error, never nil.
//
// Graphs and the binary form heed the limits, Name and Strict of Options, nothing else.
//
// Rows of numbers without any header are read only with Options.Headerless, since
// anything may be such a file.
func ReadNeuronDat(r io.Reader, opts *Options) (*Table, error) {
	o := opts.with(r)
	src := newSource(r, o.MaxLine, o.block)
	switch Sniff(src.start()) {
	case NeuronWrite:
		return readVWriteTable(src.unread(), o)
	case NeuronGraph:
		return readGraph(src, o, NeuronGraph)
	case NeuronLines:
		return readGraph(src, o, NeuronLines)
	}
	n, err := openNeuron(src, o)
	if err != nil {
		return n.table, err
	}
	if n.shape {
		return n.readShaped()
	}
	t, err := n.readAll(nil)
	if err == nil {
		err = n.checkCount()
	}
	return t, err
}

// A neuronEngine reads the rows of a vector file and knows what its header promised.
type neuronEngine struct {
	*engine
	shape bool // the count line held rows and columns
}

// openNeuron reads the header of a vector file, or finds out that there is none.
func openNeuron(src *source, o Options) (*neuronEngine, error) {
	t := &Table{DeclaredRows: -1, DeclaredColumns: -1}
	n := &neuronEngine{engine: &engine{src: src, opts: o, table: t}}
	if len(src.rest()) == 0 && src.err != nil && src.err != io.EOF {
		return n, sourceError(src, NeuronDat, o.Name, src.err)
	}
	t.Format = Sniff(src.start())
	if t.Format == Unknown && o.Headerless {
		t.Format = Numbers // and let the rows show what is wrong with them
	}
	switch {
	case t.Format == NeuronDat:
		if err := n.header(); err != nil {
			return n, err
		}
	case t.Format == NeuronStep:
		if err := n.step(); err != nil {
			return n, err
		}
	case t.Format == NeuronTable:
		return n, n.names()
	case t.Format == BrianSpikes:
		t.Columns = []Column{{Title: "Neuron", Raw: "Neuron"}, {Title: "Time", Units: "s", Raw: "Time (s)"}}
		return n, n.layOut(BrianSpikes, ',', nil)
	case t.Format == NeuronPrint, t.Format == Numbers && o.Headerless:
	case t.Format == Numbers:
		return n, n.fail(ErrFormat, "rows of numbers without a label or a count: to read them set Options.Headerless")
	case t.Format == Unknown && !o.DecimalComma && looksLikeCommas(src.rest()):
		return n, n.fail(ErrFormat, commaHint)
	case t.Format == Unknown && len(src.rest()) == 0:
		return n, n.fail(ErrFormat, emptyHint)
	case t.Format == Unknown:
		return n, n.fail(ErrFormat, "a NEURON vector file begins with label: and a count")
	default:
		return n, n.fail(ErrFormat, "it is: %v", t.Format)
	}
	return n, n.columns()
}

// fail reports an error in the header.
func (n *neuronEngine) fail(err error, hint string, args ...any) error {
	format := n.table.Format
	if err == ErrFormat {
		format = NeuronDat
	}
	first := bytes.Join(firstLines(n.src.rest(), 1, n.src.end), nil)
	return &ParseError{Format: format, Name: n.opts.Name, Line: n.src.line, Offset: n.src.off, Text: shown(first), Err: err,
		Hint: fmt.Sprintf(hint, args...)}
}

// header reads the label and the count.
func (n *neuronEngine) header() error {
	t := n.table
	if bytes.HasPrefix(n.src.peekLine(), []byte(labelMark)) {
		line, err := n.line()
		if err != nil {
			return err
		}
		t.Label = decode(line[len(labelMark):])
		if len(n.src.peekLine()) == 0 && len(n.src.rest()) == 0 && n.src.err == io.EOF {
			return n.fail(ErrTruncated, "there is nothing behind the label")
		}
	}
	n.src.fill() // so that two lines are there to look at
	lines := firstLines(n.src.rest(), 2, n.src.end)
	ints := integers(lines[0])
	switch {
	case len(ints) == 1:
		t.DeclaredRows = ints[0]
	case len(ints) == 2 && len(lines) == 2 && ints[1] == len(bytes.Fields(lines[1])):
		// "6454 2" is rows and columns if the rest agrees; else it is the first point.
		t.DeclaredRows, t.DeclaredColumns = ints[0], ints[1]
		n.shape = true
	case t.Label != "" || n.src.line > 1:
		t.warn(OddHeader, n.src.line, "no count of rows follows the label: whether rows are missing cannot be seen")
		return nil
	default:
		return nil
	}
	_, err := n.line()
	return err
}

// line takes a header line that Sniff has seen. It may still be longer than allowed, cut, or
// hold the ends of other lines.
func (n *neuronEngine) line() ([]byte, error) {
	off := n.src.off
	line, err := n.src.nextLine()
	if err != nil {
		return nil, sourceError(n.src, n.table.Format, n.opts.Name, err)
	}
	bad := &ParseError{Format: n.table.Format, Name: n.opts.Name, Line: n.src.line - 1, Offset: off, Text: shown(line)}
	switch {
	case n.src.cut:
		bad.Err, bad.Hint = ErrTruncated, "the file ends in its header"
		return nil, bad
	case bytes.IndexByte(line, '\r') >= 0:
		bad.Err, bad.Hint = ErrHeader, mixedEnds
		return nil, bad
	}
	return line, nil
}

// step reads the line "4096 0.01": a count and a sampling interval.
func (n *neuronEngine) step() error {
	line, err := n.line()
	if err != nil {
		return err
	}
	words := bytes.Fields(line)
	n.table.DeclaredRows = integers(words[0])[0]
	n.table.Step, err = parseNumber(words[1], '.')
	return err
}

// names reads the two lines "5 2" and "time ica ...": the columns beside the first, the
// rows, and all the names.
func (n *neuronEngine) names() error {
	counts, err := n.line()
	if err != nil {
		return err
	}
	ints := integers(counts)
	n.table.DeclaredColumns, n.table.DeclaredRows = ints[0]+1, ints[1]
	if n.table.DeclaredColumns > n.opts.MaxColumns {
		return n.fail(ErrLimit, "at most %d columns: Options.MaxColumns", n.opts.MaxColumns)
	}
	names, err := n.line()
	if err != nil {
		return err
	}
	for _, name := range bytes.Fields(names) {
		n.table.Columns = append(n.table.Columns, Column{Title: decode(name), Raw: decode(name)})
	}
	return n.layOut(NeuronTable, blanks, nil)
}

// columns takes their number from the first row.
func (n *neuronEngine) columns() error {
	first := n.src.peekLine()
	cols := len(bytes.Fields(first))
	switch {
	case cols > n.opts.MaxColumns:
		return n.fail(ErrLimit, "at most %d columns: Options.MaxColumns", n.opts.MaxColumns)
	case cols == 0:
		cols = 2 // what NEURON writes
	}
	n.table.Columns = make([]Column, cols)
	if cols == 2 {
		n.table.Columns[1] = Column{Title: n.table.Label, Raw: n.table.Label}
	}
	return n.layOut(n.table.Format, blanks, nil)
}

// checkCount compares the rows with the declared count, when all are read.
func (n *neuronEngine) checkCount() error {
	t := n.table
	if t.DeclaredRows < 0 || t.DeclaredRows == n.rows {
		return nil
	}
	if t.DeclaredRows > n.rows {
		return &ParseError{Format: t.Format, Name: n.opts.Name, Line: n.src.line, Offset: n.src.off, Err: ErrTruncated,
			Hint: fmt.Sprintf("%d rows are declared, %d are there", t.DeclaredRows, n.rows)}
	}
	return n.opts.strictError(t, t.warn(DeclaredRows, 0, "%d rows are declared, %d are there; all were read", t.DeclaredRows, n.rows))
}

// readShaped reads a file whose count line holds two integers, R and C, of which C is
// the number of columns. It is a header if R is the number of rows. If R is smaller, or x
// starts at R or beyond, it was the first point, and the count is missing, as NEURON
// itself would read it. Else rows are missing.
func (n *neuronEngine) readShaped() (*Table, error) {
	t, err := n.readAll(nil)
	if err != nil || t.DeclaredRows == t.rows {
		return t, err
	}
	first := math.Inf(-1)
	if t.rows > 0 && t.Float[0] != nil {
		first = t.Float[0][0]
	}
	if !n.isPoint(first) {
		return t, n.checkCount()
	}
	for c, value := range []int{t.DeclaredRows, t.DeclaredColumns} {
		switch t.Columns[c].Kind {
		case Float64:
			t.Float[c] = slices.Insert(t.Float[c], 0, float64(value))
		case Text:
			t.Text[c] = slices.Insert(t.Text[c], 0, strconv.Itoa(value))
		}
	}
	return t, n.tookPoint()
}

// isPoint reports whether two integers on the count line were the first point, when all rows
// are read and first is their first x.
func (n *neuronEngine) isPoint(first float64) bool {
	t := n.table
	fits := t.DeclaredRows < t.rows || t.rows > 0 && first >= float64(t.DeclaredRows)
	return fits && t.DeclaredColumns == 2
}

// tookPoint counts the point of the count line.
func (n *neuronEngine) tookPoint() error {
	t := n.table
	t.rows++
	w := t.warn(OddHeader, 2, "%d %d is taken for the first point, since there are not as many rows", t.DeclaredRows, t.DeclaredColumns)
	t.DeclaredRows, t.DeclaredColumns = -1, -1
	return n.opts.strictError(t, w)
}
