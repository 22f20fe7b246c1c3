package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

func read(t *testing.T, file string) *readers.Table {
	t.Helper()
	table, err := readers.Read(strings.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// two sweeps of two signals, with a text at the end and a comment.
const recording = "ATF\t1.0\n3\t6\n\"AcquisitionMode=Episodic Stimulation\"\n\"SignalsExported=Im,Vm\"\n\"Comment=a\x1b[2J\x07 b\"\n" +
	"\"Time (s)\"\t\"Trace #1 (pA)\"\t\"Trace #1 (mV)\"\t\"Trace #2 (pA)\"\t\"Trace #2 (mV)\"\t\"Comment ()\"\n" +
	"0\t1\t-70\t2\t-60\t\"on, <off>\"\n0.5\tnan\t-71\t\t-61.25\t\"\"\n"

func TestSelection(t *testing.T) {
	table := read(t, recording)
	for _, c := range []struct {
		s    export.Selection
		want []int
		says string
	}{
		{export.All, []int{0, 1, 2, 3, 4, 5}, ""},
		{export.Selection{Sweep: 1}, []int{0, 3, 4}, ""},
		{export.Selection{Sweep: -1, Signal: "Vm"}, []int{0, 2, 4}, ""},
		{export.Selection{Sweep: 0, Signal: "Im"}, []int{0, 1}, ""},
		{export.Selection{Sweep: 2}, nil, "no sweep 3: the file has 2"}, // as people count
		{export.Selection{Sweep: 0, Signal: "im"}, nil, `"Im", "Vm"`},
	} {
		got, err := c.s.Columns(table)
		if !slices.Equal(got, c.want) || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v = %v, %v, want %v, %q", c.s, got, err, c.want, c.says)
		}
	}
	if traces, err := export.All.Traces(table); err != nil || len(traces) != 4 {
		t.Errorf("all traces = %d, %v, want 4", len(traces), err)
	}
	noTime := read(t, "1\n2\n")
	if got, err := (export.Selection{Sweep: 0}).Columns(noTime); err != nil || !slices.Equal(got, []int{0}) {
		t.Errorf("columns of a file without time = %v, %v", got, err)
	}
}

func TestCSV(t *testing.T) {
	var b bytes.Buffer
	if err := export.CSV(&b, read(t, recording), []int{0, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	const want = "Time (s),Trace #2 (pA),Trace #2 (mV),Comment\n0,2,-60,\"on, <off>\"\n0.5,NaN,-61.25,\n"
	if b.String() != want {
		t.Errorf("CSV = %q, want %q", b.String(), want)
	}
	b.Reset()
	graph := read(t, "PolyLines\nLine Manifest:\n1\n1  g=1\nEnd of Line Manifest\n1\n0 1\n1  g=1\n2 3\n")
	if err := export.CSV(&b, graph, nil); err != nil || b.String() != "curve,x,y\n0,0,1\ng=1,2,3\n" {
		t.Errorf("CSV of curves = %q, %v", b.String(), err)
	}
}

// What CSV says of a real file is what the file says, to the bit.
func TestCSVIsExact(t *testing.T) {
	table, err := readers.ReadFile("../testdata/pyabf_18702001-step.atf", nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := export.CSV(&b, table, []int{0, 6}); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(records) != 20001 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records[1:] {
		if v, _ := strconv.ParseFloat(r[1], 64); v != table.Float[6][i] {
			t.Fatalf("row %d = %s, want %v", i, r[1], table.Float[6][i])
		}
	}
}

func TestJSONL(t *testing.T) {
	var b bytes.Buffer
	if err := export.JSONL(&b, read(t, recording), []int{0, 3, 5}); err != nil {
		t.Fatal(err)
	}
	const want = `{"columns":[{"title":"Time","units":"s"},{"title":"Trace #2","units":"pA"},{"title":"Comment"}]}` + "\n" +
		`[0,2,"on, <off>"]` + "\n" + `[0.5,null,""]` + "\n"
	if b.String() != want {
		t.Errorf("JSONL = %s, want %s", b.String(), want)
	}
	for line := range strings.Lines(b.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

func TestNPY(t *testing.T) {
	var b bytes.Buffer
	if err := export.NPY(&b, read(t, recording), []int{0, 3}); err != nil {
		t.Fatal(err)
	}
	var m codec.Matrix[float64]
	if err := codec.Decode(codec.NPY, &b, int64(b.Len()), &m); err != nil {
		t.Fatal(err)
	}
	if m.Rows != 2 || m.Cols != 2 || m.At(0, 1) != 2 || m.At(1, 0) != 0.5 || !math.IsNaN(m.At(1, 1)) {
		t.Errorf("matrix = %+v", m)
	}
	for _, cols := range [][]int{{6}, {-1}} {
		for name, write := range map[string]func() error{
			"CSV":   func() error { return export.CSV(&b, read(t, recording), cols) },
			"JSONL": func() error { return export.JSONL(&b, read(t, recording), cols) },
			"NPY":   func() error { return export.NPY(&b, read(t, recording), cols) },
		} {
			if err := write(); err == nil || !strings.Contains(err.Error(), "no column") {
				t.Errorf("%s of columns %d = %v", name, cols, err)
			}
		}
	}
	if err := export.NPY(&b, read(t, recording), []int{0, 5}); err == nil || !strings.Contains(err.Error(), "column 5 (Comment) holds text") {
		t.Errorf("NPY of text = %v", err)
	}
}

func TestInfo(t *testing.T) {
	var b bytes.Buffer
	if err := export.Info(&b, read(t, recording)); err != nil {
		t.Fatal(err)
	}
	const want = `format  ATF 1.0
rows    2
time    0 to 0.5 s, every 0.5 s
sweeps  2 of 2 signals: Im (pA), Vm (mV)

columns
  0  Time (s)       0 to 0.5
  1  Trace #1 (pA)  1 to 1, 1 NaN
  2  Trace #1 (mV)  -71 to -70
  3  Trace #2 (pA)  2 to 2, 1 NaN
  4  Trace #2 (mV)  -61.25 to -60
  5  Comment        text, first "on, <off>"

header
  AcquisitionMode = Episodic Stimulation
  SignalsExported = Im,Vm
  Comment = a [2J  b

warnings
  line 8: column 3 (Trace #2): 1 empty cell read as NaN, the first here
`
	if b.String() != want {
		t.Errorf("Info =\n%s\nwant\n%s", b.String(), want)
	}
}

// Info must not fail or flood, whatever the file.
func TestInfoOfOddFiles(t *testing.T) {
	many := "ATF\t1.0\n0\t40\nTime" + strings.Repeat("\tA", 39) + "\n0" + strings.Repeat("\t1", 39) + "\n"
	for file, says := range map[string]string{
		"1\n2\n":                               "Vector.printf",
		"label:v\n0\n":                         "empty",
		"label:v\n3\n0\tnan\n1\tnan\n2\tnan\n": "all NaN",
		"label:v\n2\n0\t1\n1\t2\n2\t3\n":       "3 of 2 declared",
		"label:v\n4\n0\t1\n1\t1\n1\t1\n3\t1\n": "uneven, by up to 1",
		"label:v\n1\n0\t1":                     "may be cut",
		"ATF\t1.0\n0\t2\nBlock\tName\n1\tx\n":  "text, first",
		many:                                   "and 16 more",
		"PolyLines\nLine Manifest:\n0\nEnd of Line Manifest\n0\n": "0 points",
	} {
		var b bytes.Buffer
		if err := export.Info(&b, read(t, file)); err != nil || !strings.Contains(b.String(), says) {
			t.Errorf("Info of %q, %v:\n%s\nwant it to say %q", file, err, b.String(), says)
		}
		if strings.Count(b.String(), "\n") > 60 {
			t.Errorf("Info of %q floods", file)
		}
	}
	if err := export.Info(&bytes.Buffer{}, &readers.Table{}); err != nil {
		t.Errorf("Info of nothing = %v", err)
	}
}

func TestWritersThatFail(t *testing.T) {
	full := errors.New("no space left")
	table := read(t, recording)
	for name, write := range map[string]func() error{
		"CSV":   func() error { return export.CSV(failing{full}, table, []int{0}) },
		"JSONL": func() error { return export.JSONL(failing{full}, table, []int{0}) },
		"NPY":   func() error { return export.NPY(failing{full}, table, []int{0}) },
		"Info":  func() error { return export.Info(failing{full}, table) },
	} {
		if err := write(); !errors.Is(err, full) {
			t.Errorf("%s = %v, want %v", name, err, full)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func ExampleInfo() {
	table, err := readers.ReadFile("../testdata/nrn_iclamp.dat", nil)
	if err != nil {
		panic(err)
	}
	export.Info(os.Stdout, table)
	// Output:
	// format  NEURON vector file
	// label   v(.5)
	// rows    8001
	// time    0 to 200, every 0.025
	// sweeps  1 of 1 signal: v(.5)
	//
	// columns
	//   0  column 0  0 to 200
	//   1  v(.5)     -70 to -65.296
}

// Text that a spreadsheet would run as a formula is defused where that is asked for; numbers are not.
func TestCSVForSpreadsheet(t *testing.T) {
	table := read(t, "ATF\t1.0\n0\t2\n\"=HYPERLINK\"\t\"v\"\n\"=1+1\"\t-1\nplain\t2\n\"@x\"\t3\n")
	var plain, guarded strings.Builder
	if err := export.CSV(&plain, table, []int{0, 1}); err != nil {
		t.Fatal(err)
	}
	if err := export.CSVForSpreadsheet(&guarded, table, []int{0, 1}); err != nil {
		t.Fatal(err)
	}
	if want := "=HYPERLINK,v\n=1+1,-1\nplain,2\n@x,3\n"; plain.String() != want {
		t.Errorf("CSV wrote %q, want %q", plain.String(), want)
	}
	if want := "'=HYPERLINK,v\n'=1+1,-1\nplain,2\n'@x,3\n"; guarded.String() != want {
		t.Errorf("CSVForSpreadsheet wrote %q, want %q", guarded.String(), want)
	}
}
