package readers_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

type neuronCase struct {
	name   string
	file   string
	opts   readers.Options
	format readers.Format
	label  string
	cols   [][]float64
	curves []readers.Curve
	titles []string
	count  int // declared rows; 0 stands for not declared
	warn   []readers.Code
	err    error
	says   string
}

var neuronCases = []neuronCase{
	{name: "as NEURON writes", file: "label:v(.5)\n3\n0\t-70\n0.025\t-70\n0.05\t-69.9913\n", label: "v(.5)", count: 3, cols: [][]float64{{0, .025, .05}, {-70, -70, -69.9913}}, titles: []string{"", "v(.5)"}},
	{name: "CRLF", file: crlf("label:v(.5)\n1\n0\t-70\n"), label: "v(.5)", count: 1, cols: [][]float64{{0}, {-70}}},
	{name: "CR alone", file: cr("label:v(.5)\n1\n0\t-70\n"), label: "v(.5)", count: 1, cols: [][]float64{{0}, {-70}}},
	{name: "BOM", file: "\xef\xbb\xbflabel:v\n1\n0\t1\n", label: "v", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "label with blanks, verbatim", file: "label: SThcells[2].soma.v( 0.5 ) \n1\n0\t1\n", label: " SThcells[2].soma.v( 0.5 ) ", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "empty label", file: "label:\n1\n0\t1\n", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "label in Windows-1252", file: "label:I (\xb5A)\n1\n0\t1\n", label: "I (µA)", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "label of numbers", file: "label:1 2\n1\n0\t1\n", label: "1 2", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "no points", file: "label:v\n0\n", label: "v", count: 0, cols: [][]float64{{}, {}}},
	{name: "no label", file: "2\n0\t1\n0.5\t2\n", count: 2, cols: [][]float64{{0, .5}, {1, 2}}},
	{name: "label and no count", file: "label:v\n0\t1\n0.5\t2\n", label: "v", cols: [][]float64{{0, .5}, {1, 2}}, warn: []readers.Code{readers.OddHeader}},
	{name: "label and nothing", file: "label:v\n", label: "v", err: readers.ErrTruncated, says: "nothing behind the label"},
	{name: "blanks instead of TABs", file: "label:v\n2\n 0   1 \n0.5 2\n", label: "v", count: 2, cols: [][]float64{{0, .5}, {1, 2}}},
	{name: "three columns", file: "label:v\n1\n0\t1\t2\n", label: "v", count: 1, cols: [][]float64{{0}, {1}, {2}}},
	{name: "one column behind a count", file: "label:v\n2\n7\n8\n", label: "v", count: 2, cols: [][]float64{{7, 8}}},
	{name: "rows and columns", file: "label:v\n2 2\n0\t1\n0.5\t2\n", label: "v", count: 2, cols: [][]float64{{0, .5}, {1, 2}}},
	{name: "rows and columns, rows missing", file: "label:v\n6454 2\n0\t1\n0.5\t2\n", label: "v", count: 6454, cols: [][]float64{{0, .5}, {1, 2}}, err: readers.ErrTruncated, says: "6454 rows are declared, 2 are there"},
	{name: "a first point that looks like rows and columns", file: "label:v\n1 2\n2 3\n3 4\n", label: "v", cols: [][]float64{{1, 2, 3}, {2, 3, 4}}, warn: []readers.Code{readers.OddHeader}},
	{name: "a first point far from zero", file: "label:v\n100 2\n101 2\n", label: "v", cols: [][]float64{{100, 101}, {2, 2}}, warn: []readers.Code{readers.OddHeader}},
	{name: "rows and three columns", file: "label:v\n2 3\n0 1 2\n", label: "v", count: 2, cols: [][]float64{{0}, {1}, {2}}, err: readers.ErrTruncated},
	{name: "a first point before which x goes back", file: "label:v\n2 2\n0 3\n1 4\n2 5\n", label: "v", cols: [][]float64{{2, 0, 1, 2}, {2, 3, 4, 5}}, warn: []readers.Code{readers.OddHeader}},
	{name: "fewer rows and three columns", file: "label:v\n1 3\n2 1 2\n3 2 3\n", label: "v", count: 1, cols: [][]float64{{2, 3}, {1, 2}, {2, 3}}, warn: []readers.Code{readers.DeclaredRows}},
	{name: "a first point of whole numbers", file: "label:v\n0 0\n1 1\n", label: "v", cols: [][]float64{{0, 1}, {0, 1}}, warn: []readers.Code{readers.OddHeader}},
	{name: "count too large", file: "label:v\n5\n0\t1\n0.5\t2\n", label: "v", count: 5, cols: [][]float64{{0, .5}, {1, 2}}, err: readers.ErrTruncated, says: "5 rows are declared, 2 are there"},
	{name: "a count of two billions", file: "label:v\n2000000000\n0\t1\n", label: "v", count: 2000000000, cols: [][]float64{{0}, {1}}, err: readers.ErrTruncated},
	{name: "count too small", file: "label:v\n1\n0\t1\n0.5\t2\n", label: "v", count: 1, cols: [][]float64{{0, .5}, {1, 2}}, warn: []readers.Code{readers.DeclaredRows}},
	{name: "count too small, strict", file: "label:v\n1\n0\t1\n0.5\t2\n", opts: readers.Options{Strict: true}, label: "v", count: 1, cols: [][]float64{{0, .5}, {1, 2}}, err: readers.ErrRowCount},
	{name: "nan and inf are values, not skipped", file: "label:v\n4\n0\tnan\n1\tinf\n2\t-nan\n3\t1.#QNAN\n", label: "v", count: 4, cols: [][]float64{{0, 1, 2, 3}, {nan, math.Inf(1), nan, nan}}},
	{name: "exponents of Windows", file: "label:v\n1\n1e-005\t-1.5e+010\n", label: "v", count: 1, cols: [][]float64{{1e-5}, {-1.5e10}}},
	{name: "empty lines at the end", file: "label:v\n1\n0\t1\n\n\n", label: "v", count: 1, cols: [][]float64{{0}, {1}}},
	{name: "empty line inside", file: "label:v\n2\n0\t1\n\n1\t2\n", label: "v", count: 2, cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount},
	{name: "no final newline", file: "label:v\n2\n0\t1\n1\t2", label: "v", count: 2, cols: [][]float64{{0, 1}, {1, 2}}, warn: []readers.Code{readers.NoFinalNewline}},
	{name: "cut", file: "label:v\n2\n0\t1\n1", label: "v", count: 2, cols: [][]float64{{0}, {1}}, err: readers.ErrTruncated},
	{name: "a word among the numbers", file: "label:v\n2\n0\t1\n1\tx\n", label: "v", count: 2, cols: [][]float64{{0}, {1}}, err: readers.ErrNumber, says: `line 4, column 3: field 2: "x"`},
	{name: "a row of three", file: "label:v\n2\n0\t1\n1\t2\t3\n", label: "v", count: 2, cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount},
	{name: "repeated times", file: "label:v\n3\n10000\t1\n10000\t2\n10000.1\t3\n", label: "v", count: 3, cols: [][]float64{{10000, 10000, 10000.1}, {1, 2, 3}}},
	{name: "decimal commas", file: "label:v\n1\n0,5\t-1,5\n", opts: readers.Options{DecimalComma: true}, label: "v", count: 1, cols: [][]float64{{.5}, {-1.5}}},

	{name: "rows without a header, unasked", file: "0 1\n1 2\n", format: readers.Numbers, err: readers.ErrFormat, says: "set Options.Headerless"},
	{name: "rows without a header", file: "0 1\n1 2\n", opts: readers.Options{Headerless: true}, format: readers.Numbers, cols: [][]float64{{0, 1}, {1, 2}}},
	{name: "rows without a header, ragged", file: "0 1\n1 2 3\n", opts: readers.Options{Headerless: true}, format: readers.Numbers, cols: [][]float64{{0}, {1}}, err: readers.ErrColumnCount},
	{name: "rows of words", file: "a b\nc d\n", opts: readers.Options{Headerless: true}, format: readers.Numbers, cols: [][]float64{{}, {}}, err: readers.ErrNumber},
	{name: "prose", file: "Dear diary,\n", format: readers.Unknown, err: readers.ErrFormat, says: "label:"},
	{name: "nothing", file: "", format: readers.Unknown, err: readers.ErrFormat},
	{name: "an ATF file", file: two, format: readers.ATF, err: readers.ErrFormat, says: "it is: ATF"},

	{name: "Vector.printf", file: "-65\n-65.0156\n-65.02\n\n", format: readers.NeuronPrint, cols: [][]float64{{-65, -65.0156, -65.02}}},
	{name: "Vector.printf that starts like a count", file: "2\n5\n7\n", format: readers.NeuronPrint, cols: [][]float64{{2, 5, 7}}},
	{name: "Vector.printf of one", file: "7\n", format: readers.NeuronPrint, cols: [][]float64{{7}}},
	{name: "count and step", file: "3 0.01\n1\n2\n3\n", format: readers.NeuronStep, count: 3, cols: [][]float64{{1, 2, 3}}},
	{name: "count and step, cut", file: "4096 0.01\n1\n2\n", format: readers.NeuronStep, count: 4096, cols: [][]float64{{1, 2}}, err: readers.ErrTruncated},
	{name: "File.printf", file: "1 2\ntime ica\n0 1\n0.025 2\n", format: readers.NeuronTable, count: 2, cols: [][]float64{{0, .025}, {1, 2}}, titles: []string{"time", "ica"}},

	{name: "graph of addvar", file: "Graph addvar/addexpr lines\n2 3\nx v(.5) ica\n0\t1\t2\n1\t2\t3\n2\t3\t4\n0 unlabeled lines\n", format: readers.NeuronGraph, count: 3, cols: [][]float64{{0, 1, 2}, {1, 2, 3}, {2, 3, 4}}, titles: []string{"x", "v(.5)", "ica"}},
	{name: "graph with kept lines", file: "Graph addvar/addexpr lines\n1 1\nx v\n0\t1\n2 unlabeled lines\n2\n0\t1\n1\t2\n1  a=5\n3\t4\n", format: readers.NeuronGraph, count: 1, cols: [][]float64{{0}, {1}}, titles: []string{"x", "v"},
		curves: []readers.Curve{{X: []float64{0, 1}, Y: []float64{1, 2}}, {Label: "a=5", X: []float64{3}, Y: []float64{4}}}},
	{name: "graph with a blank in a name", file: "Graph addvar/addexpr lines\n1 1\nx v( 0.5 )\n0\t1\n0 unlabeled lines\n", format: readers.NeuronGraph, count: 1, cols: [][]float64{{0}, {1}}, titles: []string{"", ""}, warn: []readers.Code{readers.OddHeader}},
	{name: "graph cut in the rows", file: "Graph addvar/addexpr lines\n1 3\nx v\n0\t1\n", format: readers.NeuronGraph, count: 3, cols: [][]float64{{0}, {1}}, err: readers.ErrTruncated},
	{name: "graph of two billion points", file: "Graph addvar/addexpr lines\n1 2000000000\nx v\n", format: readers.NeuronGraph, count: 2000000000, cols: [][]float64{nil, nil}, err: readers.ErrTruncated},
	{name: "graph of two billion lines", file: "Graph addvar/addexpr lines\n2000000000 1\nx v\n", format: readers.NeuronGraph, err: readers.ErrLimit},
	{name: "graph with a word", file: "Graph addvar/addexpr lines\n1 1\nx v\n0\tx\n", format: readers.NeuronGraph, count: 1, cols: [][]float64{nil, nil}, err: readers.ErrNumber, says: `line 4, column 3: field 2: "x"`},
	{name: "PolyLines, matrix", file: "PolyLines\nx a b\n2 rows, 3 columns\n0\t1\t2\n1\t2\t3\n", format: readers.NeuronLines, count: 2, cols: [][]float64{{0, 1}, {1, 2}, {2, 3}}, titles: []string{"x", "a", "b"}},
	{name: "PolyLines, matrix that counts without x", file: "PolyLines\n2 addvar/addexpr lines: v w\nx a b\n1 rows, 2 columns\n0\t1\t2\n", format: readers.NeuronLines, count: 1, cols: [][]float64{{0}, {1}, {2}}, titles: []string{"x", "a", "b"}},
	{name: "PolyLines, list", file: "PolyLines\nLine Manifest:\n2  g=1\n1\nEnd of Line Manifest\n2  g=1\n0\t1\n1\t2\n1\n5\t6\n", format: readers.NeuronLines,
		curves: []readers.Curve{{Label: "g=1", X: []float64{0, 1}, Y: []float64{1, 2}}, {X: []float64{5}, Y: []float64{6}}}},
	{name: "PolyLines, list behind an x expression that ends no line", file: "PolyLines\nx expression: tLine Manifest:\n1\nEnd of Line Manifest\n1\n0\t1\n", format: readers.NeuronLines,
		curves: []readers.Curve{{X: []float64{0}, Y: []float64{1}}}},
	{name: "PolyLines that go on", file: "PolyLines\nx a\n1 rows, 2 columns\n0\t1\n1\t2\n", format: readers.NeuronLines, count: 1, cols: [][]float64{{0}, {1}}, err: readers.ErrRowCount},
	{name: "PolyLines and nothing", file: "PolyLines\n", format: readers.NeuronLines, err: readers.ErrTruncated},
}

