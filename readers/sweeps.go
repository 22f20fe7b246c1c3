package readers

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Signal is one thing that was recorded: an amplifier's output, a variable of a model.
type Signal struct {
	Name  string
	Units string
}

// A Trace is one signal in one sweep.
type Trace struct {
	Signal
	Sweep    int       // from 0
	Column   int       // of the values in the table
	Times    []float64 // nil where neither a column nor the header gives the time
	Values   []float64
	Interval float64 // between samples, in the units of the time; 0 where it is not told
}

// TimeColumn returns the index of the column that holds the time, or x in a graph, and -1 if
// none does. It is the first one but in Brian's spike files, where the neuron is.
func (t *Table) TimeColumn() int {
	switch {
	case t.Format == BrianSpikes && len(t.Columns) == 2:
		return 1
	case t.timeColumns() == 1:
		return 0
	}
	return -1
}

// timeColumns is 1 if the first column of t is the time (or whatever x is), else 0.
func (t *Table) timeColumns() int {
	switch {
	case len(t.Columns) < 2, t.Format == NeuronPrint, t.Format == NeuronStep, t.Format == NeuronWrite, t.Format == BrianSpikes:
		return 0
	case t.Format == ATF && !t.isRecording():
		return 0
	}
	return 1
}

// timeUnits are units of time, as titles have them.
var timeUnits = []string{"s", "sec", "ms", "msec", "us", "usec", "µs", "ns", "min", "h"}

// isRecording distinguishes an ATF file of traces from one of results, whose first column is
// anything. What Axon's programs write of a recording says how it was acquired.
func (t *Table) isRecording() bool {
	for _, key := range []string{"AcquisitionMode", "SignalsExported", "Signals"} {
		if _, ok := t.Header(key); ok {
			return true
		}
	}
	first := t.Columns[0]
	title := strings.ToLower(first.Title)
	return title == "" || title == "t" || strings.HasPrefix(title, "time") || slices.Contains(timeUnits, strings.ToLower(first.Units))
}

// HasTimeColumn reports whether a column holds the time, or, in a graph, x.
func (t *Table) HasTimeColumn() bool { return t.TimeColumn() >= 0 }

// Time returns the column of the time of a recording, or, for a file that gives only the
// interval, the times that follow from it. The units are those of the file: see
// [Table.TimeUnits].
func (t *Table) Time() ([]float64, error) {
	if c := t.TimeColumn(); c >= 0 {
		return t.numbers(c)
	}
	if t.Step == 0 {
		return nil, fmt.Errorf("readers: %s does not give the time", t.Format.article())
	}
	times := make([]float64, t.rows)
	for i := range times {
		times[i] = float64(i) * t.Step
	}
	return times, nil
}

// TimeUnits returns the units of the time as the file has them, often "s" or "ms". NEURON
// writes none; its time is in ms.
func (t *Table) TimeUnits() string {
	c := t.TimeColumn()
	if c < 0 {
		return ""
	}
	return t.Columns[c].Units
}

// SampleInterval returns the mean interval between samples, (last - first)/(n - 1), and by
// how much a time differs from even spacing at most. Two neighbours would not do: printed
// with six digits, the times of a long simulation are uneven and even repeat.
func (t *Table) SampleInterval() (dt, maxDeviation float64, err error) {
	if t.Step > 0 {
		return t.Step, 0, nil
	}
	times, err := t.Time()
	if err != nil {
		return 0, 0, err
	}
	n := len(times)
	if n < 2 {
		return 0, 0, fmt.Errorf("readers: %d rows have no sampling interval", n)
	}
	dt = (times[n-1] - times[0]) / float64(n-1)
	for i, v := range times {
		maxDeviation = max(maxDeviation, math.Abs(v-(times[0]+float64(i)*dt)))
	}
	return dt, maxDeviation, nil
}

// Signals returns the signals of one sweep, in the order of their columns. The header
// names them (SignalsExported, Signals); where it does not, titles that number sweeps
// ("Trace #2") distinguish them; else every column is a signal of one sweep.
func (t *Table) Signals() []Signal {
	first, data := t.timeColumns(), t.dataColumns()
	if data == 0 {
		return nil
	}
	names := t.signalNames(data)
	signals := make([]Signal, len(names))
	for i, name := range names {
		signals[i] = Signal{Name: name, Units: t.Columns[first+i].Units}
	}
	return signals
}

