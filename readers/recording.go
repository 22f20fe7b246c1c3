package readers

import (
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
)

// A Recording is a file that [Scan] has checked from its first byte to its last, and of which
// the rows are not in memory: [Recording.Blocks] reads them again, as often as wanted. It is
// not safe for concurrent use, and the file must stay open and unchanged.
type Recording struct {
	r     io.ReadSeeker
	start int64
	opts  Options // of the second reading

	head     *Table
	comments int
	sums     []Summary
	point    []int   // the first row, where it stands on NEURON's count line
	whole    *Table  // a file of a form that is only read whole
	events   *Events // an AER file: 8 bytes an event
}

// A Summary is what a column of numbers holds. Min and Max leave out NaN; without any number
// Min is +Inf and Max -Inf. First and Last are zero if there is no row.
type Summary struct {
	First, Last float64
	Min, Max    float64
	NaNs        int
}

// Scan reads a file as [Read] does, with every check, but keeps none of its rows. It needs the
// memory of one block, however large the file is; graphs and the binary form of NEURON are
// kept whole, and AER files as [Events]. Together with an error it returns what was read, never nil:
// the rows before the error are those that the Recording has.
func Scan(r io.ReadSeeker, opts *Options) (*Recording, error) {
	rec := &Recording{r: r, opts: opts.with(r), head: &Table{}}
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return rec, err
	}
	rec.start = start
	prefix := make([]byte, SniffLen)
	n, err := io.ReadFull(r, prefix)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return rec, &ParseError{Name: rec.opts.Name, Err: err}
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return rec, err
	}
	switch f := Sniff(prefix[:n]); f {
	case ATF:
		e, err := openATF(rec.source(), rec.opts)
		rec.head = e.table
		if err != nil {
			return rec, rec.bare(err)
		}
		e.lay.mixable = !rec.opts.Strict
		return rec, rec.bare(rec.scan(e))
	case NeuronDat, NeuronPrint, NeuronStep, NeuronTable, BrianSpikes:
		return rec, rec.bare(rec.scanNeuron())
	case AER:
		rec.events, err = ReadAER(r, &rec.opts)
		rec.head = rec.events.head()
		return rec, err
	default:
		if rec.opts.Headerless && (f == Numbers || f == Unknown) {
			return rec, rec.bare(rec.scanNeuron())
		}
	}
	rec.whole, err = Read(r, &rec.opts)
	rec.head = rec.whole
	return rec, err
}

func (rec *Recording) source() *source {
	return newSource(rec.r, rec.opts.MaxLine, rec.opts.block)
}

// bare takes the empty columns away, which would look like columns without rows.
func (rec *Recording) bare(err error) error {
	rec.head.Float, rec.head.Text = nil, nil
	rec.opts.Strict, rec.opts.MaxRows = false, 0
	return err
}

func (rec *Recording) scanNeuron() error {
	n, err := openNeuron(rec.source(), rec.opts)
	rec.head = n.table
	if err != nil {
		return err
	}
	if err := rec.scan(n.engine); err != nil {
		return err
	}
	if !n.shape {
		return n.checkCount()
	}
	t := rec.head
	first := math.Inf(-1)
	if t.Columns[0].Kind == Float64 {
		first = rec.sums[0].First
	}
	if t.DeclaredRows == t.rows || !n.isPoint(first) {
		return n.checkCount()
	}
	rec.point = []int{t.DeclaredRows, t.DeclaredColumns}
	for c, v := range rec.point {
		first := Summary{First: float64(v), Last: rec.sums[c].Last, Min: min(float64(v), rec.sums[c].Min), Max: max(float64(v), rec.sums[c].Max), NaNs: rec.sums[c].NaNs}
		rec.sums[c] = first
	}
	return n.tookPoint()
}

// scan reads every row and forgets it.
func (rec *Recording) scan(e *engine) error {
	t := e.table
	rec.sums = newSummaries(len(t.Columns))
	cols := make([][]float64, len(t.Columns))
	place := func(rows int) ([][]float64, int) { return roomFor(cols, e.lay.modes, rows), 0 }
	for {
		got, err := e.next(place)
		if err != nil {
			break
		}
		for c, m := range e.lay.modes {
			if m == asNumber {
				rec.sums[c].add(cols[c][:got.rows], t.rows == 0)
			}
		}
		rec.comments += len(got.comments)
		t.rows += got.rows
	}
	rec.settleMixed(e)
	err := e.err
	if e2 := e.finish(); err == io.EOF {
		err = e2
	}
	return err
}

// settleMixed makes columns of text of those where text was found among the numbers.
func (rec *Recording) settleMixed(e *engine) {
	t := e.table
	texts := map[int]bool{} // and whether the column has a number
	for _, n := range e.notes {
		if n.code == MixedColumn {
			numbers := t.rows - n.count
			for _, m := range e.notes {
				if m.code == EmptyCell && m.column == n.column {
					numbers -= m.count
				}
			}
			texts[n.column] = numbers > 0 || t.rows > rec.sums[n.column].NaNs
			t.Columns[n.column].Kind = Text
			rec.opts.Text = append(slices.Clip(rec.opts.Text), n.column)
		}
	}
	e.notes = slices.DeleteFunc(e.notes, func(n note) bool {
		number, isText := texts[n.column]
		return isText && (n.code == EmptyCell || n.code == OutOfRange || n.code == MixedColumn && !number)
	})
}

