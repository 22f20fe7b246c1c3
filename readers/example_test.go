package readers_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/larder-store/larder/readers"
)

// A recording of three sweeps with two signals: the second sweep of the current.
func Example() {
	rec, err := readers.ReadFile("testdata/pyabf_18702001-step.atf", nil)
	if err != nil {
		log.Fatal(err)
	}
	trace, err := rec.Trace(1, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d sweeps of %v\n", rec.Sweeps(), rec.Signals())
	fmt.Printf("%s in %s: %d samples every %.0f µs, the first %g\n",
		trace.Name, trace.Units, len(trace.Values), trace.Interval*1e6, trace.Values[0])
	// Output:
	// 3 sweeps of [{IN 0 pA} {IN 1 A}]
	// IN 0 in pA: 20000 samples every 50 µs, the first -11.3525
}

// One signal of one sweep, for a stage of a pipeline.
func ExampleReadTrace() {
	trace, err := readers.ReadTrace("testdata/pyabf_18702001-step.atf", 0, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(trace.Values), trace.Interval)
	// Output: 20000 5e-05
}

// Times and values of a NEURON vector file, as Brian's read_neuron_dat returned them.
func ExampleLoadNeuronDat() {
	times, values, err := readers.LoadNeuronDat("testdata/nrn_iclamp.dat")
	if err != nil {
		log.Fatal(err)
	}
	last := len(times) - 1
	fmt.Println(times[last], values[last])
	// Output: 200 -69.9913
}

// A file of any size in the memory of one block: the greatest current of each sweep.
func ExampleReader_Blocks() {
	f, err := os.Open("testdata/pyabf_18702001-step.atf")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	r, err := readers.NewATFReader(f, nil)
	if err != nil {
		log.Fatal(err)
	}
	peak := make([]float64, len(r.Table().Columns))
	for block, err := range r.Blocks() {
		if err != nil {
			log.Fatal(err)
		}
		for c, col := range block.Float {
			for _, v := range col {
				peak[c] = max(peak[c], v)
			}
		}
	}
	fmt.Println(peak[1], peak[3], peak[5])
	// Output: 568.97 569.702 570.068
}

// A file that was cut: what is there comes with the error that says so.
func ExampleParseError() {
	file := "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"Im (pA)\"\n0\t-11.5\n0.1\t-49."
	rec, err := readers.ReadATF(strings.NewReader(file+"\n0.2"), &readers.Options{Name: "cell.atf"})
	fmt.Println(err)
	fmt.Println(rec.Rows(), "rows")
	var place *readers.ParseError
	if errors.As(err, &place) && errors.Is(err, readers.ErrTruncated) {
		fmt.Println("cut in line", place.Line)
	}
	// Output:
	// ATF: cell.atf:6:1: "0.2": the file ends early (1 fields, 2 expected, and the last line has no end)
	// 2 rows
	// cut in line 6
}

func ExampleWriteATF() {
	rec := &readers.Table{
		Headers: []readers.HeaderRecord{{Key: "Comment", Value: "simulated"}},
		Columns: []readers.Column{{Title: "Time", Units: "ms"}, {Title: "Vm", Units: "mV"}},
		Float:   [][]float64{{0, 0.025}, {-65, -65.0156}},
		Text:    make([][]string, 2),
	}
	if err := readers.WriteATF(os.Stdout, rec, &readers.WriteOptions{LF: true}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ATF	1.0
	// 1	2
	// "Comment=simulated"
	// "Time (ms)"	"Vm (mV)"
	// 0	-65
	// 0.025	-65.0156
}

func ExampleSniff() {
	for _, prefix := range []string{"ATF\t1.0\n", "ATF\x00\x00\x02", "label:v(.5)\n8001\n0\t-70\n", "-65\n-65.0156\n"} {
		fmt.Println(readers.Sniff([]byte(prefix)))
	}
	// Output:
	// ATF
	// Adobe Texture Format
	// NEURON vector file
	// NEURON Vector.printf file
}
