package export

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/larder-store/larder/readers"
)

// What fits on a screen at a glance.
const (
	shownColumns  = 24
	shownCurves   = 24
	shownWarnings = 12
	shownWidth    = 60
)

// Info writes what is in a file at a glance: format, rows, time, sweeps and signals,
// every column with its range, the header records, the warnings.
func Info(w io.Writer, t *readers.Table) error {
	var b bytes.Buffer
	facts := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(facts, "format\t%s\n", strings.TrimSpace(t.Format.String()+" "+t.Version))
	if t.Label != "" {
		fmt.Fprintf(facts, "label\t%s\n", cut(t.Label))
	}
	fmt.Fprintf(facts, "rows\t%d%s\n", t.Rows(), declared(t))
	if s := span(t); s != "" {
		fmt.Fprintf(facts, "time\t%s\n", s)
	}
	if n := t.Sweeps(); n > 0 && (t.HasTimeColumn() || t.Format != readers.ATF) { // no table of results
		fmt.Fprintf(facts, "sweeps\t%d of %s\n", n, signals(t))
	}
	facts.Flush()
	columns(&b, t)
	curveList(&b, t)
	headers(&b, t)
	warnings(&b, t)
	_, err := w.Write(b.Bytes())
	return err
}

func declared(t *readers.Table) string {
	if t.DeclaredRows >= 0 && t.DeclaredRows != t.Rows() {
		return fmt.Sprintf(" of %d declared", t.DeclaredRows)
	}
	return ""
}

// span tells from when to when, and in what steps.
func span(t *readers.Table) string {
	times, err := t.Time()
	if err != nil || len(times) == 0 {
		return ""
	}
	units := t.TimeUnits()
	if units != "" {
		units = " " + units
	}
	s := fmt.Sprintf("%.6g to %.6g%s", times[0], times[len(times)-1], units)
	dt, deviation, err := t.SampleInterval()
	if err != nil {
		return s
	}
	s += fmt.Sprintf(", every %.6g%s", dt, units)
	if deviation > math.Abs(dt)/1000 {
		s += fmt.Sprintf(" (uneven, by up to %.3g%s)", deviation, units)
	}
	return s
}

func signals(t *readers.Table) string {
	all := t.Signals()
	var names []string
	for i, s := range all {
		if i == 8 {
			names = append(names, "...")
			break
		}
		name := s.Name
		if name == "" {
			name = "unnamed"
		}
		if s.Units != "" {
			name += " (" + s.Units + ")"
		}
		names = append(names, name)
	}
	word := "signals"
	if len(all) == 1 {
		word = "signal"
	}
	return fmt.Sprintf("%d %s: %s", len(all), word, strings.Join(names, ", "))
}

func columns(b *bytes.Buffer, t *readers.Table) {
	if len(t.Columns) == 0 {
		return
	}
	b.WriteString("\ncolumns\n")
	out := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for c := range t.Columns {
		if c == shownColumns {
			fmt.Fprintf(out, "  and %d more\n", len(t.Columns)-c)
			break
		}
		fmt.Fprintf(out, "  %d\t%s\t%s\n", c, cut(title(t, c)), content(t, c))
	}
	out.Flush()
}

// content sums up a column.
func content(t *readers.Table, col int) string {
	switch {
	case t.Columns[col].Kind == readers.Unread:
		return "not read"
	case t.Rows() == 0:
		return "empty"
	case t.Columns[col].Kind == readers.Text:
		return fmt.Sprintf("text, first %q", cut(t.Text[col][0]))
	}
	low, high, nans := math.Inf(1), math.Inf(-1), 0
	for _, v := range t.Float[col] {
		if math.IsNaN(v) {
			nans++
			continue
		}
		low, high = min(low, v), max(high, v)
	}
	s := fmt.Sprintf("%.6g to %.6g", low, high)
	switch {
	case nans == t.Rows():
		return "all NaN"
	case nans > 0:
		s += fmt.Sprintf(", %d NaN", nans)
	}
	return s
}

func curveList(b *bytes.Buffer, t *readers.Table) {
	if len(t.Curves) == 0 {
		return
	}
	b.WriteString("\ncurves\n")
	for i, c := range t.Curves {
		if i == shownCurves {
			fmt.Fprintf(b, "  and %d more\n", len(t.Curves)-i)
			break
		}
		fmt.Fprintf(b, "  %d points  %s\n", len(c.X), cut(c.Label))
	}
}

func headers(b *bytes.Buffer, t *readers.Table) {
	if len(t.Headers) == 0 {
		return
	}
	b.WriteString("\nheader\n")
	for _, h := range t.Headers {
		value := strings.Join(append([]string{h.Value}, h.Fields...), " ")
		if h.Key == "" {
			fmt.Fprintf(b, "  %s\n", cut(value))
			continue
		}
		fmt.Fprintf(b, "  %s = %s\n", cut(h.Key), cut(strings.TrimSpace(value)))
	}
}

func warnings(b *bytes.Buffer, t *readers.Table) {
	if len(t.Warnings) == 0 {
		return
	}
	b.WriteString("\nwarnings\n")
	for i, w := range t.Warnings {
		if i == shownWarnings {
			fmt.Fprintf(b, "  and %d more\n", len(t.Warnings)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", w)
	}
}

// cut makes text from a file fit for a line of a terminal: short, and without control
// characters.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > shownWidth {
		return string(r[:shownWidth-3]) + "..."
	}
	return s
}
