package readers

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// minShare is the least that a goroutine of its own is started for: parsing it takes
// about 200 µs, starting the goroutine about one.
const minShare = 64 << 10

// An engine reads the rows behind a header, block by block. It is all that reading whole
// files and streaming have in common.
type engine struct {
	src   *source
	lay   layout
	opts  Options
	table *Table

	rows  int // delivered so far
	notes notes
	blank *piece // that held the first blank line
	ended *piece // that held a Ctrl-Z
	after bool   // something follows the Ctrl-Z
	cut   bool   // the last row has no end
	err   error  // why there are no more rows; io.EOF at the proper end
}

// A batch is the rows of one block.
type batch struct {
	rows     int
	text     [][]string
	comments map[int]string // by row of this batch
}

// next parses the next block. place gives room for so many rows: columns, nil where they
// hold no numbers, and the index where the rows go. Rows before an error are delivered
// first; at the end of the file the error is io.EOF.
func (e *engine) next(place func(rows int) (dst [][]float64, row int)) (batch, error) {
	for e.err == nil {
		b, err := e.src.nextBlock()
		if err != nil {
			e.err = e.readError(err)
			break
		}
		if e.ended != nil {
			e.src.took(bytes.Count(b.data, []byte{e.lay.end}))
			e.after = e.after || hasContent(b.data)
			continue
		}
		got := e.parse(b, place)
		if got.rows > 0 {
			return got, nil
		}
	}
	return batch{text: make([][]string, len(e.lay.modes))}, e.err
}

// parse shares a block among the workers and puts what they found together, in order.
func (e *engine) parse(b block, place func(int) ([][]float64, int)) batch {
	shares, lines := e.split(b)
	dst, row := place(lines)
	pieces := make([]*piece, len(shares))
	var wg sync.WaitGroup
	for i, s := range shares[1:] {
		wg.Go(func() { pieces[i+1] = e.lay.parse(s.block, dst, row+s.before) })
	}
	pieces[0] = e.lay.parse(shares[0].block, dst, row)
	wg.Wait()
	e.src.took(lines)

	got := batch{text: make([][]string, len(e.lay.modes))}
	for _, p := range pieces {
		if e.err != nil {
			break
		}
		e.join(p, &got)
	}
	return got
}

// A share is some lines of a block.
type share struct {
	block
	before int // lines of the block before it
}

// split cuts a block into shares of about the same size and counts its lines.
func (e *engine) split(b block) (shares []share, lines int) {
	end := []byte{e.lay.end}
	n := min(e.opts.Workers, 1+len(b.data)/e.opts.share)
	for from := 0; from < len(b.data); {
		to := len(b.data)
		if len(shares) < n-1 {
			at := max(from, (len(shares)+1)*len(b.data)/n-1)
			to = at + bytes.Index(b.data[at:], end) + 1
		}
		s := share{before: lines}
		s.data, s.line, s.off, s.cut = b.data[from:to], b.line+lines, b.off+int64(from), b.cut
		lines += bytes.Count(s.data, end)
		shares = append(shares, s)
		from = to
	}
	return shares, lines
}

// join adds a piece to the batch, in the order of the file.
func (e *engine) join(p *piece, got *batch) {
	if e.ended != nil {
		e.after = e.after || hasContent(p.data)
		return
	}
	if e.blank != nil && (p.firstLine > 0 || p.err != nil) {
		line := p.firstLine
		switch {
		case line == 0 && p.goesOn > 0:
			line = p.goesOn
		case line == 0:
			line = p.err.Line
		}
		e.err = e.lay.blankError(e.blank.blank, e.blank.blankOff, line)
		return
	}
	rows := p.rows
	if limit := e.opts.MaxRows; limit > 0 && e.rows+rows > limit {
		rows = limit - e.rows
		e.err = &ParseError{Format: e.lay.format, Name: e.lay.name, Line: p.firstLine + rows, Err: ErrLimit,
			Hint: "Options.MaxRows"}
	} else if p.err != nil {
		e.err = p.err
	}
	for c, cells := range p.text {
		got.text[c] = append(got.text[c], cells[:min(rows, len(cells))]...)
	}
	for row, comment := range p.comments {
		if row < rows {
			if got.comments == nil {
				got.comments = map[int]string{}
			}
			got.comments[got.rows+row] = comment
		}
	}
	e.notes.addAll(p.notes)
	got.rows += rows
	e.rows += rows
	e.cut = e.cut || p.cut && rows > 0
	if p.blank > 0 && e.blank == nil {
		e.blank = p
	}
	if p.ended {
		e.ended = p
		e.after = p.afterEnd
	}
}

// readError turns why the source ended into an error with a place. The end of the file
// stays io.EOF.
func (e *engine) readError(err error) error {
	if err == io.EOF {
		return io.EOF
	}
	return sourceError(e.src, e.lay.format, e.lay.name, err)
}

func sourceError(s *source, format Format, name string, err error) error {
	pe := &ParseError{Format: format, Name: name, Line: s.line, Offset: s.off, Err: err}
	switch {
	case errors.Is(err, ErrLineTooLong):
		pe.Hint = "Options.MaxLine bounds it"
	case errors.Is(err, ErrLimit):
		pe.Hint = "the header is larger than 64 MiB"
	}
	return pe
}

// finish turns what was noted into warnings, once the end was reached. When strict the
// first of them is the error.
func (e *engine) finish() error {
	t := e.table
	t.FinalNewline = !e.src.cut
	for _, n := range e.notes {
		t.Warnings = append(t.Warnings, n.warning(t))
	}
	if e.cut {
		t.warn(NoFinalNewline, e.src.line-1, "the last line has no end: its last number may be cut")
	}
	if e.after {
		t.warn(AfterEnd, e.ended.endedLine, "what follows the Ctrl-Z at the start of this line was not read")
	}
	if len(t.Warnings) > 0 {
		return e.opts.strictError(t, t.Warnings[0])
	}
	return nil
}

// strictError is a warning as an error, if o is strict.
func (o *Options) strictError(t *Table, w Warning) error {
	if !o.Strict {
		return nil
	}
	return &ParseError{Format: t.Format, Name: o.Name, Line: w.Line, Err: w.Code.err(), Hint: "Options.Strict: " + w.Msg}
}
