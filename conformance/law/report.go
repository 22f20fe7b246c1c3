package law

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Status is how a law fared.
type Status string

// The statuses of a [Result].
const (
	Running Status = "running" // for Config.Progress alone
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Result is what became of one law.
type Result struct {
	Name    string        `json:"name"`
	Rule    string        `json:"rule"`
	Status  Status        `json:"status"`
	Why     string        `json:"why,omitempty"`         // how it was broken, or the reason for skipping
	Seed    uint64        `json:"seed,omitempty,string"` // replays a failure
	Elapsed time.Duration `json:"elapsed_ns"`
}

// String is one line, and for a broken law the rule, what happened and how to see it again.
func (r Result) String() string {
	line := fmt.Sprintf("%-8s %-32s", r.Status, r.Name)
	switch r.Status {
	case Passed:
		return line + " " + r.Elapsed.Round(time.Millisecond).String()
	case Skipped:
		return line + " " + r.Why
	case Failed:
		return fmt.Sprintf("%s\n  law:  %s\n  but:  %s\n  seed: %d", strings.TrimRight(line, " "),
			r.Rule, strings.ReplaceAll(strings.TrimSpace(r.Why), "\n", "\n        "), r.Seed)
	}
	return strings.TrimRight(line, " ")
}

// Report is what became of all laws of a tier.
type Report struct {
	Tier    Tier          `json:"tier"`
	Seed    uint64        `json:"seed,string"`
	Elapsed time.Duration `json:"elapsed_ns"` // of all together; several are tried at a time
	Results []Result      `json:"results"`    // in the order of [Laws]
}

// Count returns how many laws have a status.
func (r Report) Count(s Status) int {
	n := 0
	for _, res := range r.Results {
		if res.Status == s {
			n++
		}
	}
	return n
}

// Err returns an error that names the broken laws, or nil if there are none.
func (r Report) Err() error {
	var broken []string
	for _, res := range r.Results {
		if res.Status == Failed {
			broken = append(broken, res.Name)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d laws are broken: %s", len(broken), len(r.Results), strings.Join(broken, ", "))
}

// FirstCause is a line that says with which law to begin, where so many are broken that most of them
// follow from one; else "".
func (r Report) FirstCause() string {
	const many = 5
	n := r.Count(Failed)
	if n < many {
		return ""
	}
	for _, res := range r.Results {
		if res.Status == Failed {
			why, _, _ := strings.Cut(strings.TrimSpace(res.Why), "\n")
			return fmt.Sprintf("%d laws are broken, and what fails early explains what fails late: begin with %s: %s", n, res.Name, why)
		}
	}
	return ""
}

// WriteText writes what was skipped and why, what was broken and how, and the sum.
func (r Report) WriteText(w io.Writer) error {
	var text strings.Builder
	for _, status := range []Status{Skipped, Failed} {
		for _, res := range r.Results {
			if res.Status == status {
				fmt.Fprintln(&text, res)
			}
		}
	}
	fmt.Fprintf(&text, "%d laws, tier %s, seed %d: %d passed, %d failed, %d skipped in %v\n", len(r.Results), r.Tier, r.Seed,
		r.Count(Passed), r.Count(Failed), r.Count(Skipped), r.Elapsed.Round(time.Millisecond))
	if first := r.FirstCause(); first != "" {
		fmt.Fprintln(&text, first)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
