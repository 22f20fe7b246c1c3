package cli

import (
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

type readFlags struct {
	info, csv, npy, jsonl bool
	plot                  string
	sweep                 int
	signal                string
	strict, comma         bool
}

func newRead(a *app) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "read [flags] file",
		Short: "Look at a recording, or turn it into CSV, NPY or JSON lines",
		Long: `Look at a recording, or turn it into CSV, NPY or JSON lines, on standard output.

Axon Text Files (.atf), the .dat files of NEURON and address events (.aedat) are told
apart by what is in them. Numbers come out exactly as they are in the file. What could be
read otherwise is a warning, or with --strict an error.`,
		Example: `  larder read recording.atf
  larder read recording.atf --npy --signal 'IN 0' > current.npy
  larder read recording.atf --sweep 1 --plot sweep1.png`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("read: write: larder read file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.read(&f, args[0]) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.info, "info", false, "what is in it, at a glance (the default)")
	fl.BoolVar(&f.csv, "csv", false, "columns as CSV, with a line of titles")
	fl.BoolVar(&f.npy, "npy", false, "columns of numbers as one array; numpy opens it")
	fl.BoolVar(&f.jsonl, "jsonl", false, "rows as JSON objects, one a line")
	fl.StringVar(&f.plot, "plot", "", "draw the traces into this PNG `file`")
	fl.IntVar(&f.sweep, "sweep", 0, "only this sweep, counted from 1")
	fl.StringVar(&f.signal, "signal", "", "only the signal of this name")
	fl.BoolVar(&f.strict, "strict", false, "make errors of the warnings")
	fl.BoolVar(&f.comma, "decimal-comma", false, "read 1,5 as one and a half")
	cmd.MarkFlagsMutuallyExclusive("info", "csv", "npy", "jsonl", "plot")
	return cmd
}

func (a *app) read(f *readFlags, path string) error {
	if f.sweep < 0 {
		return misused("read: --sweep: sweeps are counted from 1")
	}
	t, err := readers.ReadFile(path, &readers.Options{Strict: f.strict, DecimalComma: f.comma})
	if err != nil {
		return err
	}
	shows := !f.csv && !f.npy && !f.jsonl && f.plot == ""
	for _, w := range t.Warnings {
		if !shows { // Info tells them
			a.note("%s: %v", path, w)
		}
	}
	if shows {
		return export.Info(a.stdout, t)
	}
	if f.plot != "" {
		return wholeFile(f.plot, func(w io.Writer) error { return a.draw(f, path, w) })
	}
	s := export.Selection{Sweep: f.sweep - 1, Signal: f.signal}
	cols, err := s.Columns(t)
	if err != nil {
		return err
	}
	write := export.CSV
	switch {
	case f.npy:
		write = export.NPY
	case f.jsonl:
		write = export.JSONL
	}
	return write(a.stdout, t, cols)
}

// draw lets larder-plot write the picture.
func (a *app) draw(f *readFlags, path string, w io.Writer) error {
	plotter, err := companion("larder-plot")
	if err != nil {
		return fmt.Errorf("pictures are drawn by larder's companion: %w", err)
	}
	cmd := exec.Command(plotter, "-sweep", fmt.Sprint(f.sweep), "-signal", f.signal, fmt.Sprintf("-decimal-comma=%t", f.comma), "--", path)
	cmd.Stdout, cmd.Stderr = w, a.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the picture was not drawn: %w", err)
	}
	return nil
}
