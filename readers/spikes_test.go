package readers_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// Brian's FileSpikeMonitor writes the number of the neuron and the time of each spike.
func TestBrianSpikes(t *testing.T) {
	got, err := readers.Read(strings.NewReader("3, 0.0014\n0, 0.002\n12, 1e-05\n"), nil)
	if err != nil || got.Format != readers.BrianSpikes || got.Rows() != 3 {
		t.Fatalf("%v, %d rows, %v", got.Format, got.Rows(), err)
	}
	if !sameNumbers(got.Float[0], []float64{3, 0, 12}) || !sameNumbers(got.Float[1], []float64{0.0014, 0.002, 1e-05}) {
		t.Errorf("columns = %v", got.Float)
	}
	times, err := got.Time()
	if err != nil || !sameNumbers(times, got.Float[1]) || got.TimeUnits() != "s" || got.TimeColumn() != 1 {
		t.Errorf("times = %v %s, %v", times, got.TimeUnits(), err)
	}
	tr, err := got.Trace(0, 0)
	if err != nil || tr.Name != "Neuron" || tr.Column != 0 || !sameNumbers(tr.Values, got.Float[0]) || got.Sweeps() != 1 {
		t.Errorf("trace = %+v, %v", tr, err)
	}
	for _, file := range []string{"3, 0.0014\n0, 0.002, 1\n", "3, 0.0014\nx, 0.002\n", "3, 0.0014\n0\n", "3, 0.0014\n1, "} {
		if got, err := readers.Read(strings.NewReader(file), nil); err == nil || got.Rows() != 1 {
			t.Errorf("%q: %d rows, %v", file, got.Rows(), err)
		}
	}
	for _, file := range []string{"3,5\t1\n", "3,5\n4,5\n", "-3, 0.1\n", "3, x\n", "3.5, 1\n", "1, 2, 3\n", "3, 1,5\n"} {
		if f := readers.Sniff([]byte(file)); f == readers.BrianSpikes {
			t.Errorf("%q is taken for spikes", file)
		}
	}
	if _, _, err := readers.LoadATF(write(t, "3, 0.0014\n")); !errors.Is(err, readers.ErrFormat) {
		t.Errorf("as an ATF file: %v", err)
	}
}

