package main

import (
	"fmt"
	"io"
	"time"
)

func (g *group) printHead(w io.Writer) {
	fmt.Fprintf(w, "## %s: %s\n\n", g.name, g.title)
	fmt.Fprintf(w, "%-*s  %-11s  %-19s  %-8s  ratio\n", g.width(), "who", "wall per op", "min..max", "user+sys")
}

// width of the column of names.
func (g *group) width() int {
	n := 0
	for _, c := range g.contenders {
		n = max(n, len(c.name))
	}
	return n
}

func (g *group) printRow(w io.Writer, c *contender) {
	if c.bad != "" {
		fmt.Fprintf(w, "%-*s  %s\n", g.width(), c.name, c.bad)
		return
	}
	r := g.row(c)
	fmt.Fprintf(w, "%-*s  %-11v  %-19s  %-8v  %.2f", g.width(), c.name, short(r.Median), fmt.Sprintf("%v..%v", short(r.Low), short(r.High)), short(r.CPU), r.Ratio)
	if g.row(g.contenders[0]).Share > 0 { // these are fleets
		fmt.Fprintf(w, "   slowest %.2f of its share", r.Share)
	}
	if r.Worst > 0 {
		fmt.Fprintf(w, ", longest put %.1f commits", r.Worst)
	}
	fmt.Fprintln(w)
}

func (g *group) printFoot(w io.Writer) {
	for _, goal := range g.report().Goals {
		if goal.Value == 0 {
			fmt.Fprintf(w, "goal: %s: %s\n", goal.Text, goal.Verdict)
			continue
		}
		fmt.Fprintf(w, "goal: %s: %.2f, %s\n", goal.Text, goal.Value, goal.Verdict)
	}
	for _, note := range g.notes {
		fmt.Fprintln(w, note)
	}
	fmt.Fprintln(w)
}

// short shows three digits of a duration.
func short(d time.Duration) string {
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
}
