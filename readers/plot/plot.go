// Package plot draws the traces of a recording, for "larder read --plot". It is the only
// package that needs gonum/plot.
package plot

import (
	"errors"
	"fmt"
	"io"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

const (
	width       = 9 * vg.Inch
	panelHeight = 2.4 * vg.Inch
	maxPanels   = 12 // a picture as tall as six screens helps nobody
)

// PNG draws the chosen traces as a picture: a panel for each signal, with the sweeps in
// it from light to dark, over the time or, where the file does not tell it, the sample
// number. A long trace is drawn by the extremes of its parts, so that no spike is lost.
// Events are dots.
func PNG(w io.Writer, t *readers.Table, s export.Selection, title string) error {
	panels, err := panelsOf(t, s)
	if err != nil {
		return err
	}
	panels[0].plot.Title.Text = title
	if n := panels[0].sweeps; n > 1 {
		panels[0].plot.Title.Text += fmt.Sprintf(" (%d sweeps, from light to dark)", n)
	}
	rows := make([][]*gonum.Plot, len(panels))
	for i, p := range panels {
		rows[i] = []*gonum.Plot{p.plot}
	}
	canvas := vgimg.New(width, panelHeight*vg.Length(len(panels)))
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: 4, PadBottom: 4, PadLeft: 4, PadRight: 12, PadY: 8}
	for i, row := range gonum.Align(rows, tiles, draw.New(canvas)) {
		panels[i].plot.Draw(row[0])
	}
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// A panel shows the sweeps of one signal.
type panel struct {
	plot   *gonum.Plot
	sweeps int // it will hold
	drawn  int // it holds
}

func newPanel(x, y string) *panel {
	p := &panel{plot: gonum.New()}
	p.plot.X.Label.Text, p.plot.Y.Label.Text = x, y
	p.plot.X.Tick.Marker, p.plot.Y.Tick.Marker = ticks(9), ticks(5)
	p.plot.Add(plotter.NewGrid())
	return p
}

func panelsOf(t *readers.Table, s export.Selection) ([]*panel, error) {
	if len(t.Columns) == 0 && len(t.Curves) > 0 {
		return curvePanel(t)
	}
	traces, err := s.Traces(t)
	if err != nil {
		return nil, err
	}
	if t.Rows() == 0 {
		return nil, errors.New("the file has no rows to draw")
	}
	panels := map[int]*panel{} // by signal
	var inOrder []*panel
	signals := len(t.Signals())
	for _, tr := range traces {
		signal := tr.Column % signals // the same in every sweep
		if panels[signal] == nil {
			if len(inOrder) == maxPanels {
				return nil, fmt.Errorf("more than %d signals: choose one", maxPanels)
			}
			panels[signal] = newPanel(timeLabel(t, tr), label(tr))
			inOrder = append(inOrder, panels[signal])
		}
		panels[signal].sweeps++
	}
	for _, tr := range traces {
		if err := panels[tr.Column%signals].add(tr.Times, tr.Values, t.Format == readers.AER); err != nil {
			return nil, err
		}
	}
	return inOrder, nil
}

// curvePanel draws the curves of a NEURON graph into one panel.
func curvePanel(t *readers.Table) ([]*panel, error) {
	p := newPanel("x", "y")
	p.sweeps = len(t.Curves)
	for _, c := range t.Curves {
		if err := p.add(c.X, c.Y, false); err != nil {
			return nil, err
		}
	}
	return []*panel{p}, nil
}

func label(tr readers.Trace) string {
	switch {
	case tr.Units == "":
		return tr.Name
	case tr.Name == "":
		return tr.Units
	}
	return tr.Name + " (" + tr.Units + ")"
}

func timeLabel(t *readers.Table, tr readers.Trace) string {
	switch units := t.TimeUnits(); {
	case tr.Times == nil:
		return "sample"
	case units != "":
		return "time (" + units + ")"
	}
	return "time"
}

// add draws one trace, with a gap where a value is not finite, or dots.
func (p *panel) add(times, values []float64, dots bool) error {
	c := shade(p.drawn, p.sweeps)
	p.drawn++
	for _, points := range segments(times, values) {
		if dots {
			s, err := plotter.NewScatter(points)
			if err != nil {
				return err
			}
			s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(1.2), Shape: draw.CircleGlyph{}}
			p.plot.Add(s)
			continue
		}
		line, err := plotter.NewLine(thin(points))
		if err != nil {
			return err
		}
		line.Color, line.Width = c, vg.Points(0.8)
		p.plot.Add(line)
	}
	return nil
}
