package readers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

func TestSweepsAndSignals(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []string
		titles  []string // behind the time
		sweeps  int
		signals string
	}{
		{"as Clampfit writes", []string{`"SignalsExported=IN 0,IN 1"`, `"Signals="	"IN 0"	"IN 1"	"IN 0"	"IN 1"`},
			[]string{"Trace #1 (pA)", "Trace #1 (mV)", "Trace #2 (pA)", "Trace #2 (mV)"}, 2, "[{IN 0 pA} {IN 1 mV}]"},
		{"exported names alone", []string{`"SignalsExported=Im_primar,Vm_sec"`}, []string{"A (pA)", "B (mV)", "C (pA)", "D (mV)"}, 2, "[{Im_primar pA} {Vm_sec mV}]"},
		{"names for each column alone", []string{`"Signals="	"IN 0"	"IN 0"	"IN 0"`}, []string{"A (pA)", "B (pA)", "C (pA)"}, 3, "[{IN 0 pA}]"},
		{"names between one pair of quotes", []string{"\"Signals=\tIN 0\tIN 0\""}, []string{"A (pA)", "B (pA)"}, 2, "[{IN 0 pA}]"},
		{"a comma in a name", []string{`"SignalsExported=IN 0, filtered,IN 1"`, `"Signals="	"IN 0, filtered"	"IN 1"	"IN 0, filtered"	"IN 1"`},
			[]string{"A (pA)", "B (mV)", "C (pA)", "D (mV)"}, 2, "[{IN 0, filtered pA} {IN 1 mV}]"},
		{"a comma in a name, and the wrong number fits too", []string{`"SignalsExported=a, b,c"`, `"Signals="	"a, b"	"c"	"a, b"	"c"	"a, b"	"c"`},
			[]string{"A (pA)", "B (mV)", "C (pA)", "D (mV)", "E (pA)", "F (mV)"}, 3, "[{a, b pA} {c mV}]"},
		{"names that do not fit the columns", []string{`"SignalsExported=IN 0,IN 1"`}, []string{"Trace #1 (pA)", "Trace #2 (pA)", "Trace #3 (pA)"}, 3, "[{Trace #1 pA}]"},
		{"titles that number sweeps", nil, []string{"Trace #1 (pA)", "Trace #1 (mV)", "Trace #2 (pA)", "Trace #2 (mV)"}, 2, "[{Trace #1 pA} {Trace #1 mV}]"},
		{"titles that number sweeps unevenly", nil, []string{"Trace #1 (pA)", "Trace #1 (mV)", "Trace #2 (pA)"}, 1, "[{Trace #1 pA} {Trace #1 mV} {Trace #2 pA}]"},
		{"one name for four traces", []string{`"AcquisitionMode=Gap Free"`, `"SignalsExported=whol Vm"`, `"Signals="	"whol Vm"`}, []string{"Trace #1 (mV)", "Trace #2 (mV)", "Trace #3 (mV)", "Trace #4 (mV)"}, 4, "[{whol Vm mV}]"},
		{"other titles", nil, []string{"Im (pA)", "Vm (mV)"}, 1, "[{Im pA} {Vm mV}]"},
		{"an empty record", []string{`"SignalsExported="`}, []string{"Im (pA)"}, 1, "[{Im pA}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cols := len(c.titles) + 1
			file := fmt.Sprintf("ATF\t1.0\n%d\t%d\n", len(c.records), cols)
			for _, r := range c.records {
				file += r + "\n"
			}
			file += `"Time (s)"` + "\t\"" + strings.Join(c.titles, "\"\t\"") + "\"\n"
			for row := range 3 {
				file += fmt.Sprint(float64(row) / 4)
				for i := 1; i < cols; i++ {
					file += fmt.Sprint("\t", 10*i+row)
				}
				file += "\n"
			}
			got, err := readers.ReadATF(strings.NewReader(file), nil)
			if err != nil {
				t.Fatal(err)
			}
			signals := got.Signals()
			if got.Sweeps() != c.sweeps || fmt.Sprint(signals) != c.signals {
				t.Fatalf("%d sweeps of %v, want %d of %s", got.Sweeps(), signals, c.sweeps, c.signals)
			}
			for sweep := range c.sweeps {
				for s, signal := range signals {
					tr, err := got.Trace(sweep, s)
					col := 1 + sweep*len(signals) + s
					if err != nil || tr.Column != col || tr.Values[1] != float64(10*col+1) || tr.Name != signal.Name || tr.Interval != 0.25 || len(tr.Times) != 3 {
						t.Errorf("Trace(%d, %d) = %+v, %v, want column %d", sweep, s, tr, err, col)
					}
				}
			}
		})
	}
}