// Head returns what is known of the file beside its rows: format, header, columns and
// warnings. Its Float and Text are nil unless the file is of a form that is only read whole.
func (rec *Recording) Head() *Table { return rec.head }

// CommentCount returns how many rows carry a comment.
func (rec *Recording) CommentCount() int {
	if rec.whole != nil {
		return rec.whole.CommentCount()
	}
	return rec.comments
}

// Summaries returns what each column of numbers holds, by column.
func (rec *Recording) Summaries() []Summary {
	switch {
	case rec.whole != nil:
		return rec.whole.Summaries()
	case rec.events != nil:
		sums := newSummaries(2)
		for b := range rec.events.blocks {
			for c := range sums {
				sums[c].add(b.Float[c], b.First == 0)
			}
		}
		return sums
	case rec.sums == nil: // the header is damaged
		return newSummaries(len(rec.head.Columns))
	}
	return rec.sums
}

// Blocks yields the rows, as many as [Scan] has checked. An error is the last step: the file
// cannot be read any more, or was changed.
func (rec *Recording) Blocks() iter.Seq2[*Block, error] {
	switch {
	case rec.whole != nil:
		return rec.whole.Blocks()
	case rec.events != nil:
		return func(yield func(*Block, error) bool) {
			rec.events.blocks(func(b *Block) bool { return yield(b, nil) })
		}
	}
	return rec.again
}

func (rec *Recording) again(yield func(*Block, error) bool) {
	left, skip := rec.head.rows, 0
	if left == 0 {
		return
	}
	r, err := rec.open()
	if err != nil {
		yield(nil, err)
		return
	}
	if rec.point != nil {
		if !yield(rec.pointBlock(), nil) {
			return
		}
		left, skip = left-1, 1
	}
	for left > 0 {
		if err := r.nextBlock(); err != nil {
			yield(nil, rec.changed(err))
			return
		}
		b := &r.block
		b.First += skip
		b.trim(left)
		left -= b.Rows
		if !yield(b, nil) {
			return
		}
	}
}

// open reads the header again.
func (rec *Recording) open() (*Reader, error) {
	if _, err := rec.r.Seek(rec.start, io.SeekStart); err != nil {
		return nil, err
	}
	if rec.head.Format == ATF {
		e, err := openATF(rec.source(), rec.opts)
		r, err := newReader(e, nil, err)
		return r, rec.changed(err)
	}
	n, err := openNeuron(rec.source(), rec.opts)
	r, err := newReader(n.engine, nil, err)
	return r, rec.changed(err)
}

// changed words an error of the second reading, which the first one did not meet.
func (rec *Recording) changed(err error) error {
	if err == nil {
		return nil
	}
	if err == io.EOF {
		err = ErrTruncated
	}
	return &ParseError{Format: rec.head.Format, Name: rec.opts.Name, Err: err, Hint: "the file changed while it was read"}
}

// pointBlock is the row that stood on the count line.
func (rec *Recording) pointBlock() *Block {
	cols := len(rec.head.Columns)
	b := &Block{Rows: 1, Float: make([][]float64, cols), Text: make([][]string, cols)}
	for c, v := range rec.point {
		switch rec.head.Columns[c].Kind {
		case Float64:
			b.Float[c] = []float64{float64(v)}
		case Text:
			b.Text[c] = []string{strconv.Itoa(v)}
		}
	}
	return b
}

// trim leaves at most so many rows.
func (b *Block) trim(rows int) {
	if b.Rows <= rows {
		return
	}
	b.Rows = rows
	for c := range b.Float {
		if b.Float[c] != nil {
			b.Float[c] = b.Float[c][:rows]
		}
	}
	for c := range b.Text {
		if b.Text[c] != nil {
			b.Text[c] = b.Text[c][:rows]
		}
	}
	for row := range b.Comments {
		if row >= rows {
			delete(b.Comments, row)
		}
	}
}

func newSummaries(n int) []Summary {
	return slices.Repeat([]Summary{{Min: math.Inf(1), Max: math.Inf(-1)}}, n)
}

func (s *Summary) add(values []float64, first bool) {
	if len(values) == 0 {
		return
	}
	if first {
		s.First = values[0]
	}
	s.Last = values[len(values)-1]
	for _, v := range values {
		switch {
		case v != v:
			s.NaNs++
		default:
			s.Min, s.Max = min(s.Min, v), max(s.Max, v)
		}
	}
}

// Head returns t, as [Recording.Head] does what is known of a file.
func (t *Table) Head() *Table { return t }

// CommentCount returns how many rows carry a comment.
func (t *Table) CommentCount() int { return len(t.Comments) }

// Blocks yields the rows of t in one block, without a copy.
func (t *Table) Blocks() iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		if rows := t.Rows(); rows > 0 {
			yield(&Block{Rows: rows, Float: t.Float, Text: t.Text, Comments: t.Comments}, nil)
		}
	}
}

// Summaries returns what each column of numbers holds, by column.
func (t *Table) Summaries() []Summary {
	sums := newSummaries(len(t.Columns))
	for c := range min(len(t.Columns), len(t.Float)) {
		sums[c].add(t.Float[c], true)
	}
	return sums
}
