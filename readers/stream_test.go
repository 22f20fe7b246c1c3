package readers_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/readers"
)

// gathered is what a stream delivered.
type gathered struct {
	Float    [][]float64
	Text     [][]string
	Comments map[int]string
	Rows     int
}

func gather(t *testing.T, r *readers.Reader) (gathered, error) {
	t.Helper()
	cols := len(r.Table().Columns)
	g := gathered{Float: make([][]float64, cols), Text: make([][]string, cols), Comments: map[int]string{}}
	for b, err := range r.Blocks() {
		if err != nil {
			return g, err
		}
		if b.First != g.Rows {
			t.Errorf("block begins at row %d, want %d", b.First, g.Rows)
		}
		for c := range cols {
			g.Float[c] = append(g.Float[c], b.Float[c]...)
			g.Text[c] = append(g.Text[c], b.Text[c]...)
		}
		for row, s := range b.Comments {
			g.Comments[g.Rows+row] = s
		}
		g.Rows += b.Rows
	}
	return g, nil
}

// Whatever the size of blocks, the number of workers and the manners of the io.Reader, a
// file has one reading.
func TestBlocksAndWorkersChangeNothing(t *testing.T) {
	for _, c := range atfCases {
		t.Run(c.name, func(t *testing.T) {
			for _, block := range []int{1, 7, 64, 300} {
				for _, workers := range []int{1, 3} {
					o := c.opts
					o.Workers = workers
					r := iotest.OneByteReader(strings.NewReader(c.file))
					got, err := readers.ReadATF(r, readers.WithBlocks(o, block, 5))
					if c.err == readers.ErrFormat && errors.Is(err, readers.ErrFormat) {
						continue // what it looks like needs a longer look
					}
					c.check(t, got, err)
				}
			}
		})
	}
}

func TestStreamGivesWhatWholeGives(t *testing.T) {
	for _, c := range atfCases {
		if slices.Contains(c.warn, readers.MixedColumn) || strings.Contains(c.name, "later") {
			continue // a stream cannot go back: TestStreamRefusesLateText
		}
		t.Run(c.name, func(t *testing.T) {
			want, wantErr := readers.ReadATF(strings.NewReader(c.file), &c.opts)
			for _, block := range []int{1, 40, 1 << 16} {
				compareStream(t, c, readers.WithBlocks(c.opts, block, 9), want, wantErr)
			}
		})
	}
}

func compareStream(t *testing.T, c atfCase, o *readers.Options, want *readers.Table, wantErr error) {
	t.Helper()
	r, err := readers.NewATFReader(strings.NewReader(c.file), o)
	var got gathered
	if err == nil {
		got, err = gather(t, r)
	}
	if fmt.Sprint(err) != fmt.Sprint(wantErr) && !errors.Is(err, readers.ErrFormat) {
		t.Fatalf("error = %v, want %v", err, wantErr)
	}
	if r == nil {
		return
	}
	if got.Rows != want.Rows() || len(got.Comments) != len(want.Comments) {
		t.Fatalf("%d rows, %d comments, want %d, %d", got.Rows, len(got.Comments), want.Rows(), len(want.Comments))
	}
	for i := range want.Columns {
		if !sameNumbers(got.Float[i], want.Float[i]) || !slices.Equal(got.Text[i], want.Text[i]) {
			t.Errorf("column %d = %v %q, want %v %q", i, got.Float[i], got.Text[i], want.Float[i], want.Text[i])
		}
	}
	if err == nil && !reflect.DeepEqual(r.Table().Warnings, want.Warnings) {
		t.Errorf("warnings = %v, want %v", r.Table().Warnings, want.Warnings)
	}
}

