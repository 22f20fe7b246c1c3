package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/audit"
)

type checkFlags struct {
	read                string
	quick, repair, json bool
}

func newCheck(a *app) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [flags]",
		Short: "Find corrupt values",
		Long: `Read the whole store and find what is corrupt: values that are not what was stored, or whose
data is gone, and descriptions that are not what they should be. The store may be in use.

With --read-data=5% a twentieth of the values is read, another one each time. With --quick nothing
is read: the sizes and checksums that are recorded with each value are compared with those that the
store, or the service behind it, says of it, in at most one request a value. That finds what is
missing, cut short, or was put there by another program. But it takes the store at its word, and a
disk that turns bits over does not know. What was not read is not certified: the last line says
how many were.

Where large values are kept apart from their entries, data that no entry names is a finding too; a
restored backup may leave such data. With --repair it is removed.

Findings are listed on standard output, and the exit code is 3. A corrupt value does no harm: it
counts as absent, and the next put replaces it. With --repair it is moved to the shelf
"quarantine", or removed if nothing of it can be read. One that lies under another one's name
stays, since it may only need its own name back.`,
		Example: `  larder check
  larder check --quick
  larder check --read-data=5%
  larder check --repair`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.read, "read-data", "100%", "read only this `share` of the values, and verify them")
	fl.Lookup("read-data").NoOptDefVal = "100%"
	fl.BoolVar(&f.quick, "quick", false, "read nothing, and trust what the store says of each value")
	fl.BoolVar(&f.repair, "repair", false, "move what is corrupt out of the way")
	fl.BoolVar(&f.json, "json", false, "findings and the report as JSON objects, one a line")
	cmd.MarkFlagsMutuallyExclusive("quick", "read-data")
	cmd.MarkFlagsMutuallyExclusive("quick", "repair")
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
		Quick:  f.quick,
		Repair: f.repair,
		Found: func(found audit.Finding) {
			line.end()
			if err := a.tellFinding(f, found); err != nil && failed == nil {
				failed = err
			}
		},
		Salvaged: func(s backend.Salvaged) {
			line.end()
			if err := a.tellSalvaged(f, s); err != nil && failed == nil {
				failed = err
			}
		},
		Progress: func(r audit.Report) {
			line.show(func() string { return f.checked(r) })
		},
	})
	line.end()
	if err == nil {
		err = failed
	}
	if err == nil {
		var n int
		n, err = a.strays(ctx, store.Backend(), f)
		report.Findings += n
	}
	if err != nil {
		return err
	}
	if f.json {
		r := reportText{f.quick, report.Values, report.Descriptions, report.Read, report.ReadBytes, report.Findings}
		if err := writeJSON(a.stdout, r); err != nil {
			return err
		}
	}
	if report.Findings > 0 {
		return &exitError{exitFindings, fmt.Errorf("%s; %s", f.checked(report), count(report.Findings, "finding"))}
	}
	a.note("%s; no findings", f.checked(report))
	return nil
}

// tellFinding writes a line about a finding.
func (a *app) tellFinding(f *checkFlags, found audit.Finding) error {
	if f.json {
		return writeJSON(a.stdout, struct {
			Key   string `json:"key"`
			Error string `json:"error"`
			Moved bool   `json:"moved"`
			Gone  bool   `json:"removed,omitempty"`
		}{found.Key.String(), reason(found).Error(), found.Moved, found.Gone})
	}
	moved := ""
	switch {
	case found.Moved:
		moved = "; moved out of the way, into quarantine"
	case found.Gone:
		moved = "; removed, since none of its bytes could be read"
	}
	_, err := fmt.Fprintf(a.out(), "%s: %v%s\n", found.Key, reason(found), moved)
	return err
}

// tellSalvaged writes lines about a part of the store that was damaged.
func (a *app) tellSalvaged(f *checkFlags, s backend.Salvaged) error {
	faults := make([]string, len(s.Errors))
	for i, err := range s.Errors {
		faults[i] = err.Error()
	}
	if f.json {
		return writeJSON(a.stdout, struct {
			Part   string   `json:"part"`
			Aside  string   `json:"aside,omitempty"`
			Saved  int      `json:"saved"`
			Lost   int      `json:"lost"`
			Errors []string `json:"errors"`
		}{s.Part, s.Aside, s.Saved, s.Lost, faults})
	}
	did := "nothing of it could be saved, and it stays as it is; put a backup in its place, or move it away"
	if s.Aside != "" {
		did = fmt.Sprintf("%s saved, %d damaged, and those of unreadable pages lost; the damaged file is kept as %s", count(s.Saved, "record"), s.Lost, s.Aside)
	}
	_, err := fmt.Fprintf(a.out(), "%s is damaged: %s\n", s.Part, did)
	for _, fault := range faults {
		if err == nil {
			_, err = fmt.Fprintf(a.out(), "  %s\n", fault)
		}
	}
	return err
}

// reason is what is wrong, without the key once more.
func reason(found audit.Finding) error {
	if e := new(backend.Error); errors.As(found.Err, &e) && e.Key == found.Key {
		return e.Err
	}
	return found.Err
}

// checked says what was looked at, and how much of it was read.
func (f *checkFlags) checked(r audit.Report) string {
	read := "none of them read"
	if f.quick {
		read += "; the store is trusted for what it says of them"
	}
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
	Quick        bool  `json:"quick"` // nothing was read, descriptions neither
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
