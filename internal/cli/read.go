package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

type readFlags struct {
	info, csv, npy, jsonl bool
	noFormulas            bool
	sweep                 int
	signal                string
	partial               bool
	delimiter             string
	options               readers.Options
	plot                  plotFlags
}

func newRead(a *app) *cobra.Command {
	var f readFlags
	cmd := &cobra.Command{
		Use:   "read [flags] file",
		Short: "Show a recording, or convert it to CSV, NPY, JSON lines or a plot",
		Long: `Look at a recording, or turn it into CSV, NPY or JSON lines on standard output, or into a
picture. The file - is standard input.

Axon Text Files (.atf), the .dat files of NEURON, address events (.aedat) and the spikes
that Brian's FileSpikeMonitor writes are distinguished by what is in them. Numbers come out
exactly as they are in the file, and comments of rows as a last column. What could be
read otherwise is a warning, or with --strict an error.

A file is checked to its end before anything is written. If it is damaged, nothing is,
unless --partial asks for the rows before the damage; the exit code is 1 all the same.`,
		Example: `  larder read recording.atf
  larder read recording.atf --npy --signal 'IN 0' > current.npy
  larder read recording.atf --plot mean.svg --sweeps mean --from 0.2 --to 0.5
  zcat spikes.txt.gz | larder read - --csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("read: write: larder read file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.read(cmd.Context(), &f, args[0]) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.info, "info", false, "what is in it, at a glance (the default)")
	fl.BoolVar(&f.noFormulas, "no-formulas", false, "with --csv: an apostrophe before text that a spreadsheet would run as a formula")
	fl.BoolVar(&f.csv, "csv", false, "columns as CSV, with a line of titles")
	fl.BoolVar(&f.npy, "npy", false, "columns of numbers as one array; numpy opens it")
	fl.BoolVar(&f.jsonl, "jsonl", false, "rows as JSON arrays, one a line, behind a line with the titles")
	fl.IntVar(&f.sweep, "sweep", 0, "only this sweep, counted from 1")
	fl.StringVar(&f.signal, "signal", "", "only the signal of this name")
	fl.BoolVar(&f.partial, "partial", false, "of a damaged file, show the rows before the damage")
	fl.BoolVar(&f.options.Strict, "strict", false, "make errors of the warnings")
	fl.BoolVar(&f.options.DecimalComma, "decimal-comma", false, "read 1,5 as one and a half")
	fl.BoolVar(&f.options.Headerless, "headerless", false, "read rows of numbers that have no header")
	fl.IntSliceVar(&f.options.Columns, "columns", nil, "read only these columns, counted from 0 as --info does, such as 0,2")
	fl.IntSliceVar(&f.options.Text, "text", nil, "read these columns as text, counted from 0")
	fl.StringVar(&f.delimiter, "delimiter", "", "what separates the fields of an ATF file: tab, comma, semicolon or blanks (default: by its titles)")
	fl.IntVar(&f.options.MaxLine, "max-line", 0, "the most bytes that a line may have (default 4 MiB)")
	fl.IntVar(&f.options.MaxColumns, "max-columns", 0, "the most columns that a file may have (default 8000)")
	f.plot.add(fl)
	cmd.MarkFlagsMutuallyExclusive("info", "csv", "npy", "jsonl", "plot")
	return cmd
}

// delimiters are the values of --delimiter.
var delimiters = map[string]byte{"": 0, "tab": '\t', "\t": '\t', "comma": ',', ",": ',', "semicolon": ';', ";": ';', "blanks": ' ', " ": ' '}

// check finds mistakes in the flags.
func (f *readFlags) check() error {
	var known bool
	if f.options.Delimiter, known = delimiters[f.delimiter]; !known {
		return misused("read: --delimiter: write tab, comma, semicolon or blanks, not %q", f.delimiter)
	}
	switch {
	case f.sweep < 0:
		return misused("read: --sweep: sweeps are counted from 1")
	case f.options.MaxLine < 0 || f.options.MaxColumns < 0:
		return misused("read: --max-line and --max-columns are positive")
	}
	return f.plot.check()
}

func (a *app) read(ctx context.Context, f *readFlags, path string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.plot.wanted() && Draw == nil {
		if err := a.becomeCompanion("pictures are drawn"); err != nil {
			return err
		}
	}
	in, err := a.recording(ctx, path)
	if err != nil {
		return err
	}
	defer in.close()
	f.options.Name = in.name
	rec, damage := readers.Scan(in.file, &f.options)
	damage = inFlags(damage)
	head := rec.Head()
	for i, w := range head.Warnings {
		head.Warnings[i].Msg = flagNames.Replace(w.Msg)
	}
	rows := head.Rows()
	if damage != nil && !(f.partial && head.Format != readers.Unknown && rows > 0) {
		if rows > 0 {
			a.note("%s: rows before the error: %d; --partial shows them", in.name, rows)
		}
		return damage
	}
	if err := a.export(f, in, rec); err != nil {
		return err
	}
	return damage
}

// export writes what the flags ask for.
func (a *app) export(f *readFlags, in *recording, rec *readers.Recording) error {
	head := rec.Head()
	if !f.csv && !f.npy && !f.jsonl && !f.plot.wanted() {
		return export.Info(a.out(), rec)
	}
	for _, w := range head.Warnings { // Info shows them itself
		a.note("%s: %v", in.name, w)
	}
	s := export.Selection{Sweep: f.sweep - 1, Signal: f.signal}
	cols, err := s.Columns(head)
	if err != nil {
		return err
	}
	if n := rec.CommentCount(); n > 0 && (f.npy || f.plot.wanted()) {
		a.note("%s: comments (%d) are left out; --csv and --jsonl write them", in.name, n)
	}
	if f.plot.wanted() {
		return wholeFile(f.plot.path, func(w io.Writer) error { return a.draw(f, in, w) })
	}
	write := export.CSV
	switch {
	case f.csv && f.noFormulas:
		write = export.CSVForSpreadsheet
	case f.npy:
		write = export.NPY
	case f.jsonl:
		write = export.JSONL
	}
	if err := write(a.stdout, rec, cols); err != nil {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	return nil
}
