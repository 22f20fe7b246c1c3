package readers

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A graphReader reads what Print > Ascii writes of a NEURON graph (graph.cpp,
// Graph::ascii_save): a table of columns, curves with points of their own, or both. Such
// files are what a person saw on a screen, so they are read line by line.
type graphReader struct {
	src  *source
	o    Options
	t    *Table
	line []byte // the current one
	off  int64  // of it
}

func readGraph(src *source, o Options, format Format) (*Table, error) {
	g := &graphReader{src: src, o: o, t: &Table{Format: format, DeclaredRows: -1, DeclaredColumns: -1, Delimiter: blanks}}
	read := g.addvar
	if format == NeuronLines {
		read = g.polyLines
	}
	err := read()
	if err == io.EOF {
		err = g.fail(ErrTruncated, "more is declared than there is")
	}
	g.t.FinalNewline = !src.cut
	if src.cut && err == nil && !isBlank(g.line) {
		err = o.strictError(g.t, g.t.warn(NoFinalNewline, src.line-1, "the last line has no end: its last number may be cut"))
	}
	return g.t, err
}

func (g *graphReader) fail(err error, hint string, args ...any) error {
	return &ParseError{Format: g.t.Format, Name: g.o.Name, Line: max(g.src.line-1, 1), Offset: g.off, Text: shown(g.line), Err: err,
		Hint: fmt.Sprintf(hint, args...)}
}

// next takes the next line. It returns io.EOF when there is none.
func (g *graphReader) next() error {
	g.off = g.src.off
	line, err := g.src.nextLine()
	if err != nil && err != io.EOF {
		return sourceError(g.src, g.t.Format, g.o.Name, err)
	}
	g.line = line
	if bytes.IndexByte(line, '\r') >= 0 {
		return g.fail(ErrHeader, mixedEnds)
	}
	return err
}

// numbers reads the current line as so many numbers.
func (g *graphReader) numbers(want int) ([]float64, error) {
	fields := splitFields(g.line, blanks)
	if len(fields) != want || len(fields[0].text) == 0 {
		return nil, g.fail(ErrColumnCount, "%d numbers expected", want)
	}
	values := make([]float64, want)
	for i, f := range fields {
		v, err := parseNumber(f.text, '.')
		if err != nil {
			return nil, &ParseError{Format: g.t.Format, Name: g.o.Name, Line: g.src.line - 1, Column: f.pos + 1, Field: i + 1,
				Offset: g.off + int64(f.pos), Text: shown(f.text), Err: err}
		}
		values[i] = v
	}
	return values, nil
}

// addvar reads the form
//
//	Graph addvar/addexpr lines
//	<lines> <points>
//	x name1 name2 ...
//	rows
//	<n> unlabeled lines
//	n curves
func (g *graphReader) addvar() error {
	for range 2 {
		if err := g.next(); err != nil {
			return err
		}
	}
	ints := integers(g.line)
	if len(ints) != 2 {
		return g.fail(ErrHeader, "the numbers of lines and of points are expected")
	}
	if ints[0] >= g.o.MaxColumns {
		return g.fail(ErrLimit, "at most %d columns: Options.MaxColumns", g.o.MaxColumns)
	}
	if err := g.next(); err != nil {
		return err
	}
	g.columns(ints[0]+1, ints[1])
	if err := g.rows(ints[1]); err != nil {
		return err
	}
	if err := g.next(); err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(string(g.line), "%d unlabeled lines", &n); err != nil || n < 0 {
		return g.fail(ErrHeader, "the number of unlabeled lines is expected")
	}
	for range n {
		if err := g.curve(); err != nil {
			return err
		}
	}
	return g.end()
}

// columns makes the columns of a table, with the names of the current line if they are
// as many. A name with blanks in it, such as v( 0.5 ), cannot be distinguished from two.
func (g *graphReader) columns(cols, rows int) {
	t := g.t
	t.DeclaredRows, t.DeclaredColumns = rows, cols
	t.Columns = make([]Column, cols)
	t.Float, t.Text = make([][]float64, cols), make([][]string, cols)
	names := bytes.Fields(g.line)
	if len(names) != cols {
		t.Headers = append(t.Headers, HeaderRecord{Value: decode(g.line), Raw: decode(g.line), Line: g.src.line - 1})
		t.warn(OddHeader, g.src.line-1, "%d names for %d columns: the line is kept as a header record", len(names), cols)
		return
	}
	for i, name := range names {
		t.Columns[i] = Column{Title: decode(name), Raw: decode(name)}
	}
}

// rows reads so many rows of the table.
func (g *graphReader) rows(n int) error {
	for range n {
		if err := g.next(); err != nil {
			return err
		}
		values, err := g.numbers(len(g.t.Columns))
		if err != nil {
			return err
		}
		for c, v := range values {
			g.t.Float[c] = append(g.t.Float[c], v)
		}
		g.t.rows++
	}
	return nil
}

// curve reads "<points>  family=label" and the points.
func (g *graphReader) curve() error {
	if err := g.next(); err != nil {
		return err
	}
	count, label, _ := bytes.Cut(bytes.TrimLeft(g.line, " "), []byte(" "))
	ints := integers(count)
	if len(ints) != 1 {
		return g.fail(ErrHeader, "the number of points of a line is expected")
	}
	g.t.Curves = append(g.t.Curves, Curve{Label: strings.TrimSpace(decode(label))})
	c := &g.t.Curves[len(g.t.Curves)-1]
	for range ints[0] {
		if err := g.next(); err != nil {
			return err
		}
		point, err := g.numbers(2)
		if err != nil {
			return err
		}
		c.X, c.Y = append(c.X, point[0]), append(c.Y, point[1])
	}
	return nil
}

// polyLines reads the form
//
//	PolyLines
//	[x expression: ...] [k addvar/addexpr lines: ...]
//
// followed by a matrix if all lines are labelled and of one length,
//
//	x label1 label2 ...
//	R rows, C columns
//	rows
//
// else by
//
//	Line Manifest:
//	<points>[  family=label], for each line
//	End of Line Manifest
//	curves
//
// NEURON ends the line of an x expression only sometimes.
func (g *graphReader) polyLines() error {
	if err := g.next(); err != nil {
		return err
	}
	var before []byte
	for {
		before = append(before[:0], g.line...)
		if err := g.next(); err != nil {
			return err
		}
		var rows, cols int
		if n, _ := fmt.Sscanf(string(g.line), "%d rows, %d columns", &rows, &cols); n == 2 {
			return g.matrix(before, rows, cols)
		}
		if bytes.HasSuffix(bytes.TrimRight(g.line, " "), []byte("Line Manifest:")) {
			return g.manifest()
		}
		g.t.Headers = append(g.t.Headers, HeaderRecord{Value: decode(g.line), Raw: decode(g.line), Line: g.src.line - 1})
	}
}

func (g *graphReader) matrix(names []byte, rows, cols int) error {
	first := len(bytes.Fields(g.src.peekLine()))
	if rows < 0 || cols < 0 || first != cols && first != cols+1 {
		return g.fail(ErrHeader, "the first row has %d numbers", first)
	}
	if first > g.o.MaxColumns {
		return g.fail(ErrLimit, "at most %d columns: Options.MaxColumns", g.o.MaxColumns)
	}
	if len(g.t.Headers) > 0 { // the line of names was taken for a header record
		g.t.Headers = g.t.Headers[:len(g.t.Headers)-1]
	}
	line := g.line
	g.line = names
	g.columns(first, rows)
	g.line = line
	if err := g.rows(rows); err != nil {
		return err
	}
	return g.end()
}

func (g *graphReader) manifest() error {
	curves := 0
	for {
		if err := g.next(); err != nil {
			return err
		}
		if string(bytes.TrimRight(g.line, " ")) == "End of Line Manifest" {
			break
		}
		curves++
	}
	for range curves {
		if err := g.curve(); err != nil {
			return err
		}
	}
	return g.end()
}

// end wants nothing but empty lines behind.
func (g *graphReader) end() error {
	for {
		err := g.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !isBlank(g.line) {
			return g.fail(ErrRowCount, "the file goes on behind its declared end")
		}
	}
}
