package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/larder-store/larder/codec"
)

// shell runs one stage as a command that reads one file and writes another:
//
//	spikes read recording.atf current.npy
//	spikes detrend current.npy flat.npy
//	spikes detect flat.npy spikes.txt
//
// The arrays have the times in the first row, in s, and a sweep in each further one; numpy reads
// them too. Any program in any language could stand in the place of these.
func shell(args []string) error {
	if len(args) != 3 {
		return errors.New("write: spikes read|detrend|detect from to")
	}
	stage, from, to := args[0], args[1], args[2]
	switch stage {
	case "read":
		c, err := Read{Signal: "IN 0"}.of(from)
		if err != nil {
			return err
		}
		return writeCurrent(to, c)
	case "detrend":
		c, err := readCurrent(from)
		if err != nil {
			return err
		}
		return writeCurrent(to, Detrend{Window: 0.020}.of(c))
	case "detect":
		c, err := readCurrent(from)
		if err != nil {
			return err
		}
		return write(to, func(w io.Writer) error { return print(w, Detect{Threshold: 8, Apart: 0.002}.of(c)) })
	}
	return fmt.Errorf("there is no stage %q", stage)
}

func writeCurrent(path string, c Current) error {
	m := codec.NewMatrix[float64](1+len(c.Sweeps), len(c.Sweeps[0]))
	for i := range m.Cols {
		m.Set(0, i, float64(i)*c.Interval)
	}
	for i, sweep := range c.Sweeps {
		copy(m.Row(i+1), sweep)
	}
	npy, err := codec.Encode(m)
	if err != nil {
		return err
	}
	return write(path, func(w io.Writer) error {
		_, err := io.Copy(w, npy.Body)
		return err
	})
}

func readCurrent(path string) (Current, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Current{}, err
	}
	var m codec.Matrix[float64]
	if err := codec.DecodeBytes(codec.NPY, b, &m); err != nil {
		return Current{}, fmt.Errorf("%s: %w", path, err)
	}
	if m.Rows < 2 || m.Cols < 2 {
		return Current{}, fmt.Errorf("%s: %d rows of %d samples; there must be times and a sweep", path, m.Rows, m.Cols)
	}
	c := Current{Interval: m.At(0, 1) - m.At(0, 0)}
	for i := 1; i < m.Rows; i++ {
		c.Sweeps = append(c.Sweeps, m.Row(i))
	}
	return c, nil
}

func write(path string, to func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = to(w)
	return errors.Join(err, w.Flush(), f.Close())
}
