package readers_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// What may differ after a round trip: how things were quoted, where they stood, and what
// the file declared of itself.
func comparable(t readers.Table) readers.Table {
	t.Headers = slices.Clone(t.Headers)
	for i := range t.Headers {
		t.Headers[i].Raw, t.Headers[i].Line = "", 0
	}
	t.Columns = slices.Clone(t.Columns)
	for i := range t.Columns {
		t.Columns[i].Raw = ""
	}
	t.Version, t.Delimiter, t.DeclaredColumns, t.FinalNewline, t.Warnings = "", 0, 0, false, nil
	return t
}

func TestRealFilesSurviveARoundTrip(t *testing.T) {
	for _, name := range []string{"pyabf_18702001-step.atf", "paa_GSM734833.gpr"} {
		for _, o := range []*readers.WriteOptions{nil, {LF: true}, {UTF8: true}} {
			want, err := readers.ReadFile(filepath.Join("testdata", name), nil)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := readers.WriteATF(&b, want, o); err != nil {
				t.Fatal(err)
			}
			got, err := readers.ReadATF(&b, &readers.Options{Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(comparable(*got), comparable(*want)) {
				t.Errorf("%s, %+v: another table comes back", name, o)
			}
		}
	}
}

func TestATFCasesSurviveARoundTrip(t *testing.T) {
	for _, c := range atfCases {
		if c.err != nil || slices.ContainsFunc(c.cols, func(col []float64) bool { return col == nil }) && len(c.text) == 0 {
			continue // nothing to write, or a column that was not read
		}
		want, err := readers.ReadATF(strings.NewReader(c.file), &c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(c.file, `""b""`) || strings.Contains(c.name, "quote that nothing closes") || strings.Contains(c.name, "behind a quoted") {
			if err := readers.WriteATF(&bytes.Buffer{}, want, nil); err == nil {
				t.Errorf("%s: quotes were written, which the format cannot hold", c.name)
			}
			continue
		}
		var b bytes.Buffer
		if err := readers.WriteATF(&b, want, &readers.WriteOptions{UTF8: true}); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := readers.ReadATF(&b, nil)
		if err != nil {
			t.Errorf("%s: %v in\n%s", c.name, err, b.String())
			continue
		}
		c.warn, c.cut = nil, false
		c.check(t, got, nil)
	}
}

func TestWriteATFLooksAsAxonWrites(t *testing.T) {
	table := &readers.Table{
		Headers:  []readers.HeaderRecord{{Key: "Comment", Value: "20 °C"}, {Key: "Signals", Fields: []string{"IN 0"}}},
		Columns:  []readers.Column{{Title: "Time", Units: "s"}, {Title: "Im", Units: "µA"}, {Title: "Note", Kind: readers.Text}},
		Float:    [][]float64{{0, 5e-5}, {-1.5, math.NaN()}, nil},
		Text:     [][]string{nil, nil, {"a", ""}},
		Comments: map[int]string{1: "off"},
	}
	var b bytes.Buffer
	if err := readers.WriteATF(&b, table, nil); err != nil {
		t.Fatal(err)
	}
	const want = "ATF\t1.0\r\n2\t3\r\n\"Comment=20 \xb0C\"\r\n\"Signals=\"\t\"IN 0\"\r\n\"Time (s)\"\t\"Im (\xb5A)\"\t\"Note\"\r\n" +
		"0\t-1.5\t\"a\"\r\n5e-05\tnan\t\"\"\t\"off\"\r\n"
	if b.String() != want {
		t.Errorf("WriteATF = %q\nwant       %q", b.String(), want)
	}
}

func TestWriteATFRefusesWhatCannotBeReadBack(t *testing.T) {
	good := func() *readers.Table {
		return &readers.Table{Columns: []readers.Column{{Title: "A"}, {Title: "B", Kind: readers.Text}},
			Float: [][]float64{{1}, nil}, Text: [][]string{nil, {"x"}}}
	}
	if err := readers.WriteATF(&bytes.Buffer{}, good(), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says  string
		spoil func(*readers.Table)
	}{
		{"0 columns", func(t *readers.Table) { t.Columns = nil }},
		{"column 0 has no data", func(t *readers.Table) { t.Float = nil }},
		{"column 1 has no data", func(t *readers.Table) { t.Columns[1].Kind = readers.Unread }},
		{"column 1 has 2 rows", func(t *readers.Table) { t.Text[1] = []string{"x", "y"} }},
		{`row 0, column 1: "say \"x\""`, func(t *readers.Table) { t.Text[1][0] = `say "x"` }},
		{"row 0, column 1", func(t *readers.Table) { t.Text[1][0] = "a\nb" }},
		{"set WriteOptions.UTF8", func(t *readers.Table) { t.Text[1][0] = "Ω" }},
		{"set WriteOptions.UTF8", func(t *readers.Table) { t.Text[1][0] = "Ã©" }}, // its Windows-1252 is UTF-8 for é
		{"valid UTF-8", func(t *readers.Table) { t.Text[1][0] = "\xff" }},
		{"title of column 0", func(t *readers.Table) { t.Columns[0].Title = "a (b" }},
		{"title of column 0", func(t *readers.Table) { t.Columns[0].Units = "m)V" }},
		{"equals sign", func(t *readers.Table) { t.Headers = []readers.HeaderRecord{{Key: "a=b"}} }},
		{"equals sign", func(t *readers.Table) { t.Headers = []readers.HeaderRecord{{Value: "a=b"}} }},
		{"header record 0", func(t *readers.Table) { t.Headers = []readers.HeaderRecord{{Key: "a", Value: `"`}} }},
		{"comment of row 0", func(t *readers.Table) { t.Comments = map[int]string{0: "\r"} }},
	} {
		table := good()
		c.spoil(table)
		if err := readers.WriteATF(&bytes.Buffer{}, table, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error = %v, want it to say %q", err, c.says)
		}
	}
}

func TestWriteReportsTheWriter(t *testing.T) {
	full := errors.New("no space left")
	table, err := readers.ReadFile("testdata/pyabf_18702001-step.atf", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := readers.WriteATF(failingWriter{full}, table, nil); !errors.Is(err, full) {
		t.Errorf("WriteATF = %v, want %v", err, full)
	}
	if err := readers.WriteNeuronDat(failingWriter{full}, "v", table.Float[0], table.Float[1]); !errors.Is(err, full) {
		t.Errorf("WriteNeuronDat = %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestNeuronDatSurvivesARoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	x, y := []float64{0, math.Inf(1), math.NaN()}, []float64{math.NaN(), math.Inf(-1), math.Copysign(0, -1)}
	for range 1000 {
		x, y = append(x, r.NormFloat64()), append(y, math.Float64frombits(r.Uint64()))
	}
	for _, label := range []string{"v(.5)", "", "SThcells[2].soma.v( 0.5 )", " µ", "label:1 2"} {
		for _, n := range []int{0, 1, 2, len(x)} {
			var b bytes.Buffer
			if err := readers.WriteNeuronDat(&b, label, x[:n], y[:n]); err != nil {
				t.Fatal(err)
			}
			got, err := readers.ReadNeuronDat(&b, &readers.Options{Strict: true})
			if err != nil || got.Label != label || !sameNumbers(got.Float[0], x[:n]) || !sameNumbers(got.Float[1], y[:n]) {
				t.Errorf("%d points of %q come back as %d of %q, %v", n, label, got.Rows(), got.Label, err)
			}
		}
	}
}

// NEURON reads words; those that begin with i, n, I or N it skips, and every later pair
// is shifted.
func TestWriteNeuronDatWritesNothingThatNeuronSkips(t *testing.T) {
	var b bytes.Buffer
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	if err := readers.WriteNeuronDat(&b, "v", values, values); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(b.String())[2:]
	if len(words) != 6 {
		t.Fatalf("words = %q", words)
	}
	for _, w := range words {
		if strings.ContainsRune("inIN", rune(w[0])) {
			t.Errorf("NEURON skips %q", w)
		}
	}
}

func TestWriteNeuronDatRefuses(t *testing.T) {
	for _, c := range []struct {
		label string
		x, y  []float64
	}{{"a\nb", nil, nil}, {"a\r", nil, nil}, {"\xff", nil, nil}, {"v", []float64{1}, nil}} {
		if err := readers.WriteNeuronDat(&bytes.Buffer{}, c.label, c.x, c.y); err == nil {
			t.Errorf("label %q, %d and %d values: no error", c.label, len(c.x), len(c.y))
		}
	}
}

// A file as NEURON wrote it comes back byte for byte: six digits stay six digits.
func TestNeuronFileComesBackByteForByte(t *testing.T) {
	want, err := os.ReadFile("testdata/nrn_iclamp.dat")
	if err != nil {
		t.Fatal(err)
	}
	got, err := readers.ReadNeuronDat(bytes.NewReader(want), nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := readers.WriteNeuronDat(&b, got.Label, got.Float[0], got.Float[1]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("the bytes differ")
	}
}
