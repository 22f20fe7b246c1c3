package readers

import (
	"io"
	"iter"
	"math"
)

// A Block is consecutive rows of a file, by column. It and all that it holds are used
// again for the next one: copy what must stay.
type Block struct {
	First    int            // index in the file of the first row
	Rows     int            // in this block
	Float    [][]float64    // by column; nil for columns of another kind
	Text     [][]string     // by column; nil for columns of another kind
	Comments map[int]string // by row of this block
}

// A Reader reads the rows of a file while they pass by. It needs the memory of one block
// of half a mebibyte, the numbers in it, and the longest line, however large the file is.
// It is not safe for concurrent use.
type Reader struct {
	e     *engine
	check func() error // at the end of the file
	err   error

	block Block
	cols  [][]float64 // backing of block.Float
	row   int         // that Rows yields next
	next  int         // rows before the next block
}

// NewATFReader reads the header of an Axon Text File and returns a Reader for its rows.
//
// The first row decides which columns are text. A later text in a column of numbers
// is an error: name the column in Options.Text, or read the file whole.
func NewATFReader(r io.Reader, opts *Options) (*Reader, error) {
	o := opts.with(r)
	e, err := openATF(newSource(r, o.MaxLine, o.block), o)
	return newReader(e, nil, err)
}

// NewNeuronReader reads the header of a NEURON .dat file and returns a Reader for its
// rows. Files of the binary form and printed graphs are refused: ReadNeuronDat reads them.
//
// A count line of two integers whose second is the number of columns is taken for
// rows and columns here; ReadNeuronDat, which sees all rows, looks at the first as well.
func NewNeuronReader(r io.Reader, opts *Options) (*Reader, error) {
	o := opts.with(r)
	n, err := openNeuron(newSource(r, o.MaxLine, o.block), o)
	return newReader(n.engine, n.checkCount, err)
}

func newReader(e *engine, check func() error, err error) (*Reader, error) {
	if err != nil {
		return nil, err
	}
	r := &Reader{e: e, check: check, cols: make([][]float64, len(e.lay.modes))}
	r.block.Float = make([][]float64, len(e.lay.modes))
	return r, nil
}

// Table returns what is known of the file, without rows: header, columns, and, when all
// rows were read, the warnings.
func (r *Reader) Table() *Table { return r.e.table }

// Blocks yields the rows in blocks. Rows before an error are yielded before it, and the
// error is the last step. A loop that was left early can be taken up by another.
func (r *Reader) Blocks() iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		for {
			err := r.nextBlock()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			r.row = r.block.Rows
			if !yield(&r.block, nil) {
				return
			}
		}
	}
}

// Rows yields the rows as numbers, one for each column, in a slice that is used again;
// columns of text and columns left out are NaN. It ends like [Reader.Blocks], and can be
// taken up in the same way.
func (r *Reader) Rows() iter.Seq2[[]float64, error] {
	return func(yield func([]float64, error) bool) {
		row := make([]float64, len(r.cols))
		for c := range row {
			row[c] = math.NaN()
		}
		for {
			for r.row < r.block.Rows {
				for c, col := range r.block.Float {
					if col != nil {
						row[c] = col[r.row]
					}
				}
				r.row++
				if !yield(row, nil) {
					return
				}
			}
			err := r.nextBlock()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// nextBlock reads the next rows into r.block.
func (r *Reader) nextBlock() error {
	r.block.Rows, r.row = 0, 0
	if r.err != nil {
		return r.err
	}
	got, err := r.e.next(r.place)
	if err == io.EOF {
		if err2 := r.finish(); err2 != nil {
			err = err2
		}
	}
	if err != nil {
		r.err = err
		return err
	}
	r.block.First, r.block.Rows = r.next, got.rows
	r.block.Text, r.block.Comments = got.text, got.comments
	r.next += got.rows
	for c, col := range r.cols {
		if col != nil {
			r.block.Float[c] = col[:got.rows]
		}
	}
	return nil
}

func (r *Reader) finish() error {
	err := r.e.finish()
	if err == nil && r.check != nil {
		err = r.check()
	}
	return err
}

// place makes room for the rows of a block.
func (r *Reader) place(rows int) ([][]float64, int) {
	return roomFor(r.cols, r.e.lay.modes, rows), 0
}

// roomFor grows the columns of numbers to so many rows, without keeping what they hold.
func roomFor(cols [][]float64, modes []mode, rows int) [][]float64 {
	for c, m := range modes {
		if m == asNumber && len(cols[c]) < rows {
			cols[c] = make([]float64, rows+rows/8)
		}
	}
	return cols
}
