package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var (
	faint = color.RGBA{0xdd, 0xe2, 0xe8, 0xff} // the grid
	pale  = color.RGBA{0xc9, 0xd6, 0xe3, 0xff} // sweeps behind their mean
	dark  = color.RGBA{0x08, 0x3c, 0x7d, 0xff}
)

const (
	thinLine  = 0.8 // points
	thickLine = 1.4 // of a mean
)

func grid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = faint, faint
	return g
}

// clip leaves the samples from one time to another. Samples without times have their number.
func (t *trace) clip(from, to float64) {
	if math.IsInf(from, -1) && math.IsInf(to, 1) {
		return
	}
	var times, values []float64
	for i, v := range t.values {
		x := float64(i)
		if t.times != nil {
			x = t.times[i]
		}
		if x >= from && x <= to {
			times, values = append(times, x), append(values, v)
		}
	}
	t.times, t.values = times, values
}

// draw draws the traces of a panel, with some room above and below.
func (p *panel) draw(how Sweeps, parts int) error {
	if err := p.lines(how, parts); err != nil {
		return err
	}
	if room := (p.plot.Y.Max - p.plot.Y.Min) / 25; room > 0 && finite(p.plot.Y.Min-room) && finite(p.plot.Y.Max+room) {
		p.plot.Y.Min, p.plot.Y.Max = p.plot.Y.Min-room, p.plot.Y.Max+room
	}
	return nil
}

func (p *panel) lines(how Sweeps, parts int) error {
	n := len(p.traces)
	switch {
	case how == Averaged && n > 1:
		mean, err := p.mean()
		if err != nil {
			return err
		}
		for _, t := range p.traces {
			if err := p.line(t, pale, thinLine, parts); err != nil {
				return err
			}
		}
		return p.line(mean, dark, thickLine, parts)
	case how == Stacked && n > 1:
		return p.stack(parts)
	}
	for i, t := range p.traces {
		if err := p.line(t, shade(i, n), thinLine, parts); err != nil {
			return err
		}
	}
	return nil
}

// mean is the mean of the sweeps at each sample. Where one sweep has no number it has none.
func (p *panel) mean() (trace, error) {
	first := p.traces[0]
	mean := trace{times: first.times, values: make([]float64, len(first.values))}
	for _, t := range p.traces {
		if len(t.values) != len(first.values) || !slices.Equal(t.times, first.times) {
			return trace{}, fmt.Errorf("%s: lines over different times have no mean", p.y)
		}
		for i, v := range t.values {
			mean.values[i] += v / float64(len(p.traces)) // the sum might not be finite
		}
	}
	return mean, nil
}

// stack draws each trace above the next by one step, which is a round number and leaves room
// for the largest of them. A tick marks where each begins.
func (p *panel) stack(parts int) error {
	n := len(p.traces)
	if n > maxStacked {
		return fmt.Errorf("%d sweeps are too many to stack: at most %d", n, maxStacked)
	}
	step := 0.0
	for _, t := range p.traces {
		low, high := extent(t.values)
		step = max(step, high-low)
	}
	if step = round(step, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8); !(step > 0) || math.IsInf(step*float64(n), 0) {
		step = 1
	}
	var marks []gonum.Tick
	for i, t := range p.traces {
		offset := step * float64(n-1-i)
		moved := trace{t.sweep, t.times, make([]float64, len(t.values))}
		for j, v := range t.values {
			moved.values[j] = v + offset
		}
		if err := p.line(moved, dark, thinLine, parts); err != nil {
			return err
		}
		if j := slices.IndexFunc(moved.values, finite); j >= 0 {
			name := strconv.Itoa(t.sweep + 1)
			if t.sweep < 0 {
				name = strconv.Itoa(i + 1)
			}
			marks = append(marks, gonum.Tick{Value: moved.values[j], Label: name})
		}
	}
	p.plot.Y.Tick.Marker = gonum.ConstantTicks(marks)
	p.plot.Y.Label.Text = fmt.Sprintf("%s, %s apart", p.y, strconv.FormatFloat(step, 'g', 6, 64))
	return nil
}

// extent is the span of the finite values.
func extent(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return 0, 0
	}
	return low, high
}

// line draws one trace, with a gap where a value is not finite, or its events as dots.
func (p *panel) line(t trace, c color.Color, points float64, parts int) error {
	for _, run := range segments(t.times, t.values) {
		if p.dots {
			s, err := plotter.NewScatter(run)
			if err != nil {
				return err
			}
			s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}}
			p.plot.Add(s)
			continue
		}
		line, err := plotter.NewLine(thin(run, parts))
		if err != nil {
			return err
		}
		line.Color, line.Width = c, vg.Points(points)
		p.plot.Add(line)
	}
	return nil
}