func TestStreamRefusesLateText(t *testing.T) {
	file := two + "0\t-2.615\n1\tError\n"
	r, err := readers.NewATFReader(strings.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := gather(t, r)
	if !errors.Is(err, readers.ErrNumber) || !strings.Contains(err.Error(), "Options.Text") || got.Rows != 1 {
		t.Errorf("%d rows, then %v; want 1, then ErrNumber with advice", got.Rows, err)
	}
	r, err = readers.NewATFReader(strings.NewReader(file), &readers.Options{Text: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = gather(t, r); err != nil || !slices.Equal(got.Text[1], []string{"-2.615", "Error"}) {
		t.Errorf("with Options.Text: %q, %v", got.Text[1], err)
	}
}

func TestNeuronStreamGivesWhatWholeGives(t *testing.T) {
	for _, c := range neuronCases {
		if strings.HasPrefix(c.name, "graph") || strings.HasPrefix(c.name, "PolyLines") || strings.HasPrefix(c.name, "a first point") {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			want, wantErr := readers.ReadNeuronDat(strings.NewReader(c.file), &c.opts)
			r, err := readers.NewNeuronReader(strings.NewReader(c.file), &c.opts)
			if r == nil {
				if fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Errorf("error = %v, want %v", err, wantErr)
				}
				return
			}
			got, err := gather(t, r)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || got.Rows != want.Rows() {
				t.Fatalf("%d rows, %v; want %d, %v", got.Rows, err, want.Rows(), wantErr)
			}
			for i := range want.Columns {
				if !sameNumbers(got.Float[i], want.Float[i]) {
					t.Errorf("column %d = %v, want %v", i, got.Float[i], want.Float[i])
				}
			}
			if r.Table().Format != want.Format || r.Table().Label != want.Label {
				t.Errorf("%v %q, want %v %q", r.Table().Format, r.Table().Label, want.Format, want.Label)
			}
		})
	}
	for _, file := range []string{"PolyLines\nx a\n", "Graph addvar/addexpr lines\n", "\x01\x00\x00\x00\x04\x00\x00\x00"} {
		if _, err := readers.NewNeuronReader(strings.NewReader(file), nil); !errors.Is(err, readers.ErrFormat) {
			t.Errorf("stream of %q = %v, want ErrFormat", file, err)
		}
	}
}

// A stream decides on "R C" by the columns alone, and says so at the end.
func TestNeuronStreamTakesRowsAndColumnsForAHeader(t *testing.T) {
	r, err := readers.NewNeuronReader(strings.NewReader("label:v\n1 2\n2 3\n3 4\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := gather(t, r)
	if err != nil || got.Rows != 2 || len(r.Table().Warnings) != 1 || r.Table().Warnings[0].Code != readers.DeclaredRows {
		t.Errorf("%d rows, %v, %v; want 2 rows and a warning", got.Rows, err, r.Table().Warnings)
	}
}

func TestRows(t *testing.T) {
	r, err := readers.NewATFReader(strings.NewReader("ATF\t1.0\n0\t3\nA\tB\tC\n1\tx\t3\n4\ty\t6\n7\tz\t9\nq\n"), readers.WithBlocks(readers.Options{}, 10, 5))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(row))
		if len(got) == 2 {
			break // and take it up again below
		}
	}
	var last error
	for row, err := range r.Rows() {
		if last = err; err == nil {
			got = append(got, fmt.Sprint(row))
		}
	}
	if want := []string{"[1 NaN 3]", "[4 NaN 6]", "[7 NaN 9]"}; !slices.Equal(got, want) {
		t.Errorf("rows = %v, want %v", got, want)
	}
	if !errors.Is(last, readers.ErrColumnCount) {
		t.Errorf("last step = %v, want ErrColumnCount", last)
	}
	for _, err := range r.Rows() {
		if !errors.Is(err, readers.ErrColumnCount) {
			t.Errorf("after the error: %v, want it again", err)
		}
	}
}

// endless is an ATF file of n rows that nobody stores.
type endless struct {
	left  int
	rest  []byte
	ahead []byte
}

func newEndless(rows int) *endless {
	return &endless{left: rows, rest: []byte("ATF\t1.0\r\n0\t4\r\nA\tB\tC\tD\r\n"), ahead: []byte(strings.Repeat("0.025\t-70.0156\t1e-4\t-3\r\n", 1000))}
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.rest = e.ahead
		e.left -= 1000
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// Streaming 12 MB must not allocate more than streaming 0.1 MB: a few blocks.
func TestStreamingMemoryDoesNotGrow(t *testing.T) {
	peak := func(rows int) uint64 {
		r, err := readers.NewATFReader(newEndless(rows), nil)
		if err != nil {
			t.Fatal(err)
		}
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n := 0
		for b, err := range r.Blocks() {
			if err != nil {
				t.Fatal(err)
			}
			n += b.Rows
		}
		runtime.ReadMemStats(&now)
		if n != rows {
			t.Fatalf("%d rows, want %d", n, rows)
		}
		return now.TotalAlloc - before.TotalAlloc // all that was ever allocated, freed or not
	}
	small, large := peak(5_000), peak(500_000)
	if large > small+4<<20 {
		t.Errorf("streaming 100 times as much allocates %d bytes, not %d", large, small)
	}
}

// A file that is read whole allocates its columns about once.
func TestWholeFileAllocatesItsColumnsOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large.atf")
	if err := os.WriteFile(name, recording(100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, err := readers.ReadFile(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&now)
	data := uint64(8 * got.Rows() * len(got.Columns))
	if used := now.TotalAlloc - before.TotalAlloc; used > data+data/10+4<<20 {
		t.Errorf("%d bytes allocated for %d bytes of numbers", used, data)
	}
	if &got.Float[0][:got.Rows()][got.Rows()-1] == &got.Float[1][0] {
		t.Error("columns overlap")
	}
	got.Float[0] = append(got.Float[0], math.Pi) // must not reach into the next column
	if got.Float[1][0] == math.Pi {
		t.Error("appending to a column changed the next one")
	}
}

// A wrong hint about the size changes no result.
func TestWrongSizeHint(t *testing.T) {
	file := recording(3_000)
	want, err := readers.ReadATF(strings.NewReader(string(file)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, hint := range []int64{1, 1000, math.MaxInt64} {
		got, err := readers.ReadATF(io.MultiReader(strings.NewReader(string(file))), readers.WithBlocks(readers.Options{SizeHint: hint}, 1<<14, 1<<12))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("SizeHint %d: another table, %v", hint, err)
		}
	}
}

// Blocks and Rows share one place in the file, and the end is reached once.
func TestRowsBehindBlocks(t *testing.T) {
	file := two + "0\t1\n1\t\n2\t3\n3\t4"
	r, err := readers.NewATFReader(strings.NewReader(file), readers.WithBlocks(readers.Options{}, 5, 5))
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range r.Blocks() {
		if err != nil || b.Rows != 1 {
			t.Fatalf("%+v, %v", b, err)
		}
		break
	}
	var first []float64
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, row[0])
	}
	if !slices.Equal(first, []float64{1, 2, 3}) {
		t.Errorf("rows behind the first block begin with %v, want 1, 2, 3", first)
	}
	for range r.Rows() {
		t.Error("rows behind the end")
	}
	if w := r.Table().Warnings; len(w) != 2 || r.Table().FinalNewline {
		t.Errorf("warnings = %v, want one of each", w)
	}
}

func TestWarningsCountAndPlace(t *testing.T) {
	file := two + "0\t1\n1\t\n2\t\n\t4\n4\t\n"
	for _, block := range []int{3, 1 << 16} {
		got, err := readers.ReadATF(strings.NewReader(file), readers.WithBlocks(readers.Options{Workers: 3}, block, 4))
		if err != nil {
			t.Fatal(err)
		}
		want := []readers.Warning{
			{Code: readers.EmptyCell, Line: 5, Column: 1, Count: 3, Msg: "column 1 (Im): 3 empty cells read as NaN, the first here"},
			{Code: readers.EmptyCell, Line: 7, Column: 0, Count: 1, Msg: "column 0 (Time): 1 empty cell read as NaN, the first here"},
		}
		if !reflect.DeepEqual(got.Warnings, want) {
			t.Errorf("warnings = %v, want %v", got.Warnings, want)
		}
	}
}
