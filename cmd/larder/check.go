package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/internal/audit"
)

type checkFlags struct {
	read         string
	repair, json bool
}

func newCheck(a *app) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Find what is corrupt",
		Long: `Go through the whole store and find what is corrupt: values whose data is gone, and
descriptions that are not what they should be. The store may be in use.

Values are only read with --read-data: all, or by --read-data=5% a twentieth of them, another one
each time. What was not read is not certified: the last line tells how many were.

Findings are listed on standard output, and the exit code is 3. A corrupt value does no harm: it
counts as absent, and the next put replaces it. With --repair it is moved to the shelf
"quarantine", or removed if nothing of it can be read.`,
		Example: `  larder check
  larder check --read-data=5%
  larder check --read-data --repair`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.read, "read-data", "0%", "read this `share` of the values, and verify them")
	fl.Lookup("read-data").NoOptDefVal = "100%"
	fl.BoolVar(&f.repair, "repair", false, "move what is corrupt out of the way")
	fl.BoolVar(&f.json, "json", false, "findings and the report as JSON objects, one a line")
	return cmd
}

func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misused("%s takes no arguments; %q is one", cmd.CommandPath(), args[0])
	}
	return nil
}

func (a *app) check(ctx context.Context, f *checkFlags) error {
	share, err := parseShare(f.read)
	if err != nil {
		return misused("--read-data: %v", err)
	}
	open := a.openToRead
	if f.repair {
		open = func(ctx context.Context) (*larder.Store, error) { return a.open(ctx, 0) }
	}
	store, err := open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()

	line := a.newProgress()
	var failed error // to write a finding
	report, err := audit.Run(ctx, store.Backend(), audit.Options{
		Read:   share,
		Repair: f.repair,
		Found: func(found audit.Finding) {
			line.end()
			if err := a.tellFinding(f, found); err != nil && failed == nil {
				failed = err
			}
		},
		Progress: func(r audit.Report) {
			line.tell(func() string { return checked(r) })
		},
	})
	line.end()
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if f.json {
		if err := writeJSON(a.stdout, reportText(report)); err != nil {
			return err
		}
	}
	if report.Findings > 0 {
		return &exitError{exitFindings, fmt.Errorf("%s; %s", checked(report), count(report.Findings, "finding"))}
	}
	a.note("%s; no findings", checked(report))
	return nil
}

// tellFinding writes a line about a finding.
func (a *app) tellFinding(f *checkFlags, found audit.Finding) error {
	if f.json {
		return writeJSON(a.stdout, struct {
			Key   string `json:"key"`
			Error string `json:"error"`
			Moved bool   `json:"moved"`
		}{found.Key.String(), found.Err.Error(), found.Moved})
	}
	moved := ""
	if found.Moved {
		moved = "; moved out of the way"
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %v%s\n", found.Key, found.Err, moved)
	return err
}

// checked says what was looked at, and how much of it was read.
func checked(r audit.Report) string {
	read := "none of them read"
	if r.Read > 0 {
		read = fmt.Sprintf("%d of them read and verified, %s", r.Read, size(r.ReadBytes))
	}
	if r.Values == 0 {
		read = "nothing to read"
	}
	return fmt.Sprintf("checked %s and %s (%s)", count(r.Descriptions, "description"), count(r.Values, "value"), read)
}

// reportText is a report as JSON.
type reportText struct {
	Values       int   `json:"values"`
	Descriptions int   `json:"descriptions"`
	Read         int   `json:"values_read"`
	ReadBytes    int64 `json:"bytes_read"`
	Findings     int   `json:"findings"`
}

// parseShare reads a percentage.
func parseShare(text string) (float64, error) {
	digits, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is no share, such as 5%% or 100%%", text)
	}
	return v / 100, nil
}
