package cli

import (
	"fmt"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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

// draw lets larder-plot write the picture.
func (a *app) draw(f *readFlags, in *recording, w io.Writer) error {
	plotter, err := companion("larder-plot")
	if err != nil {
		return fmt.Errorf("pictures are drawn by larder's companion: %w", err)
	}
	cmd := exec.Command(plotter, f.plotArgs(in)...)
	if in.path == "" {
		if _, err := in.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		cmd.Stdin = in.file
	}
	cmd.Stdout, cmd.Stderr = w, a.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the picture was not drawn: %w", err)
	}
	return nil
}

// plotArgs are the arguments of larder-plot: those that differ from its defaults.
func (f *readFlags) plotArgs(in *recording) []string {
	args := []string{"-sweep", strconv.Itoa(f.sweep), "-signal", f.signal, "-sweeps", f.plot.sweeps,
		fmt.Sprintf("-svg=%t", strings.EqualFold(filepath.Ext(f.plot.path), ".svg")),
		fmt.Sprintf("-decimal-comma=%t", f.options.DecimalComma), fmt.Sprintf("-headerless=%t", f.options.Headerless),
		fmt.Sprintf("-partial=%t", f.partial)}
	list := func(columns []int) string {
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(columns), " ", ","), "[]")
	}
	if len(f.options.Columns) > 0 {
		args = append(args, "-columns", list(f.options.Columns))
	}
	if len(f.options.Text) > 0 {
		args = append(args, "-text", list(f.options.Text))
	}
	if f.options.Delimiter != 0 {
		args = append(args, "-delimiter", string(rune(f.options.Delimiter)))
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"-max-line", f.options.MaxLine}, {"-max-columns", f.options.MaxColumns}, {"-width", f.plot.width}, {"-height", f.plot.height}} {
		if n.value > 0 {
			args = append(args, n.name, strconv.Itoa(n.value))
		}
	}
	if !math.IsInf(f.plot.from, -1) {
		args = append(args, "-from", strconv.FormatFloat(f.plot.from, 'g', -1, 64))
	}
	if !math.IsInf(f.plot.to, 1) {
		args = append(args, "-to", strconv.FormatFloat(f.plot.to, 'g', -1, 64))
	}
	if in.path == "" {
		return append(args, "-title", in.name, "--", "-")
	}
	return append(args, "--", in.path)
}