// Sweeps returns how many sweeps there are. Columns lie sweep by sweep, and in each sweep
// signal by signal.
func (t *Table) Sweeps() int {
	n := len(t.Signals())
	if n == 0 {
		return 0
	}
	return t.dataColumns() / n
}

// dataColumns counts the columns behind the time, without those of text at the end, which hold comments.
func (t *Table) dataColumns() int {
	n := len(t.Columns)
	if t.Format == BrianSpikes {
		return min(n, 1) // the time stands behind it
	}
	first := t.timeColumns()
	for n > first && t.Columns[n-1].Kind == Text {
		n--
	}
	return n - first
}

// signalNames finds the names of the signals of one sweep; their number divides data.
func (t *Table) signalNames(data int) []string {
	all := t.columnSignals()
	exported := t.exportedSignals()
	if k := len(exported); k > 0 && data%k == 0 && (len(all) != data || repeats(all, k)) {
		return exported
	}
	if len(all) == data {
		return all[:period(all)]
	}
	first := t.timeColumns()
	var numbers, titles []string
	for _, c := range t.Columns[first : first+data] {
		titles = append(titles, c.Title)
		if n, ok := strings.CutPrefix(c.Title, "Trace #"); ok {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == data {
		if k := run(numbers); k > 0 {
			return titles[:k]
		}
	}
	return titles
}

// exportedSignals are the names in the record SignalsExported, separated by commas.
func (t *Table) exportedSignals() []string {
	h, ok := t.Header("SignalsExported")
	if !ok || strings.TrimSpace(h.Value) == "" {
		return nil
	}
	names := append(strings.Split(h.Value, ","), h.Fields...)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// columnSignals are the names in the record Signals, one for each column of data. Some
// writers put them all between one pair of quotes.
func (t *Table) columnSignals() []string {
	h, ok := t.Header("Signals")
	if !ok {
		return nil
	}
	if len(h.Fields) == 0 {
		return strings.Split(strings.Trim(h.Value, "\t"), "\t")
	}
	return h.Fields
}

// repeats reports whether names repeat after every k.
func repeats(names []string, k int) bool {
	for i, name := range names {
		if name != names[i%k] {
			return false
		}
	}
	return true
}

// period is the smallest divisor of their number after which names repeat.
func period(names []string) int {
	for k := 1; k < len(names); k++ {
		if len(names)%k == 0 && repeats(names, k) {
			return k
		}
	}
	return len(names)
}

// run is the length of the runs of equal names, if all are of one length, else 0.
func run(names []string) int {
	k := 1
	for k < len(names) && names[k] == names[0] {
		k++
	}
	for chunk := range slices.Chunk(names, k) {
		if len(chunk) != k || slices.ContainsFunc(chunk, func(s string) bool { return s != chunk[0] }) {
			return 0
		}
	}
	return k
}

// Trace returns one signal of one sweep, both counted from 0. The slices are those of
// the table.
func (t *Table) Trace(sweep, signal int) (Trace, error) {
	signals, sweeps := t.Signals(), t.Sweeps()
	if sweep < 0 || sweep >= sweeps || signal < 0 || signal >= len(signals) {
		return Trace{}, fmt.Errorf("readers: no sweep %d with signal %d: the file has %d sweeps of %d signals", sweep, signal, sweeps, len(signals))
	}
	tr := Trace{Signal: signals[signal], Sweep: sweep, Column: t.timeColumns() + sweep*len(signals) + signal}
	var err error
	if tr.Values, err = t.numbers(tr.Column); err != nil {
		return Trace{}, err
	}
	tr.Units = t.Columns[tr.Column].Units
	if times, err := t.Time(); err == nil {
		tr.Times = times
	}
	if dt, _, err := t.SampleInterval(); err == nil {
		tr.Interval = dt
	}
	return tr, nil
}

// FindSignal returns the place of a signal among [Table.Signals] by its name.
func (t *Table) FindSignal(name string) (int, error) {
	var names []string
	for i, s := range t.Signals() {
		if s.Name == name {
			return i, nil
		}
		names = append(names, strconv.Quote(s.Name))
	}
	return 0, fmt.Errorf("readers: no signal %q: the file has %s", name, strings.Join(names, ", "))
}

// ReadTrace reads one signal of one sweep from a file, both counted from 0.
func ReadTrace(name string, sweep, signal int) (Trace, error) {
	t, err := ReadFile(name, nil)
	if err != nil {
		return Trace{}, err
	}
	return t.Trace(sweep, signal)
}
