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
func Info(w io.Writer, src Source) error {
	t := src.Head()
	sums := src.Summaries()
	first, err := firstRow(src)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	facts := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(facts, "format\t%s\n", strings.TrimSpace(t.Format.String()+" "+t.Version))
	if t.Label != "" {
		fmt.Fprintf(facts, "label\t%s\n", cut(t.Label))
	}
	fmt.Fprintf(facts, "rows\t%d%s\n", t.Rows(), declared(t))
	s, err := span(src, sums)
	if err != nil {
		return err
	}
	if s != "" {
		fmt.Fprintf(facts, "time\t%s\n", s)
	}
	if n := t.Sweeps(); n > 0 && (t.HasTimeColumn() || t.Format != readers.ATF) { // no table of results
		fmt.Fprintf(facts, "sweeps\t%d of %s\n", n, signals(t))
	}
	if n := src.CommentCount(); n > 0 {
		row, text, err := firstComment(src)
		if err != nil {
			return err
		}
		fmt.Fprintf(facts, "comments\t%s, the first behind row %d: %q\n", rowsOf(n), row, cut(text))
	}
	facts.Flush()
	columns(&b, t, sums, first)
	curveList(&b, t)
	headers(&b, t)
	warnings(&b, t)
	_, err = w.Write(b.Bytes())
	return err
}

func declared(t *readers.Table) string {
	if t.DeclaredRows >= 0 && t.DeclaredRows != t.Rows() {
		return fmt.Sprintf(" of %d declared", t.DeclaredRows)
	}
	return ""
}

func rowsOf(n int) string {
	if n == 1 {
		return "of 1 row"
	}
	return fmt.Sprintf("of %d rows", n)
}

// firstRow returns the cells of text of the first row, by column.
func firstRow(src Source) ([]string, error) {
	first := make([]string, len(src.Head().Columns))
	for b, err := range src.Blocks() {
		if err != nil {
			return nil, err
		}
		for c, cells := range b.Text {
			if len(cells) > 0 {
				first[c] = cells[0]
			}
		}
		break
	}
	return first, nil
}

// firstComment returns the first row with a comment, counted from 0.
func firstComment(src Source) (row int, text string, err error) {
	for b, err := range src.Blocks() {
		if err != nil {
			return 0, "", err
		}
		for row := range b.Rows {
			if text, ok := b.Comments[row]; ok {
				return b.First + row, text, nil
			}
		}
	}
	return 0, "", nil
}

// span says from when to when, and in what steps.
func span(src Source, sums []readers.Summary) (string, error) {
	t := src.Head()
	n, c := t.Rows(), t.TimeColumn()
	units := ""
	if u := t.TimeUnits(); u != "" {
		units = " " + u
	}
	switch {
	case n == 0:
		return "", nil
	case t.Step > 0 && c < 0:
		return fmt.Sprintf("0 to %.6g%s, every %.6g%s", float64(n-1)*t.Step, units, t.Step, units), nil
	case c < 0 || t.Columns[c].Kind != readers.Float64:
		return "", nil
	}
	first, last := sums[c].First, sums[c].Last
	s := fmt.Sprintf("%.6g to %.6g%s", first, last, units)
	if n < 2 || t.Format == readers.AER || t.Format == readers.BrianSpikes { // events have no interval
		return s, nil
	}
	dt := (last - first) / float64(n-1)
	s += fmt.Sprintf(", every %.6g%s", dt, units)
	deviation := 0.0
	for b, err := range src.Blocks() {
		if err != nil {
			return "", err
		}
		for i, v := range b.Float[c][:b.Rows] {
			deviation = max(deviation, math.Abs(v-(first+float64(b.First+i)*dt)))
		}
	}
	if deviation > math.Abs(dt)/1000 {
		s += fmt.Sprintf(" (uneven, by up to %.3g%s)", deviation, units)
	}
	return s, nil
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

func columns(b *bytes.Buffer, t *readers.Table, sums []readers.Summary, first []string) {
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
		fmt.Fprintf(out, "  %d\t%s\t%s\n", c, cut(title(t, c)), content(t, c, sums[c], first[c]))
	}
	out.Flush()
}

// content sums up a column.
func content(t *readers.Table, col int, sum readers.Summary, first string) string {
	switch {
	case t.Columns[col].Kind == readers.Unread:
		return "not read"
	case t.Rows() == 0:
		return "empty"
	case t.Columns[col].Kind == readers.Text:
		return fmt.Sprintf("text, first %q", cut(first))
	case sum.NaNs == t.Rows():
		return "all NaN"
	}
	s := fmt.Sprintf("%.6g to %.6g", sum.Min, sum.Max)
	if sum.NaNs > 0 {
		s += fmt.Sprintf(", %d NaN", sum.NaNs)
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
