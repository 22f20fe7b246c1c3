package readers

import (
	"errors"
	"fmt"
)

// LoadATF returns times and values of an Axon Text File, which are its first two columns,
// as Brian's read_atf did. Files with more hold more than that: see [ReadATF].
func LoadATF(name string) (times, values []float64, err error) {
	return load(name, func(f Format) bool { return f == ATF })
}

// LoadNeuronDat returns times and values of a NEURON vector file, as Brian's
// read_neuron_dat did.
func LoadNeuronDat(name string) (times, values []float64, err error) {
	return load(name, func(f Format) bool { return f != ATF })
}

func load(name string, wanted func(Format) bool) (times, values []float64, err error) {
	t, err := ReadFile(name, nil)
	if err == nil && !wanted(t.Format) {
		err = &ParseError{Format: t.Format, Name: name, Err: ErrFormat, Hint: "another format was asked for"}
	}
	if err != nil && !errors.Is(err, ErrTruncated) {
		return nil, nil, err
	}
	if t.Step > 0 {
		times, _ = t.Time()
		return times, t.Float[0], err
	}
	if len(t.Columns) < 2 {
		return nil, nil, errors.Join(err, fmt.Errorf("readers: %s: %s of %s has no times and values", name, t.Format.article(), count(len(t.Columns), "column")))
	}
	times, timeErr := t.numbers(0)
	values, valueErr := t.numbers(1)
	if bad := errors.Join(timeErr, valueErr); bad != nil {
		return nil, nil, errors.Join(err, bad)
	}
	return times, values, err
}