func write(t *testing.T, file string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A time is the tick count divided by the ticks of a second, which is the float64 nearest to
// it. Multiplied by 1e-6, every fifth time would be another one.
func TestAERTimesAreDivided(t *testing.T) {
	for _, c := range []struct {
		tick string
		want func(n float64) float64
	}{
		{"1 us", func(n float64) float64 { return n / 1e6 }},
		{"0.1 * msecond", func(n float64) float64 { return n / 1e4 }},
		{"1e-06 * second", func(n float64) float64 { return n / 1e6 }},
		{"3 us", func(n float64) float64 { return 3 * n / 1e6 }},
		{"50 ns", func(n float64) float64 { return 50 * n / 1e9 }},
		{"1 s", func(n float64) float64 { return n }},
	} {
		var b strings.Builder
		b.WriteString("#!AER-DAT2.0\n# Timestamps tick is " + c.tick + "\n")
		for n := range int32(2000) {
			b.WriteString(event(1, n))
		}
		e, err := readers.ReadAER(strings.NewReader(b.String()), nil)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range e.Seconds() {
			if want := c.want(float64(n)); s != want {
				t.Fatalf("%s: tick %d is at %v s, want %v", c.tick, n, s, want)
			}
		}
	}
	odd := &readers.Events{Tick: math.Pi, Ticks: []int32{2}}
	if s := odd.Seconds()[0]; s != 2*math.Pi {
		t.Errorf("an odd tick: %v", s)
	}
}

func TestErrorsUseTheRightArticle(t *testing.T) {
	_, _, err := readers.LoadATF(write(t, "ATF\t1.0\n0\t1\nIm\n1\n"))
	if err == nil || !strings.Contains(err.Error(), "an ATF file of 1 column has no times and values") {
		t.Errorf("error = %v", err)
	}
	_, _, err = readers.LoadNeuronDat(write(t, "1\n2\n3\n"))
	if err == nil || !strings.Contains(err.Error(), "a NEURON Vector.printf file of 1 column has no times and values") {
		t.Errorf("error = %v", err)
	}
	table, err := readers.Read(strings.NewReader("ATF\t1.0\n0\t1\nIm\n1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Time(); err == nil || !strings.Contains(err.Error(), "an ATF file does not give the time") {
		t.Errorf("error = %v", err)
	}
}

// Where a decimal comma keeps numbers from being read, an error or a warning says so.
func TestDecimalCommasAreHintedAt(t *testing.T) {
	const says = "Options.DecimalComma"
	for name, c := range map[string]struct {
		file string
		o    readers.Options
	}{
		"ATF, later":         {file: "ATF\t1.0\n0\t2\nTime\tIm\n0\t1\n0,5\t2\n"},
		"NEURON":             {file: "label:v\n2\n0\t1\n0,5\t2\n"},
		"NEURON, first row":  {file: "label:v\n2\n0,25\t1\n0,5\t2\n"},
		"headerless":         {file: "0,25\t1\n0,5\t2\n"},
		"headerless, option": {file: "0,25\t1\n0,5\t2\n", o: readers.Options{Headerless: true}},
		"Vector.printf":      {file: "0,25\n0,5\n"},
		"a mean title":       {file: "ATF\t1.0\n0\t2\nTime\tIm\n0\t1\n0\t2,5\n", o: readers.Options{Strict: true}},
	} {
		if _, err := readers.ReadNeuronDat(strings.NewReader(c.file), &c.o); strings.HasPrefix(c.file, "ATF") == strings.Contains(errText(err), says) {
			t.Errorf("%s: ReadNeuronDat = %v", name, err)
		}
		if got, err := readers.Read(strings.NewReader(c.file), &c.o); !strings.Contains(errText(err), says) && !warns(got, says) {
			t.Errorf("%s: %v, warnings %v", name, err, got.Warnings)
		}
	}
	// The first row makes these columns text, without an error.
	const first = "ATF\t1.0\n0\t3\nTime\tIm\tName\n0,5\t1,5\tx\n1\t2,5\ty\n"
	got, err := readers.Read(strings.NewReader(first), nil)
	if err != nil || !warns(got, says) || len(got.Warnings) != 2 || got.Warnings[0].Code != readers.DecimalComma {
		t.Errorf("%v, warnings %v", err, got.Warnings)
	}
	if got, err := readers.Read(strings.NewReader(first), &readers.Options{DecimalComma: true}); err != nil || len(got.Warnings) > 0 || got.Float[1][0] != 1.5 {
		t.Errorf("%v, warnings %v", err, got.Warnings)
	}
	if got, err := readers.Read(strings.NewReader(first), &readers.Options{Text: []int{0, 1}}); err != nil || len(got.Warnings) > 0 {
		t.Errorf("%v, warnings %v", err, got.Warnings)
	}
	if _, err := readers.Read(strings.NewReader(first), &readers.Options{Strict: true}); !errors.Is(err, readers.ErrNumber) {
		t.Errorf("strict: %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func warns(t *readers.Table, says string) bool {
	for _, w := range t.Warnings {
		if strings.Contains(w.Msg, says) {
			return true
		}
	}
	return false
}

// The only row of a file that is cut in its last number must not make a column of text.
func TestACutFirstRow(t *testing.T) {
	for _, last := range []string{"-", "1e", "1e-", "+"} {
		got, err := readers.Read(strings.NewReader("ATF\t1.0\n0\t2\nTime\tIm\n0\t"+last), nil)
		if !errors.Is(err, readers.ErrTruncated) {
			t.Errorf("%q: %v, columns %v", last, err, got.Columns)
		}
	}
	got, err := readers.Read(strings.NewReader("ATF\t1.0\n0\t2\nTime\tName\n0\tsoma"), nil)
	if err != nil || got.Text[1][0] != "soma" {
		t.Errorf("text = %v, %v", got.Text, err)
	}
}
