package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// A change is one if it is larger than this, whatever the rounds say: code moves by some percent when
// anything beside it changes. Fewer rounds than fewest say nothing about their spread.
const (
	leastChange = 0.05
	fewest      = 3
)

// change is a contender whose ratio to the base of its group differs from an earlier run's.
type change struct {
	group, name string
	was, is     contenderReport
}

func (c change) factor() float64 { return c.is.Ratio / c.was.Ratio }

func (c change) String() string {
	return fmt.Sprintf("%s: %s: %.2f of the base, was %.2f (%+.0f%%)", c.group, c.name, c.is.Ratio, c.was.Ratio, 100*(c.factor()-1))
}

// comparison is two reports side by side.
type comparison struct {
	slower, faster []change
	same           int      // contenders without a change beyond noise
	apart          []string // what only one of them measured, or measured otherwise
}

// compare matches contenders by group and name. Machines differ, so it compares each with the base of its group, which
// ran in the same rounds. The ratio has changed if the ranges over both runs' rounds do not touch, and the
// medians differ by more than the base differed from itself in either run.
func compare(was, is *report) comparison {
	var c comparison
	for _, g := range is.Groups {
		i := slices.IndexFunc(was.Groups, func(o groupReport) bool { return o.Name == g.Name })
		if i < 0 {
			c.apart = append(c.apart, g.Name+": not in the earlier run")
			continue
		}
		c.compareGroups(was.Groups[i], g)
	}
	for _, g := range was.Groups {
		if !slices.ContainsFunc(is.Groups, func(o groupReport) bool { return o.Name == g.Name }) {
			c.apart = append(c.apart, g.Name+": not in this run")
		}
	}
	largest := func(a, b change) int {
		return cmp.Compare(math.Abs(math.Log(b.factor())), math.Abs(math.Log(a.factor())))
	}
	slices.SortStableFunc(c.slower, largest)
	slices.SortStableFunc(c.faster, largest)
	return c
}

func (c *comparison) compareGroups(was, is groupReport) {
	if was.Title != is.Title {
		c.apart = append(c.apart, fmt.Sprintf("%s: other work: %q, was %q", is.Name, is.Title, was.Title))
		return
	}
	if len(was.Contenders) == 0 || len(is.Contenders) == 0 || was.Contenders[0].Name != is.Contenders[0].Name {
		c.apart = append(c.apart, is.Name+": another base")
		return
	}
	noise := max(was.noise(), is.noise())
	for _, row := range is.Contenders[1:] {
		old, ok := was.find(row.Name)
		switch {
		case row.Name == again:
		case !ok:
			c.apart = append(c.apart, fmt.Sprintf("%s: %s: not in the earlier run", is.Name, row.Name))
		case row.Ratio == 0 || old.Ratio == 0:
			c.apart = append(c.apart, fmt.Sprintf("%s: %s: not measured", is.Name, row.Name))
		case min(row.Rounds, old.Rounds) < fewest:
			c.apart = append(c.apart, fmt.Sprintf("%s: %s: %d and %d rounds, of which %d are needed; give it more -time", is.Name, row.Name, old.Rounds, row.Rounds, fewest))
		default:
			c.add(change{is.Name, row.Name, old, row}, noise)
		}
	}
	for _, old := range was.Contenders {
		if _, ok := is.find(old.Name); !ok {
			c.apart = append(c.apart, fmt.Sprintf("%s: %s: not in this run", is.Name, old.Name))
		}
	}
}

func (c *comparison) add(ch change, noise float64) {
	beyond := math.Abs(math.Log(ch.factor())) > math.Log1p(max(noise, leastChange))
	switch {
	case beyond && ch.is.RatioLow > ch.was.RatioHigh:
		c.slower = append(c.slower, ch)
	case beyond && ch.is.RatioHigh < ch.was.RatioLow:
		c.faster = append(c.faster, ch)
	default:
		c.same++
	}
}

// noise is by how much the base differed from itself.
func (g groupReport) noise() float64 {
	row, ok := g.find(again)
	if !ok || row.Ratio <= 0 {
		return 0
	}
	return math.Exp(math.Abs(math.Log(row.Ratio))) - 1
}

func (g groupReport) find(name string) (contenderReport, bool) {
	for _, c := range g.Contenders {
		if c.Name == name {
			return c, true
		}
	}
	return contenderReport{}, false
}

func (c comparison) print(w io.Writer, was, is *report) {
	fmt.Fprintf(w, "## compared with %s, %s\n\n", was.Date.Format("2006-01-02 15:04"), was)
	if was.Busy != is.Busy {
		fmt.Fprintf(w, "beside %d busy loops now, and %d then: ratios may differ by that alone\n", is.Busy, was.Busy)
	}
	for _, part := range []struct {
		word    string
		changes []change
	}{{"slower", c.slower}, {"faster", c.faster}} {
		for _, ch := range part.changes {
			fmt.Fprintf(w, "%s: %v\n", part.word, ch)
		}
	}
	for _, text := range c.apart {
		fmt.Fprintf(w, "not compared: %s\n", text)
	}
	fmt.Fprintf(w, "%d slower, %d faster, %d unchanged within noise\n", len(c.slower), len(c.faster), c.same)
}
