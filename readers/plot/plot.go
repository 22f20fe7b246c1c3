// Package plot draws the traces of a recording, for "larder read --plot". It is the only
// package that needs gonum/plot.
package plot

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	gonum "gonum.org/v1/plot"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

const (
	width       = 9 * vg.Inch
	panelHeight = 2.4 * vg.Inch
	maxPanels   = 12 // a picture as tall as six screens is of no use
	maxStacked  = 50 // sweeps: closer lines cannot be distinguished

	// What Options.Width and Options.Height may be.
	minSize = 100
	maxSize = 10_000 // 400 MB of pixels
)

// Sweeps says how the sweeps of a signal share its panel.
type Sweeps int

const (
	Overlaid Sweeps = iota // over each other, from light to dark
	Averaged               // their mean, dark, over all of them, light
	Stacked                // each above the next, the first at the top
)

// Options say what is drawn, and how. The zero value draws the first sweep of every signal:
// set Selection to [export.All] for every sweep.
type Options struct {
	Selection export.Selection
	Title     string
	From, To  float64 // of the time, in the units of the file; both zero: all of it
	Sweeps    Sweeps
	SVG       bool // else PNG

	// Width and Height are those of the picture in pixels, at 96 an inch. Zero is the default:
	// 864, and 230 for each panel.
	Width, Height int
}

// PNG draws the chosen traces with the defaults of [Draw].
func PNG(w io.Writer, t *readers.Table, s export.Selection, title string) error {
	return Draw(w, t, Options{Selection: s, Title: title})
}

// Draw draws the chosen traces as a picture: a panel for each signal, with the sweeps in
// it, over the time or, where the file does not say it, the sample number. A long trace is
// drawn by the extremes of its parts, so that no spike is lost. Events are dots.
func Draw(w io.Writer, t *readers.Table, o Options) error {
	wide, err := length(o.Width, width)
	if err != nil {
		return err
	}
	if _, err := length(o.Height, 1); err != nil {
		return err
	}
	if o.From == 0 && o.To == 0 {
		o.From, o.To = math.Inf(-1), math.Inf(1)
	}
	if !(o.From < o.To) {
		return fmt.Errorf("from %v to %v is no span of time", o.From, o.To)
	}
	panels, err := panelsOf(t, o, max(parts, 2*int(wide.Dots(vgimg.DefaultDPI))))
	if err != nil {
		return err
	}
	panels[0].plot.Title.Text = panels[0].title(o)
	high, _ := length(o.Height, panelHeight*vg.Length(len(panels)))
	rows := make([][]*gonum.Plot, len(panels))
	for i, p := range panels {
		rows[i] = []*gonum.Plot{p.plot}
	}
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: 6, PadBottom: 6, PadLeft: 6, PadRight: 14, PadY: 10}
	on := func(canvas draw.Canvas) {
		for i, row := range gonum.Align(rows, tiles, canvas) {
			panels[i].plot.Draw(row[0])
		}
	}
	if o.SVG {
		canvas := vgsvg.New(wide, high)
		c := draw.New(canvas)
		c.SetColor(color.White)
		c.Fill(c.Rectangle.Path())
		on(c)
		return writeSVG(w, canvas)
	}
	canvas := vgimg.New(wide, high)
	on(draw.New(canvas))
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// writeSVG names other fonts beside ours, which few machines have.
func writeSVG(w io.Writer, canvas *vgsvg.Canvas) error {
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return err
	}
	const ours = "font-family:Liberation Sans;"
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte(ours), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")))
	return err
}

// length is that of so many pixels.
func length(pixels int, unset vg.Length) (vg.Length, error) {
	switch {
	case pixels == 0:
		return unset, nil
	case pixels < minSize || pixels > maxSize:
		return 0, fmt.Errorf("a picture is %d to %d pixels wide and high, not %d", minSize, maxSize, pixels)
	}
	return vg.Length(pixels) / vgimg.DefaultDPI * vg.Inch, nil
}

// A panel shows the sweeps of one signal.
type panel struct {
	plot   *gonum.Plot
	y      string // the signal, with its units
	dots   bool
	traces []trace
}

// A trace is one line of a panel.
type trace struct {
	sweep         int // from 0; negative: none
	times, values []float64
}

func init() {
	gonum.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
}