func TestNeuronCases(t *testing.T) {
	for _, c := range neuronCases {
		t.Run(c.name, func(t *testing.T) {
			if c.format == 0 && c.err != readers.ErrFormat {
				c.format = readers.NeuronDat
			}
			got, err := readers.ReadNeuronDat(strings.NewReader(c.file), &c.opts)
			c.check(t, got, err)
		})
	}
}

func (c neuronCase) check(t *testing.T, got *readers.Table, err error) {
	t.Helper()
	if !errors.Is(err, c.err) {
		t.Fatalf("error = %v, want %v", err, c.err)
	}
	var pe *readers.ParseError
	if err != nil && (!errors.As(err, &pe) || !strings.Contains(err.Error(), c.says)) {
		t.Errorf("error = %v, want a ParseError that says %q", err, c.says)
	}
	if got.Format != c.format || got.Label != c.label {
		t.Errorf("format %v, label %q, want %v, %q", got.Format, got.Label, c.format, c.label)
	}
	if c.count > 0 && got.DeclaredRows != c.count {
		t.Errorf("DeclaredRows = %d, want %d", got.DeclaredRows, c.count)
	}
	if !reflect.DeepEqual(got.Curves, c.curves) {
		t.Errorf("curves = %+v, want %+v", got.Curves, c.curves)
	}
	if c.cols != nil && len(got.Float) != len(c.cols) {
		t.Fatalf("%d columns, want %d", len(got.Float), len(c.cols))
	}
	for i, want := range c.cols {
		if !sameNumbers(got.Float[i], want) || got.Rows() != len(want) {
			t.Errorf("column %d = %v (%d rows), want %v", i, got.Float[i], got.Rows(), want)
		}
	}
	for i, want := range c.titles {
		if got.Columns[i].Title != want {
			t.Errorf("title %d = %q, want %q", i, got.Columns[i].Title, want)
		}
	}
	if err == nil {
		var codes []readers.Code
		for _, w := range got.Warnings {
			codes = append(codes, w.Code)
		}
		if !slices.Equal(codes, c.warn) {
			t.Errorf("warnings = %v, want %v", got.Warnings, c.warn)
		}
	}
}

