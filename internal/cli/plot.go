package cli

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
	"github.com/spf13/pflag"
)

// plotFlags are the flags of larder read that describe a picture.
type plotFlags struct {
	flags    *pflag.FlagSet
	path     string
	from, to float64
	size     string
	sweeps   string

	width, height int // of size
}

func (f *plotFlags) add(fl *pflag.FlagSet) {
	f.flags = fl
	fl.StringVar(&f.path, "plot", "", "draw the traces into this `file`, a PNG or an SVG by its extension")
	fl.Float64Var(&f.from, "from", 0, "with --plot: from this time on, in the units of the file (default: all of it)")
	fl.Float64Var(&f.to, "to", 0, "with --plot: up to this time (default: all of it)")
	fl.StringVar(&f.size, "size", "", "with --plot: `WIDTHxHEIGHT` in pixels, such as 1200x800 (default: 864 by 230 for each signal)")
	fl.StringVar(&f.sweeps, "sweeps", "overlay", "with --plot: several sweeps `how`: overlay, mean (over all of them) or stack")
}

func (f *plotFlags) wanted() bool { return f.flags.Changed("plot") }

// check finds mistakes in the flags.
func (f *plotFlags) check() error {
	for _, name := range []string{"from", "to", "size", "sweeps"} {
		if f.flags.Changed(name) && !f.wanted() {
			return misused("read: --%s: this is for pictures: add --plot", name)
		}
	}
	if !f.flags.Changed("from") {
		f.from = math.Inf(-1)
	}
	if !f.flags.Changed("to") {
		f.to = math.Inf(1)
	}
	switch ext := strings.ToLower(filepath.Ext(f.path)); {
	case !f.wanted():
		return nil
	case ext != ".png" && ext != ".svg":
		return misused("read: --plot: the file is a .png or an .svg, not %q", f.path)
	case !(f.from < f.to):
		return misused("read: --from %v --to %v is no span of time", f.from, f.to)
	case !slices.Contains([]string{"overlay", "mean", "stack"}, f.sweeps):
		return misused("read: --sweeps: write overlay, mean or stack, not %q", f.sweeps)
	case f.size == "":
		return nil
	}
	w, h, _ := strings.Cut(f.size, "x")
	var err1, err2 error
	f.width, err1 = strconv.Atoi(w)
	f.height, err2 = strconv.Atoi(h)
	if err1 != nil || err2 != nil || min(f.width, f.height) < 100 || max(f.width, f.height) > 10_000 {
		return misused("read: --size: write WIDTHxHEIGHT, each from 100 to 10000 pixels, not %q", f.size)
	}
	return nil
}

// A Picture says what of a recording is drawn, and how: the flags of "larder read --plot".
type Picture struct {
	Title    string
	Select   export.Selection
	Sweeps   string  // how several are drawn: overlay, mean or stack
	From, To float64 // of the time, in the units of the file; infinite where nothing was asked for
	SVG      bool    // else PNG

	Width, Height int // in pixels; 0 is the default
}

// Draw draws a picture of a recording. It is nil in larder, which then becomes its companion: loading the
// fonts takes longer than all the rest of larder, which is to start quickly. Package picture sets it.
var Draw func(w io.Writer, t *readers.Table, p Picture) error

// draw reads the recording whole, and draws it.
func (a *app) draw(f *readFlags, in *recording, w io.Writer) error {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t, err := readers.Read(in.file, &f.options)
	if err != nil && !(f.partial && t.Rows() > 0) {
		return err
	}
	err = Draw(w, t, Picture{
		Title:  filepath.Base(in.name),
		Select: export.Selection{Sweep: f.sweep - 1, Signal: f.signal},
		Sweeps: f.plot.sweeps,
		From:   f.plot.from,
		To:     f.plot.to,
		SVG:    strings.EqualFold(filepath.Ext(f.plot.path), ".svg"),
		Width:  f.plot.width,
		Height: f.plot.height,
	})
	if err != nil {
		return fmt.Errorf("the picture was not drawn: %w", err)
	}
	return nil
}
