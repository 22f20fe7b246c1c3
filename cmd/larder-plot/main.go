// Command larder-plot draws the traces of a recording as a PNG. "larder read --plot" runs it:
// it is a command of its own because loading its fonts takes longer than all the rest
// of larder, which is to be quick at each start.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
	"github.com/larder-store/larder/readers/plot"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("larder-plot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "larder-plot [flags] file > picture.png\n\nExit codes: 0 done, 1 failed, 2 misused.")
		flags.PrintDefaults()
	}
	sweep := flags.Int("sweep", 0, "only this sweep, counted from 1")
	signal := flags.String("signal", "", "only the signal of this name")
	comma := flags.Bool("decimal-comma", false, "read 1,5 as one and a half")
	if flags.Parse(args) != nil || flags.NArg() != 1 || *sweep < 0 {
		flags.Usage()
		return 2
	}
	path := flags.Arg(0)
	t, err := readers.ReadFile(path, &readers.Options{DecimalComma: *comma})
	if err == nil {
		err = plot.PNG(stdout, t, export.Selection{Sweep: *sweep - 1, Signal: *signal}, filepath.Base(path))
	}
	if err != nil {
		fmt.Fprintln(stderr, "larder-plot:", err)
		return 1
	}
	return 0
}