// The table that File.printf wrote is not described in truth.json; this is it.
func TestRealFilePrintfTable(t *testing.T) {
	got, err := readers.ReadFile("testdata/openworm_printf.dat", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != readers.NeuronTable || got.Rows() != 2 || len(got.Columns) != 6 || got.FinalNewline {
		t.Fatalf("%v: %d rows of %d columns, final newline %v", got.Format, got.Rows(), len(got.Columns), got.FinalNewline)
	}
	checkRow(t, got, 0, []string{"0", "-0.000422814", "-0.00028025", "0", "-0.000142564", "0"})
	checkRow(t, got, 1, []string{"0.025", "-0.000422814", "-0.00028025", "0", "-0.000142564", "0.00083607"})
	if got.Columns[5].Title != "ica_pmp_cadifpmp" {
		t.Errorf("title = %q", got.Columns[5].Title)
	}
}

func TestVWrite(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	pack := func(order binary.ByteOrder, parts ...any) []byte {
		var b bytes.Buffer
		for _, p := range parts {
			if err := binary.Write(&b, order, p); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		file []byte
		want [][]float64
		err  error
	}{
		{"float64", pack(le, int32(2), int32(4), []float64{1.5, -2}), [][]float64{{1.5, -2}}, nil},
		{"float64, swapped", pack(be, int32(2), int32(4), []float64{1.5, -2}), [][]float64{{1.5, -2}}, nil},
		{"float32", pack(le, int32(1), int32(3), []float32{1.5}), [][]float64{{1.5}}, nil},
		{"int32", pack(be, int32(2), int32(5), []int32{-3, 7}), [][]float64{{-3, 7}}, nil},
		{"uint16, scaled", pack(le, int32(2), int32(2), 2.0, -1.0, []uint16{0, 65535}), [][]float64{{-1, 65535./2 - 1}}, nil},
		{"int8, scaled", pack(le, int32(3), int32(1), 4.0, 10.0, []int8{-128, 0, 127}), [][]float64{{10, 128./4 + 10, 255./4 + 10}}, nil},
		{"two vectors", pack(le, int32(1), int32(4), 1.0, int32(2), int32(4), 2.0, 3.0), [][]float64{{1}, {2, 3}}, nil},
		{"empty vector", pack(le, int32(0), int32(4)), [][]float64{{}}, nil},
		{"begins like a BOM", append([]byte("\xef\xbb\xbf\x00\x04\x00\x00\x00"), make([]byte, 16)...), [][]float64{{0, 0}}, readers.ErrTruncated},
		{"cut", pack(le, int32(3), int32(4), 1.0, 2.0, int16(7)), [][]float64{{1, 2}}, readers.ErrTruncated},
		{"cut in the header", pack(le, int32(1), int32(4), 1.0, int32(9)), [][]float64{{1}}, readers.ErrTruncated},
		{"cut in the scale", pack(le, int32(1), int32(2), 1.0), nil, readers.ErrTruncated},
		{"two thousand million of which one", pack(le, int32(math.MaxInt32), int32(4), 1.0), [][]float64{{1}}, readers.ErrTruncated},
		{"unknown type", pack(le, int32(1), int32(6), 1.0), nil, readers.ErrFormat},
		{"ruined in the second", pack(le, int32(1), int32(4), 1.0, int32(1), int32(77), 1.0), [][]float64{{1}}, readers.ErrFormat},
		{"empty", nil, nil, readers.ErrFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readers.ReadVWrite(bytes.NewReader(c.file), nil)
			if !errors.Is(err, c.err) || !slices.EqualFunc(got, c.want, sameNumbers) {
				t.Errorf("ReadVWrite = %v, %v, want %v, %v", got, err, c.want, c.err)
			}
			if len(c.want) == 1 && c.err == nil {
				table, err := readers.ReadNeuronDat(bytes.NewReader(c.file), nil)
				if err != nil || table.Format != readers.NeuronWrite || !sameNumbers(table.Float[0], c.want[0]) {
					t.Errorf("ReadNeuronDat = %+v, %v", table, err)
				}
			}
		})
	}
	uneven := pack(le, int32(1), int32(4), 1.0, int32(2), int32(4), 2.0, 3.0)
	if got, err := readers.ReadNeuronDat(bytes.NewReader(uneven), nil); !errors.Is(err, readers.ErrColumnCount) || len(got.Float) != 1 {
		t.Errorf("vectors of two lengths = %+v, %v, want the first and ErrColumnCount", got, err)
	}
}

// What Sniff saw may still be longer than a line may be.
func TestLongLinesOfNeuron(t *testing.T) {
	pad := strings.Repeat(" ", 200)
	for _, file := range []string{
		"label:" + pad + "\n1\n0 1\n", "label:v\n1" + pad + "\n0 1\n", "label:v\n1\n0" + pad + "1\n",
		"3" + pad + "0.01\n1\n2\n3\n", "3 0.01\n1\n2" + pad + "\n3\n",
		"1" + pad + "2\ntime a\n0 1\n1 2\n", "1 2\ntime" + pad + "a\n0 1\n1 2\n", "1 2\ntime a\n0 1\n1" + pad + "2\n",
		"Graph addvar/addexpr lines" + pad + "\n1 1\nx v\n", "Graph addvar/addexpr lines\n1 1\nx" + pad + "v\n", "PolyLines\n" + pad + "\n",
	} {
		for _, block := range []int{16, 1 << 16} {
			_, err := readers.ReadNeuronDat(strings.NewReader(file), readers.WithBlocks(readers.Options{MaxLine: 100}, block, 8))
			if !errors.Is(err, readers.ErrLineTooLong) {
				t.Errorf("%.40q in blocks of %d: error = %v, want ErrLineTooLong", file, block, err)
			}
		}
	}
}

// What a damaged or hostile header declares allocates nothing.
func TestCountsAllocateNothing(t *testing.T) {
	for _, file := range []string{
		"\xff\xff\xff\x7f\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\x3f",
		"label:v\n2000000000\n0\t1\n",
		"label:v\n2000000000 2\n0\t1\n",
		"2000000000 0.1\n0\n",
		"1 2000000000\nt v\n0 1\n",
		"Graph addvar/addexpr lines\n1 2000000000\nx v\n",
		"PolyLines\nLine Manifest:\n2000000000\nEnd of Line Manifest\n2000000000\n",
		"PolyLines\nx a\n2000000000 rows, 2 columns\n0 1\n",
	} {
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := readers.ReadNeuronDat(strings.NewReader(file), nil); !errors.Is(err, readers.ErrTruncated) {
			t.Errorf("%q: error = %v, want ErrTruncated", file, err)
		}
		runtime.ReadMemStats(&now)
		if n := now.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%q: %d bytes allocated", file, n)
		}
	}
}

