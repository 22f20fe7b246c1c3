package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/larder-store/larder/readers"
)

// Current is what was measured: sweeps of samples in pA.
type Current struct {
	Interval float64 // between samples, in s
	Sweeps   [][]float64
}

// Read are the parameters of the first stage.
type Read struct{ Signal string }

// of reads one signal of a recording.
func (p Read) of(path string) (Current, error) {
	table, err := readers.ReadFile(path, nil)
	if err != nil {
		return Current{}, err
	}
	signal, err := table.FindSignal(p.Signal)
	if err != nil {
		return Current{}, err
	}
	var c Current
	for sweep := range table.Sweeps() {
		trace, err := table.Trace(sweep, signal)
		if err != nil {
			return Current{}, err
		}
		c.Interval = trace.Interval
		c.Sweeps = append(c.Sweeps, trace.Values)
	}
	if c.Interval <= 0 {
		return Current{}, fmt.Errorf("%s: the interval between samples is not given", path)
	}
	return c, nil
}

// Detrend are the parameters of the second stage.
type Detrend struct{ Window float64 } // in s

// of takes away what is slow: from each sample the median of the window around it. A
// median, unlike a mean, does not mind spikes, and follows the edges of steps.
func (p Detrend) of(c Current) Current {
	half := int(p.Window / c.Interval / 2)
	flat := Current{Interval: c.Interval}
	for _, sweep := range c.Sweeps {
		flat.Sweeps = append(flat.Sweeps, detrend(sweep, half))
	}
	return flat
}

func detrend(x []float64, half int) []float64 {
	y := make([]float64, len(x))
	window := slices.Sorted(slices.Values(x[:min(half, len(x))])) // kept in order while it slides
	for i := range x {
		if in := i + half; in < len(x) {
			at, _ := slices.BinarySearch(window, x[in])
			window = slices.Insert(window, at, x[in])
		}
		if out := i - half - 1; out >= 0 {
			at, _ := slices.BinarySearch(window, x[out])
			window = slices.Delete(window, at, at+1)
		}
		y[i] = x[i] - window[len(window)/2]
	}
	return y
}

// Detect are the parameters of the third stage.
type Detect struct {
	Threshold float64 // in standard deviations of the noise
	Apart     float64 // in s: what comes sooner belongs to the same spike
}

// A Spike is a fast deflection, up or down.
type Spike struct {
	Sweep int     // from 1
	Time  float64 // of its peak, in ms from the start of the sweep
	Peak  float64 // in pA
	Width float64 // at half of its peak, in ms
}

// of finds the spikes in current without a trend.
func (p Detect) of(c Current) []Spike {
	spikes := []Spike{}
	for i, sweep := range c.Sweeps {
		limit := p.Threshold * noise(sweep)
		for at := 0; at < len(sweep); at++ {
			if math.Abs(sweep[at]) < limit {
				continue
			}
			peak, end := at, at
			for ; end < len(sweep) && float64(end-peak)*c.Interval < p.Apart; end++ {
				if math.Abs(sweep[end]) > math.Abs(sweep[peak]) {
					peak = end
				}
			}
			spikes = append(spikes, Spike{
				Sweep: i + 1,
				Time:  float64(peak) * c.Interval * 1000,
				Peak:  sweep[peak],
				Width: width(sweep, peak) * c.Interval * 1000,
			})
			at = end
		}
	}
	return spikes
}

// noise estimates the standard deviation by the median of the distances from zero, which
// spikes hardly change. For normal noise the one is 1.4826 times the other.
func noise(x []float64) float64 {
	distance := make([]float64, len(x))
	for i, v := range x {
		distance[i] = math.Abs(v)
	}
	slices.Sort(distance)
	return 1.4826 * distance[len(distance)/2]
}

// width returns for how many samples a spike is above half of its peak.
func width(x []float64, peak int) float64 {
	half := math.Abs(x[peak]) / 2
	above := func(i int) bool {
		return i >= 0 && i < len(x) && math.Abs(x[i]) > half && (x[i] > 0) == (x[peak] > 0)
	}
	from, to := peak, peak
	for above(from - 1) {
		from--
	}
	for above(to + 1) {
		to++
	}
	return float64(to - from + 1)
}
