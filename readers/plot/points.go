package plot

import (
	"image/color"
	"math"
	"strconv"
	"strings"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// parts is at least how many pairs of a minimum and a maximum stand for a long trace: about two
// for each pixel of the width at 96 dots an inch.
const parts = 1600

// segments are the runs of finite points. Without times they lie over their numbers.
func segments(times, values []float64) []plotter.XYs {
	var all []plotter.XYs
	var run plotter.XYs
	for i, y := range values {
		x := float64(i)
		if times != nil {
			x = times[i]
		}
		if finite(x) && finite(y) {
			run = append(run, plotter.XY{X: x, Y: y})
			continue
		}
		if len(run) > 0 {
			all = append(all, run)
			run = nil
		}
	}
	if len(run) > 0 {
		all = append(all, run)
	}
	return all
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// thin keeps of each part of a long run its lowest and its highest point, in order.
func thin(points plotter.XYs, parts int) plotter.XYs {
	if len(points) <= 2*parts {
		return points
	}
	kept := make(plotter.XYs, 0, 2*parts)
	for i := range parts {
		part := points[i*len(points)/parts : (i+1)*len(points)/parts]
		low, high := 0, 0
		for j, p := range part {
			if p.Y < part[low].Y {
				low = j
			}
			if p.Y > part[high].Y {
				high = j
			}
		}
		kept = append(kept, part[min(low, high)])
		if low != high {
			kept = append(kept, part[max(low, high)])
		}
	}
	return kept
}

// shade goes from light to dark blue with the sweeps. One alone is dark.
func shade(i, n int) color.Color {
	f := 1.0
	if n > 1 {
		f = float64(i) / float64(n-1)
	}
	mix := func(light, dark float64) uint8 { return uint8(light + f*(dark-light)) }
	return color.RGBA{R: mix(0xa6, 0x08), G: mix(0xc8, 0x3c), B: mix(0xe4, 0x7d), A: 0xff}
}

// ticks places about n ticks at round numbers: 1, 2 or 5 times a power of ten.
func ticks(n int) gonum.TickerFunc {
	return func(low, high float64) []gonum.Tick {
		step := roundStep((high - low) / float64(n))
		if !(step > 0) || math.IsInf(step, 0) {
			return []gonum.Tick{{Value: low, Label: strconv.FormatFloat(low, 'g', 6, 64)}}
		}
		var all []gonum.Tick
		for k := math.Ceil(low / step); k*step <= high && len(all) <= 2*n; k++ {
			all = append(all, gonum.Tick{Value: k * step, Label: tickLabel(k * step)})
		}
		return all
	}
}

// tickLabel writes a tick with six digits, and without an exponent where that is short.
func tickLabel(v float64) string {
	if v == 0 {
		return "0" // not -0
	}
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if plain := strconv.FormatFloat(v, 'f', -1, 64); strings.Contains(s, "e+0") && len(plain) <= 8 {
		s = plain
	}
	return s
}

// roundStep is the least of 1, 2 and 5 times a power of ten that is not below step.
func roundStep(step float64) float64 { return round(step, 1, 2, 5) }

// round is the least of the factors times a power of ten that is not below step.
func round(step float64, factors ...float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, f := range factors {
		if f*power >= step {
			return f * power
		}
	}
	return 10 * power
}
