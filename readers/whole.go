package readers

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// presize bounds what is allocated on the strength of a file's size: one GiB of numbers.
// Larger files grow from there.
const presize = 1 << 27

// A store is the columns of numbers of a table while they grow, in one array.
type store struct {
	cols [][]float64 // by column; nil for those without numbers
	rows int         // in use
	room int         // there is room for
	hint int         // expected in all
}

// place makes room for so many further rows.
func (s *store) place(rows int) ([][]float64, int) {
	need := s.rows + rows
	if need <= s.room {
		return s.cols, s.rows
	}
	n := 0
	for _, c := range s.cols {
		if c != nil {
			n++
		}
	}
	room := max(need, s.room+s.room/2)
	if s.room == 0 {
		room = max(need, min(s.hint, presize/max(n, 1)))
	}
	all := make([]float64, n*room)
	for i, c := range s.cols {
		if c == nil {
			continue
		}
		copy(all, c[:s.rows])
		s.cols[i], all = all[:room], all[room:]
	}
	s.room = room
	return s.cols, s.rows
}

// newStore expects as many rows as fit in the rest of the input, if they are as long as
// those that are buffered.
func (e *engine) newStore() *store {
	s := &store{cols: make([][]float64, len(e.lay.modes))}
	for c, m := range e.lay.modes {
		if m == asNumber {
			s.cols[c] = []float64{}
		}
	}
	sample := e.src.rest()
	lines := bytes.Count(sample, []byte{e.src.end})
	if left := e.opts.SizeHint - e.src.off; left > int64(len(sample)) && lines > 0 {
		perLine := float64(len(sample)) / float64(lines)
		s.hint = int(min(float64(left)/perLine*1.02+64, presize)) // rows vary: 2 % more
	}
	return s
}

// readAll reads every row into the table.
func (e *engine) readAll(again *rewinder) (*Table, error) {
	t := e.table
	dataLine := e.src.line
	s := e.newStore()
	for {
		got, err := e.next(s.place)
		if err != nil {
			break
		}
		for row, comment := range got.comments {
			if t.Comments == nil {
				t.Comments = map[int]string{}
			}
			t.Comments[s.rows+row] = comment
		}
		for c, cells := range got.text {
			t.Text[c] = append(t.Text[c], cells...)
		}
		s.rows += got.rows
	}
	t.rows = s.rows
	for c := range s.cols {
		switch t.Columns[c].Kind {
		case Float64:
			t.Float[c] = s.cols[c][:s.rows:s.rows]
		case Text:
			if t.Text[c] == nil {
				t.Text[c] = []string{}
			}
		}
	}
	err := e.err
	if again != nil {
		if e2 := e.readMixed(again, dataLine); err == io.EOF && e2 != nil {
			err = e2
		}
	}
	if e2 := e.finish(); err == io.EOF {
		err = e2
	}
	return t, err
}

// readMixed makes columns of text of those where text was found among the numbers. It
// reads the file again for them, since the numbers do not show how they were written.
func (e *engine) readMixed(again *rewinder, dataLine int) error {
	t := e.table
	modes := slices.Repeat([]mode{asNothing}, len(t.Columns))
	mixed := false
	for _, n := range e.notes {
		if n.code == MixedColumn {
			modes[n.column], mixed = asText, true
		}
	}
	if !mixed {
		return nil
	}
	second := &engine{src: newSource(again.rewind(), e.opts.MaxLine, e.src.size), opts: e.opts, lay: e.lay}
	second.lay.modes, second.lay.strict = modes, false
	second.opts.MaxRows = t.rows
	for second.src.line < dataLine {
		if _, err := second.src.nextLine(); err != nil {
			return second.readError(io.ErrUnexpectedEOF)
		}
	}
	texts := make([][]string, len(modes))
	for second.err == nil {
		got, err := second.next(func(int) ([][]float64, int) { return make([][]float64, len(modes)), 0 })
		if err != nil {
			break
		}
		for c, cells := range got.text {
			texts[c] = append(texts[c], cells...)
		}
	}
	for c, m := range modes {
		if m != asText {
			continue
		}
		if len(texts[c]) < t.rows {
			return &ParseError{Format: t.Format, Name: e.opts.Name, Err: ErrTruncated,
				Hint: fmt.Sprintf("the file changed while it was read: %d rows, then %d", t.rows, len(texts[c]))}
		}
		t.Columns[c].Kind, t.Text[c], t.Float[c] = Text, texts[c][:t.rows], nil
	}
	e.settleMixed()
	return nil
}

// settleMixed drops the notes about columns that turned out to be text: an empty text is
// no doubt, nor is a column without any number.
func (e *engine) settleMixed() {
	t := e.table
	e.notes = slices.DeleteFunc(e.notes, func(n note) bool {
		if t.Columns[n.column].Kind != Text {
			return false
		}
		return n.code == EmptyCell || n.code == OutOfRange || n.code == MixedColumn && !e.anyNumber(n.column)
	})
}

func (e *engine) anyNumber(col int) bool {
	return slices.ContainsFunc(e.table.Text[col], func(s string) bool {
		return isNumber([]byte(strings.TrimSpace(s)), e.lay.point)
	})
}

// A rewinder can read its input a second time: by seeking, or else from the copy that it
// keeps.
type rewinder struct {
	r     io.Reader
	seek  io.Seeker
	start int64
	kept  []io.Reader
}

func newRewinder(r io.Reader) *rewinder {
	w := &rewinder{r: r}
	if s, ok := r.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			w.seek, w.start = s, start
		}
	}
	return w
}

func (w *rewinder) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.seek == nil && n > 0 && n <= len(p) {
		w.kept = append(w.kept, bytes.NewReader(bytes.Clone(p[:n])))
	}
	return n, err
}

// rewind returns the input from where it stood at first.
func (w *rewinder) rewind() io.Reader {
	if w.seek == nil {
		return io.MultiReader(w.kept...)
	}
	if _, err := w.seek.Seek(w.start, io.SeekStart); err != nil {
		return errorReader{err}
	}
	return w.r
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
