// Command larder-plot draws the traces of a recording as a PNG or an SVG. "larder read --plot"
// runs it: it is a command of its own because loading its fonts takes longer than all the rest
// of larder, which is to be quick at each start.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/larder-store/larder/internal/terminal"
	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/plot"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The values of -sweeps.
var sweepsBy = map[string]plot.Sweeps{"overlay": plot.Overlaid, "mean": plot.Averaged, "stack": plot.Stacked}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stderr = terminal.NewWriter(stderr) // names and contents of files are quoted there
	flags := flag.NewFlagSet("larder-plot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "larder-plot [flags] file > picture.png\n\nThe file - is standard input. Exit codes: 0 done, 1 failed, 2 misused.")
		flags.PrintDefaults()
	}
	var read readers.Options
	var o plot.Options
	sweep := flags.Int("sweep", 0, "only this sweep, counted from 1")
	flags.StringVar(&o.Selection.Signal, "signal", "", "only the signal of this name")
	flags.BoolVar(&read.DecimalComma, "decimal-comma", false, "read 1,5 as one and a half")
	flags.BoolVar(&read.Headerless, "headerless", false, "read rows of numbers that have no header")
	partial := flags.Bool("partial", false, "draw what stands before an error of the file")
	flags.StringVar(&o.Title, "title", "", "over the picture (default: the name of the file)")
	flags.BoolVar(&o.SVG, "svg", false, "draw an SVG, not a PNG")
	flags.Float64Var(&o.From, "from", math.Inf(-1), "leave out what was recorded before this time")
	flags.Float64Var(&o.To, "to", math.Inf(1), "leave out what was recorded after this time")
	flags.IntVar(&o.Width, "width", 0, "of the picture, in pixels")
	flags.IntVar(&o.Height, "height", 0, "of the picture, in pixels")
	flags.Func("sweeps", "how to draw several: overlay, mean or stack", func(s string) error {
		var known bool
		if o.Sweeps, known = sweepsBy[s]; !known {
			return errors.New("overlay, mean or stack")
		}
		return nil
	})
	flags.Func("columns", "read only these columns, counted from 0", func(s string) (err error) {
		read.Columns, err = integers(s)
		return err
	})
	flags.Func("text", "these columns hold text, counted from 0", func(s string) (err error) {
		read.Text, err = integers(s)
		return err
	})
	flags.Func("delimiter", "one byte between the fields of an ATF file", func(s string) error {
		if len(s) != 1 {
			return errors.New("one byte")
		}
		read.Delimiter = s[0]
		return nil
	})
	flags.IntVar(&read.MaxLine, "max-line", 0, "bytes that a line may have")
	flags.IntVar(&read.MaxColumns, "max-columns", 0, "columns that a file may have")
	if flags.Parse(args) != nil || flags.NArg() != 1 || *sweep < 0 {
		flags.Usage()
		return 2
	}
	o.Selection.Sweep = *sweep - 1
	if o.Title == "" {
		o.Title = filepath.Base(flags.Arg(0))
	}
	t, err := open(flags.Arg(0), stdin, &read)
	if err == nil || *partial && t.Rows() > 0 {
		err = plot.Draw(stdout, t, o)
	}
	if err != nil {
		fmt.Fprintln(stderr, "larder-plot:", err)
		return 1
	}
	return 0
}

func open(path string, stdin io.Reader, o *readers.Options) (*readers.Table, error) {
	if path == "-" {
		o.Name = "standard input"
		return readers.Read(stdin, o)
	}
	return readers.ReadFile(path, o)
}

func integers(list string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}