// With dt = 0.025 ms and six digits the times are uneven from 1000 ms and repeat from
// 10 000 ms: the interval must be that of the whole.
func TestSampleIntervalOfSixDigits(t *testing.T) {
	const first, n = 396_000, 8_001 // 9.9 s to 10.1 s
	var b strings.Builder
	b.WriteString("label:v\n" + strconv.Itoa(n) + "\n")
	for i := range n {
		b.WriteString(strconv.FormatFloat(float64(first+i)*0.025, 'g', 6, 64) + "\t0\n")
	}
	got, err := readers.ReadNeuronDat(strings.NewReader(b.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	dt, dev, err := got.SampleInterval()
	if err != nil || math.Abs(dt-0.025) > 1e-12 || dev < 0.02 || dev > 0.06 {
		t.Errorf("SampleInterval = %v, %v, %v, want 0.025 with a deviation of half a digit", dt, dev, err)
	}
	times := got.Float[0]
	if times[n-1] != times[n-2] {
		t.Error("the times do not repeat: this file tests nothing")
	}
}

func TestLoadAsTheAncestorsDid(t *testing.T) {
	times, values, err := readers.LoadNeuronDat("testdata/nrn_iclamp.dat")
	if err != nil || len(times) != 8001 || times[1] != 0.025 || values[8000] != -69.9913 {
		t.Errorf("LoadNeuronDat: %d times, %d values, %v", len(times), len(values), err)
	}
	times, values, err = readers.LoadATF("testdata/pyabf_18702001-step.atf")
	if err != nil || len(times) != 20000 || times[1] != 5e-5 || values[0] != -10.498 {
		t.Errorf("LoadATF: %d times, %d values, %v", len(times), len(values), err)
	}
	if _, _, err = readers.LoadATF("testdata/nrn_iclamp.dat"); !errors.Is(err, readers.ErrFormat) {
		t.Errorf("LoadATF of a NEURON file = %v, want ErrFormat", err)
	}
	if _, _, err = readers.LoadATF("testdata/paa_GSM734833.gpr"); err != nil {
		t.Errorf("LoadATF of a table of results = %v", err)
	}
	if _, _, err = readers.LoadNeuronDat("testdata/openworm_vector_printf_voltage.dat"); err == nil {
		t.Error("LoadNeuronDat invents times for a file that has none")
	}
	if _, _, err = readers.LoadATF("testdata/none.atf"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LoadATF of no file = %v", err)
	}
}

func TestReadRefusesByName(t *testing.T) {
	for _, c := range []struct{ file, says string }{
		{"ABF2\x00\x00\x00\x02", "Axon Binary Format"},
		{"\x1f\x8b\x08\x00", "gzip"},
		{"#!AER-DAT3.1\r\n", "AEDAT 3 or 4"},
		{"ATF\x00\x00\x00\x00\x00", "Adobe Texture Format"},
		{"&P123456 = AS 10, 001\n", "cuneiform"},
		{"\xfe\xff\x00A", "UTF-16"},
		{"Dear diary,\n", "unknown format"},
		{"", "unknown format"},
		{"0 1\n1 2\n", "Options.Headerless"},
	} {
		got, err := readers.Read(io.MultiReader(strings.NewReader(c.file)), nil)
		if !errors.Is(err, readers.ErrFormat) || !strings.Contains(err.Error(), c.says) || got == nil {
			t.Errorf("Read(%q) = %v, %v, want it to say %q", c.file, got, err, c.says)
		}
	}
}
