package export_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

var writers = map[string]func(io.Writer, export.Source, []int) error{"CSV": export.CSV, "JSONL": export.JSONL, "NPY": export.NPY}

// Comments of rows are data: they must be in whatever can hold them.
func TestCommentsOfRows(t *testing.T) {
	const file = "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"Im (pA)\"\n0\t1\n1\t2\t\"drug, \"\"on\"\"\"\n2\t3\n"
	rec, err := readers.Scan(strings.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []export.Source{read(t, file), rec} {
		for name, c := range map[string]struct {
			write func(io.Writer) error
			want  string
		}{
			"CSV":   {func(w io.Writer) error { return export.CSV(w, src, []int{0, 1}) }, "Time (s),Im (pA),comment\n0,1,\n1,2,\"drug, \"\"on\"\"\"\n2,3,\n"},
			"JSONL": {func(w io.Writer) error { return export.JSONL(w, src, []int{1}) }, `{"columns":[{"title":"Im","units":"pA"},{"title":"comment"}]}` + "\n[1,null]\n[2,\"drug, \\\"on\\\"\"]\n[3,null]\n"},
			"Info":  {func(w io.Writer) error { return export.Info(w, src) }, "comments  of 1 row, the first behind row 1: \"drug, \\\"on\\\"\"\n"},
		} {
			var b bytes.Buffer
			if err := c.write(&b); err != nil || !strings.Contains(b.String(), c.want) || name != "Info" && b.String() != c.want {
				t.Errorf("%s of %T = %v\n%s\nwant\n%s", name, src, err, b.String(), c.want)
			}
		}
	}
}

func TestNegativeZeroStaysAFloat(t *testing.T) {
	var b bytes.Buffer
	if err := export.JSONL(&b, read(t, "label:v\n2\n0\t-0\n1\t0\n"), []int{1}); err != nil || !strings.HasSuffix(b.String(), "\n[-0.0]\n[0]\n") {
		t.Errorf("JSONL = %s, %v", b.String(), err)
	}
}

// A Recording is written as the Table that the file would be, byte for byte, and a matrix as
// package codec would.
func TestStreamedExportsAreTheSame(t *testing.T) {
	for _, name := range []string{"pyabf_18702001-step.atf", "paa_GSM734833.gpr", "nrn_gsyn.dat", "openworm_printf.dat",
		"openworm_vwrite_voltage.dat", "openworm_aerspikemonitor.aedat"} {
		path := filepath.Join("../testdata", name)
		table, err := readers.ReadFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rec, err := readers.Scan(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		cols, err := export.All.Columns(rec.Head())
		if err != nil || len(cols) != len(table.Columns) {
			t.Fatal(cols, err)
		}
		writers := map[string]func(io.Writer, export.Source) error{"Info": export.Info}
		for name, write := range map[string]func(io.Writer, export.Source, []int) error{"CSV": export.CSV, "JSONL": export.JSONL, "NPY": export.NPY} {
			writers[name] = func(w io.Writer, src export.Source) error { return write(w, src, cols) }
		}
		for kind, write := range writers {
			var got, want bytes.Buffer
			err, wantErr := write(&got, rec), write(&want, table)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%s of %s: %v, %d bytes, want %v, %d bytes", kind, name, err, got.Len(), wantErr, want.Len())
			}
		}
	}
	table := read(t, "label:v\n2\n0\t-0\n1\tnan\n")
	m := codec.NewMatrix[float64](2, 2)
	copy(m.Data, []float64{0, math.Copysign(0, -1), 1, math.NaN()})
	want, err := codec.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	var got, body bytes.Buffer
	if _, err := io.Copy(&body, want.Body); err != nil {
		t.Fatal(err)
	}
	if err := export.NPY(&got, table, []int{0, 1}); err != nil || !bytes.Equal(got.Bytes(), body.Bytes()) {
		t.Errorf("NPY = %q, %v, want %q", got.Bytes(), err, body.Bytes())
	}
}

// An export holds a block of the file, however large that is: here 2 MB of 15.
func TestExportsStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.atf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const rows = 500_000
	fmt.Fprint(f, "ATF\t1.0\n0\t4\n\"Time (s)\"\t\"A (mV)\"\t\"B (mV)\"\t\"C (mV)\"\n")
	some := strings.Repeat("0.025\t-70.0156\t1e-4\t-3\t\"on\"\n", 1000)
	for range rows / 1000 {
		if _, err := io.WriteString(f, some); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for name, write := range writers {
		f.Seek(0, io.SeekStart)
		before := live()
		rec, err := readers.Scan(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &watcher{}
		if err := write(w, rec, []int{0, 1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		if w.looks < 3 || w.n < rows*8 {
			t.Fatalf("%s: %d bytes were written, and the heap was looked at %d times", name, w.n, w.looks)
		}
		if grown := int64(w.most) - int64(before); grown > 8<<20 {
			t.Errorf("%s holds %d MB of a file of %d rows", name, grown>>20, rows)
		}
	}
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A watcher looks at the live heap every now and then while it is written to.
type watcher struct {
	n, looks int
	most     uint64
}

func (w *watcher) Write(p []byte) (int, error) {
	const every = 4 << 20
	if w.n/every != (w.n+len(p))/every {
		w.looks++
		w.most = max(w.most, live())
	}
	w.n += len(p)
	return len(p), nil
}