func newPanel(x, y string) *panel {
	p := &panel{plot: gonum.New(), y: y}
	p.plot.X.Label.Text, p.plot.Y.Label.Text = x, y
	p.plot.X.Tick.Marker, p.plot.Y.Tick.Marker = ticks(9), ticks(5)
	p.plot.Title.Padding = vg.Points(8)
	p.plot.Title.TextStyle.Font.Size = vg.Points(11)
	for _, axis := range []*gonum.Axis{&p.plot.X, &p.plot.Y} {
		axis.Label.TextStyle.Font.Size = vg.Points(10)
		axis.Tick.Label.Font.Size = vg.Points(9)
		axis.Label.Padding = vg.Points(3)
		axis.Tick.Length = vg.Points(4)
		axis.LineStyle.Width, axis.Tick.LineStyle.Width = vg.Points(0.6), vg.Points(0.6)
	}
	p.plot.Add(grid())
	return p
}

// title says what the picture shows, and how to read it.
func (p *panel) title(o Options) string {
	n := len(p.traces)
	if n < 2 {
		if o.Selection.Sweep >= 0 {
			return joined(o.Title, fmt.Sprintf("(sweep %d)", o.Selection.Sweep+1))
		}
		return o.Title
	}
	noun := "sweeps"
	if p.traces[0].sweep < 0 {
		noun = "lines"
	}
	switch o.Sweeps {
	case Averaged:
		return joined(o.Title, fmt.Sprintf("(mean of %d %s)", n, noun))
	case Stacked:
		return joined(o.Title, fmt.Sprintf("(%d %s, each moved up)", n, noun))
	}
	return joined(o.Title, fmt.Sprintf("(%d %s, from light to dark)", n, noun))
}

func joined(words ...string) string { return strings.TrimSpace(strings.Join(words, " ")) }

// panelsOf makes the panels and draws the traces in them, each by at most 2*parts points.
func panelsOf(t *readers.Table, o Options, parts int) ([]*panel, error) {
	panels, err := collect(t, o.Selection)
	if err != nil {
		return nil, err
	}
	seen := false
	for _, p := range panels {
		for i := range p.traces {
			p.traces[i].clip(o.From, o.To)
			seen = seen || len(p.traces[i].values) > 0
		}
	}
	if !seen {
		return nil, fmt.Errorf("nothing was recorded from %v to %v", o.From, o.To)
	}
	for _, p := range panels {
		if err := p.draw(o.Sweeps, parts); err != nil {
			return nil, err
		}
	}
	return panels, nil
}

// collect sorts the chosen traces by signal.
func collect(t *readers.Table, s export.Selection) ([]*panel, error) {
	if len(t.Columns) == 0 && len(t.Curves) > 0 {
		p := newPanel("x", "y")
		for _, c := range t.Curves {
			p.traces = append(p.traces, trace{-1, c.X, c.Y})
		}
		return []*panel{p}, nil
	}
	traces, err := s.Traces(t)
	if err != nil {
		return nil, err
	}
	if t.Rows() == 0 {
		return nil, errors.New("the file has no rows to draw")
	}
	var inOrder []*panel
	panels := map[int]*panel{} // by signal
	signals := len(t.Signals())
	for _, tr := range traces {
		signal := tr.Column % signals // the same in every sweep
		if panels[signal] == nil {
			if len(inOrder) == maxPanels {
				return nil, fmt.Errorf("more than %d signals: choose one", maxPanels)
			}
			panels[signal] = newPanel(timeLabel(t, tr), label(tr))
			panels[signal].dots = t.Format == readers.AER || t.Format == readers.BrianSpikes
			inOrder = append(inOrder, panels[signal])
		}
		panels[signal].traces = append(panels[signal].traces, trace{tr.Sweep, tr.Times, tr.Values})
	}
	return inOrder, nil
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

// milliseconds are the formats in which NEURON's own commands write its time t, which is in ms
// and stands there without units.
var milliseconds = []readers.Format{readers.NeuronDat, readers.NeuronStep, readers.NeuronTable}

func timeLabel(t *readers.Table, tr readers.Trace) string {
	switch units := t.TimeUnits(); {
	case tr.Times == nil:
		return "sample"
	case units != "":
		return "time (" + units + ")"
	case slices.Contains(milliseconds, t.Format):
		return "time (ms)"
	}
	return "time"
}
