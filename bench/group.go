package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// group is contenders that do the same work.
type group struct {
	title      string
	contenders []*contender
	goals      []goal
	notes      []string
	most       int // rounds at the most, for what takes long; 0 is no bound
	cleanup    []func()
}

// contender does n operations in a round.
type contender struct {
	name string
	n    int
	do   func(n int) (measured, error) // timed: it measures itself
	bad  string                        // why it does not take part

	rounds []measured // per operation
}

// measured is what a round took.
type measured struct{ wall, cpu time.Duration }

// goal is a bound on the ratio of two contenders' wall time.
type goal struct {
	us, than string
	atMost   float64
}

// timed measures a contender in this process.
func timed(f func(n int) error) func(n int) (measured, error) {
	return func(n int) (measured, error) {
		cpu, start := cpuTime(), time.Now()
		err := f(n)
		return measured{time.Since(start), cpuTime() - cpu}, err
	}
}

func (g *group) add(name string, n int, do func(n int) (measured, error)) {
	g.contenders = append(g.contenders, &contender{name: name, n: n, do: do})
}

func (g *group) absent(name, why string) {
	g.contenders = append(g.contenders, &contender{name: name, bad: why})
}

func (g *group) onClose(f func()) { g.cleanup = append(g.cleanup, f) }

func (g *group) close() {
	for _, f := range slices.Backward(g.cleanup) {
		f()
	}
}

func (g *group) run(rounds int) error {
	if g.most > 0 {
		rounds = min(rounds, g.most)
	}
	for round := range rounds + 1 { // the first one warms up
		for i := range g.contenders {
			c := g.contenders[(i+round)%len(g.contenders)]
			if c.bad != "" {
				continue
			}
			runtime.GC()
			m, err := c.do(c.n)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				c.rounds = append(c.rounds, measured{m.wall / time.Duration(c.n), m.cpu / time.Duration(c.n)})
			}
		}
	}
	return nil
}

// median of a figure over the rounds, with its extremes.
func (c *contender) median(figure func(measured) time.Duration) (low, mid, high time.Duration) {
	var all []time.Duration
	for _, m := range c.rounds {
		all = append(all, figure(m))
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

func wall(m measured) time.Duration { return m.wall }
func cpu(m measured) time.Duration  { return m.cpu }

func (g *group) find(name string) *contender {
	for _, c := range g.contenders {
		if c.name == name {
			return c
		}
	}
	panic("bench: no contender " + name)
}

func (g *group) print(w io.Writer) {
	fmt.Fprintf(w, "## %s\n\n", g.title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "who\twall per op\tmin..max\tuser+sys\tratio")
	first := g.contenders[0]
	for _, c := range g.contenders {
		if c.bad != "" {
			fmt.Fprintf(t, "%s\t-\t\t\t%s\n", c.name, c.bad)
			continue
		}
		low, mid, high := c.median(wall)
		_, busy, _ := c.median(cpu)
		_, ref, _ := first.median(wall)
		fmt.Fprintf(t, "%s\t%v\t%v..%v\t%v\t%.2f\n", c.name, short(mid), short(low), short(high), short(busy), float64(mid)/float64(ref))
	}
	t.Flush()
	for _, goal := range g.goals {
		us, than := g.find(goal.us), g.find(goal.than)
		if us.bad != "" || than.bad != "" {
			fmt.Fprintf(w, "goal: %s at most %.2f of %s: not measured\n", goal.us, goal.atMost, goal.than)
			continue
		}
		_, a, _ := us.median(wall)
		_, b, _ := than.median(wall)
		verdict := "reached"
		if ratio := float64(a) / float64(b); ratio > goal.atMost {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "goal: %s at most %.2f of %s: %.2f, %s\n", goal.us, goal.atMost, goal.than, float64(a)/float64(b), verdict)
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

func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
