package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// group is contenders that do the same work. The first is the base of the ratios.
type group struct {
	name       string // of its entry
	title      string
	contenders []*contender
	goals      []goal
	fair       []fairness
	notes      []string
	most       int // rounds at the most, for what takes long; 0 is no bound
	cleanup    []func()
}

// contender does n operations in a round.
type contender struct {
	name  string
	n     int
	least int                           // n is lowered to it at the least, where time is short; 0 is 1, n for what is always whole
	do    func(n int) (measured, error) // timed: it measures itself
	bad   string                        // why it does not take part

	rounds []measured // per operation
}

// measured is what a round took.
type measured struct {
	wall, cpu time.Duration
	ops       int // how many operations that were, if not n

	// Of a fleet of processes:
	share float64       // of the mean that the slowest made
	worst time.Duration // the longest put
	put   time.Duration // the mean put
}

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
		return measured{wall: time.Since(start), cpu: cpuTime() - cpu}, err
	}
}

func (g *group) add(name string, n int, do func(n int) (measured, error)) {
	g.contenders = append(g.contenders, &contender{name: name, n: n, do: do})
}

// addWhole adds a contender that does all n whatever time there is.
func (g *group) addWhole(name string, n int, do func(n int) (measured, error)) {
	g.contenders = append(g.contenders, &contender{name: name, n: n, least: n, do: do})
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

// again is the name of the base's second entry, whose ratio shows the machine's noise.
const again = "the first one again"

// run measures all contenders and prints their rows, as the last round yields them.
func (g *group) run(w io.Writer, rounds int, budget time.Duration) error {
	if base := g.contenders[0]; base.bad == "" {
		g.contenders = append(g.contenders, &contender{name: again, n: base.n, least: base.least, do: base.do})
	}
	g.printHead(w)
	elapsed := make([]time.Duration, len(g.contenders))
	if g.most != 1 { // a round that warms up, and shows how long one takes
		for i, c := range g.contenders {
			start := time.Now()
			if err := c.round(max(c.n/10, c.least, 1), false); err != nil {
				return err
			}
			elapsed[i] = time.Since(start)
		}
	}
	rounds = g.adapt(rounds, budget, elapsed)
	for round := range rounds {
		last := round == rounds-1
		for i := range g.contenders {
			c := g.contenders[(i+rounds-1-round)%len(g.contenders)] // rotated; in order at last
			if err := c.round(c.n, true); err != nil {
				return err
			}
			if last {
				g.printRow(w, c)
			}
		}
	}
	g.printFoot(w)
	return nil
}

// adapt lowers each contender's operations to its share of the budget, given how long a tenth of them took, and
// returns how many rounds there is time for: three at the least, or two if one takes more than the budget.
func (g *group) adapt(rounds int, budget time.Duration, tenth []time.Duration) int {
	if g.most > 0 {
		rounds = min(rounds, g.most)
	}
	var total time.Duration // of one round
	for i, c := range g.contenders {
		slot := budget / time.Duration(rounds*len(g.contenders))
		did := max(c.n/10, c.least, 1)
		whole := time.Duration(float64(tenth[i]) * float64(c.n) / float64(max(did, 1)))
		if whole > slot {
			n := max(int(float64(c.n)*float64(slot)/float64(whole)), c.least, 1)
			whole = time.Duration(float64(whole) * float64(n) / float64(max(c.n, 1)))
			c.n = min(n, c.n)
		}
		total += whole
	}
	if total <= 0 {
		return rounds
	}
	least := 3
	if total > budget {
		least = 2
	}
	return min(rounds, max(least, int(budget/total)))
}

func (c *contender) round(n int, counts bool) error {
	if c.bad != "" {
		return nil
	}
	runtime.GC()
	m, err := c.do(n)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if m.ops > 0 {
		n = m.ops
	}
	if counts {
		m.wall /= time.Duration(n)
		m.cpu /= time.Duration(n)
		c.rounds = append(c.rounds, m)
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
func put(m measured) time.Duration  { return m.put }

// ratio is the median wall time as a multiple of the base's, and the lowest and the highest that rounds gave: of five
// and more, one at each end may be an accident, and does not count.
func (c *contender) ratio(base *contender) (low, mid, high float64) {
	var all []float64
	for i := range min(len(c.rounds), len(base.rounds)) {
		all = append(all, float64(c.rounds[i].wall)/float64(max(base.rounds[i].wall, 1)))
	}
	slices.Sort(all)
	if len(all) >= 5 {
		all = all[1 : len(all)-1]
	}
	_, us, _ := c.median(wall)
	_, ref, _ := base.median(wall)
	mid = float64(us) / float64(max(ref, 1))
	return min(all[0], mid), mid, max(all[len(all)-1], mid)
}

// fairly returns what the slowest process of a fleet made of its share, the median, and the longest put of all rounds.
func (c *contender) fairly() (share float64, worst time.Duration) {
	var shares []float64
	for _, m := range c.rounds {
		shares = append(shares, m.share)
		worst = max(worst, m.worst)
	}
	slices.Sort(shares)
	return shares[len(shares)/2], worst
}

func (g *group) find(name string) *contender {
	for _, c := range g.contenders {
		if c.name == name {
			return c
		}
	}
	panic("bench: no contender " + name)
}
