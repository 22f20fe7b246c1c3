package readers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// collect puts the blocks of a Recording together into the table that they are parts of.
func collect(t *testing.T, rec *readers.Recording) *readers.Table {
	t.Helper()
	table := *rec.Head()
	if table.Float != nil {
		return &table // read whole
	}
	cols := len(table.Columns)
	table.Float, table.Text = make([][]float64, cols), make([][]string, cols)
	for c := range cols {
		switch table.Columns[c].Kind {
		case readers.Float64:
			table.Float[c] = []float64{}
		case readers.Text:
			table.Text[c] = []string{}
		}
	}
	rows := 0
	for b, err := range rec.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		if b.First != rows {
			t.Fatalf("a block begins at row %d, want %d", b.First, rows)
		}
		for c := range cols {
			if table.Columns[c].Kind == readers.Float64 {
				table.Float[c] = append(table.Float[c], b.Float[c]...)
			}
			if table.Columns[c].Kind == readers.Text {
				table.Text[c] = append(table.Text[c], b.Text[c]...)
			}
		}
		for row, s := range b.Comments {
			if table.Comments == nil {
				table.Comments = map[int]string{}
			}
			table.Comments[b.First+row] = s
		}
		rows += b.Rows
	}
	if rows != rec.Head().Rows() {
		t.Errorf("blocks hold %d rows of %d", rows, rec.Head().Rows())
	}
	return &table
}

// sameAsWhole wants of a scan what reading the file whole gives: rows, warnings, error.
func sameAsWhole(t *testing.T, name string, data []byte, o *readers.Options) {
	t.Helper()
	want, wantErr := readers.Read(bytes.NewReader(data), o)
	rec, err := readers.Scan(bytes.NewReader(data), o)
	if errText(err) != errText(wantErr) {
		t.Errorf("%s: error = %v, want %v", name, err, wantErr)
		return
	}
	if len(want.Columns) > 0 && want.Float == nil {
		return // only a header
	}
	got := collect(t, rec)
	if got.Rows() != want.Rows() || rec.CommentCount() != len(want.Comments) || !maps.Equal(got.Comments, want.Comments) {
		t.Errorf("%s: %d rows, %d comments, want %d, %d", name, got.Rows(), rec.CommentCount(), want.Rows(), len(want.Comments))
	}
	if !slices.Equal(got.Warnings, want.Warnings) || !slices.Equal(got.Columns, want.Columns) {
		t.Errorf("%s: warnings %v, columns %v, want %v, %v", name, got.Warnings, got.Columns, want.Warnings, want.Columns)
	}
	for c := range want.Columns {
		if c < len(want.Float) && !sameNumbers(got.Float[c], want.Float[c]) || c < len(want.Text) && !slices.Equal(got.Text[c], want.Text[c]) {
			t.Errorf("%s: column %d is another one", name, c)
		}
	}
	sums := rec.Summaries()
	for c, s := range want.Summaries() {
		if c < len(want.Columns) && want.Columns[c].Kind == readers.Float64 && fmt.Sprint(sums[c]) != fmt.Sprint(s) { // not ==, for NaN
			t.Errorf("%s: column %d is summed up as %v, want %v", name, c, sums[c], s)
		}
	}
}

func TestScanGivesWhatWholeGives(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*readers.Options{nil, {Strict: true}, {Columns: []int{0}}, {Headerless: true}} {
			sameAsWhole(t, name, data, o)
			sameAsWhole(t, name, data, readers.WithBlocks(orZero(o), 100, 10))
			sameAsWhole(t, name+" cut", data[:len(data)*2/3], o)
		}
	}
	for _, file := range []string{
		"label:v\n4 2\n0\t1\n1\t2\n2\t3\n3\t4\n",       // rows and columns
		"label:v\n1 2\n2\t3\n3\t4\n",                   // a first point
		"label:v\n0 2\n1\t3\n",                         // again
		"label:v\n9 2\n1\t3\n",                         // rows missing
		"3\n0 1\n1 2\n",                                // one missing
		"ATF\t1.0\n0\t2\nT\tx\n1\t2\n2\tError\n3\t4\n", // mixed
		"ATF\t1.0\n0\t2\nT\tx\n1\t\n2\tError\n3\t\n",   // no number at all
		"ATF\t1.0\n0\t2\nT\tx\n1\t\n2\tError\n3\n",     // and an error
		"ATF\t1.0\n0\t2\nT\tx\n1\t2\t\"on\"\n2\t3\n3\t4\t\"off\"\n",
		"ATF\t1.0\n0\t2\nT\tx\n",
		"4096 0.01\n1\n2\n",
		"3, 0.1\n4, 0.2\n",
	} {
		for _, o := range []*readers.Options{nil, {Strict: true}, {Text: []int{0}}, {MaxRows: 1}} {
			sameAsWhole(t, file, []byte(file), o)
			sameAsWhole(t, file, []byte(file), readers.WithBlocks(orZero(o), 8, 2))
		}
	}
}

func orZero(o *readers.Options) readers.Options {
	if o == nil {
		return readers.Options{}
	}
	return *o
}

func TestScanOfAFileThatChanges(t *testing.T) {
	path := write(t, "label:v\n3\n0\t1\n1\t2\n2\t3\n")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rec, err := readers.Scan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		want error
	}{{"label:v\n3\n0\t1\n", readers.ErrTruncated}, {"label:v\n3\n0\t1\nx\t2\n2\t3\n", readers.ErrNumber}, {"", readers.ErrFormat}} {
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		var last error
		for _, err := range rec.Blocks() {
			last = err
		}
		if !errors.Is(last, c.want) || !strings.Contains(last.Error(), "changed") {
			t.Errorf("%q: error = %v, want %v", c.file, last, c.want)
		}
	}
}

// What a Scan and its blocks hold does not grow with the file.
func TestScanMemoryDoesNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.atf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const rows = 1_000_000
	if _, err := io.Copy(f, newEndless(rows)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	rec, err := readers.Scan(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, most, n := 0, uint64(0), 0
	for b, err := range rec.Blocks() {
		if err != nil {
			t.Fatal(err)
		}
		got += b.Rows
		if n++; n%10 == 0 {
			most = max(most, live())
		}
	}
	if got != rows || n < 10 {
		t.Fatalf("%d rows in %d blocks", got, n)
	}
	if grown := int64(most) - int64(before); grown > 8<<20 {
		t.Errorf("%d MB are held of a file of %d rows", grown>>20, rows)
	}
}

func FuzzScan(f *testing.F) {
	addReal(f, func(data []byte) { f.Add(data, byte(0)) })
	f.Add([]byte("ATF\t1.0\n0\t2\nT\tx\n1\t2\t\"on\"\n2\tError\n3\t\n"), byte(1))
	f.Add([]byte("label:v\n1 2\n2\t3\n3\t4\n"), byte(2))
	f.Add([]byte("3, 0.1\n4, 0.2"), byte(7))
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		o := readers.Options{Strict: how&1 != 0, Headerless: how&2 != 0, DecimalComma: how&4 != 0, MaxRows: int(how >> 6), MaxColumns: 50}
		if how&8 != 0 {
			o.Columns = []int{0}
		}
		sameAsWhole(t, "fuzz", data, readers.WithBlocks(o, 64, 16))
	})
}