func TestRealSweeps(t *testing.T) {
	got, err := readers.ReadFile("testdata/pyabf_18702001-step.atf", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got.Signals()); got.Sweeps() != 3 || s != "[{IN 0 pA} {IN 1 A}]" {
		t.Errorf("%d sweeps of %s", got.Sweeps(), s)
	}
	i, err := got.FindSignal("IN 1")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := got.Trace(2, i)
	if err != nil || tr.Column != 6 || tr.Units != "A" || tr.Values[19999] != -1.03546 || got.TimeUnits() != "s" {
		t.Errorf("Trace(2, IN 1) = column %d, %q, %v", tr.Column, tr.Units, err)
	}
	if dt, dev, err := got.SampleInterval(); err != nil || dt < 4.9999e-5 || dt > 5.0001e-5 || dev > 1e-9 {
		t.Errorf("SampleInterval = %v, %v, %v, want 50 µs", dt, dev, err)
	}
	for _, bad := range [][2]int{{3, 0}, {0, 2}, {-1, 0}, {0, -1}} {
		if _, err := got.Trace(bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), "3 sweeps of 2 signals") {
			t.Errorf("Trace%v = %v", bad, err)
		}
	}
	if _, err := got.FindSignal("IN 2"); err == nil || !strings.Contains(err.Error(), `"IN 0", "IN 1"`) {
		t.Errorf("FindSignal(IN 2) = %v", err)
	}
}

func TestReadTrace(t *testing.T) {
	tr, err := readers.ReadTrace("testdata/pyabf_18702001-step.atf", 0, 0)
	if err != nil || tr.Name != "IN 0" || len(tr.Values) != 20000 || tr.Values[0] != -10.498 || len(tr.Times) != 20000 {
		t.Errorf("ReadTrace: %q, %d values, %v", tr.Name, len(tr.Values), err)
	}
	if _, err := readers.ReadTrace("testdata/none", 0, 0); err == nil {
		t.Error("ReadTrace of no file gives no error")
	}
}

func TestTimesThatTheHeaderTells(t *testing.T) {
	got, err := readers.ReadNeuronDat(strings.NewReader("3 0.5\n7\n8\n9\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	times, err := got.Time()
	if err != nil || !slices.Equal(times, []float64{0, .5, 1}) {
		t.Errorf("Time = %v, %v", times, err)
	}
	tr, err := got.Trace(0, 0)
	if err != nil || tr.Interval != 0.5 || tr.Column != 0 || !slices.Equal(tr.Values, []float64{7, 8, 9}) {
		t.Errorf("Trace = %+v, %v", tr, err)
	}
}

func TestFilesWithoutTime(t *testing.T) {
	got, err := readers.ReadNeuronDat(strings.NewReader("-65\n-66\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Time(); err == nil {
		t.Error("Time of a file that tells none")
	}
	if _, _, err := got.SampleInterval(); err == nil {
		t.Error("SampleInterval of a file that tells none")
	}
	if tr, err := got.Trace(0, 0); err != nil || tr.Times != nil || tr.Interval != 0 {
		t.Errorf("Trace = %+v, %v", tr, err)
	}
}

// What was not read is not there, and says so.
func TestColumnsThatWereNotRead(t *testing.T) {
	got, err := readers.ReadATF(strings.NewReader(two+"0\tx\n"), &readers.Options{Columns: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Time(); err == nil || !strings.Contains(err.Error(), "Options.Columns") {
		t.Errorf("Time = %v", err)
	}
	if _, err := got.Trace(0, 0); err == nil {
		t.Error("Trace of a column of text gives no error")
	}
	if _, _, err := got.Floats(7); err == nil {
		t.Error("Floats(7) gives no error")
	}
}
