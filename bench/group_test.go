package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// steady is a contender's work whose operations all take as long, by what it says.
func steady(each time.Duration) func(int) (measured, error) {
	return func(n int) (measured, error) {
		return measured{wall: each * time.Duration(n), cpu: each * time.Duration(n) / 2}, nil
	}
}

func TestRunPrintsRowsAndRatios(t *testing.T) {
	g := &group{name: "a group", title: "some work"}
	g.add("base", 100, steady(time.Millisecond))
	g.add("us", 100, steady(1500*time.Microsecond))
	g.absent("peer", "not installed")
	g.goals = []goal{{"us", "base", 2}, {"us", "base", 1.2}, {"us", "peer", 1}}
	var out strings.Builder
	if err := g.run(&out, 5, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## a group: some work",
		"us                   1.5ms        1.5ms..1.5ms         750µs     1.50",
		"peer                 not installed",
		"the first one again  1ms ",
		"goal: us at most 2.00 of base: 1.50, reached",
		"goal: us at most 1.20 of base: 1.50, MISSED",
		"goal: us at most 1.00 of peer: not measured",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	if got := len(g.find("us").rounds); got != 5 {
		t.Errorf("us has %d rounds, want 5: the one that warms up does not count", got)
	}
}

func TestRunFails(t *testing.T) {
	g := &group{}
	broken := errors.New("broken")
	g.add("base", 1, func(int) (measured, error) { return measured{}, broken })
	if err := g.run(new(strings.Builder), 3, time.Second); !errors.Is(err, broken) {
		t.Errorf("run = %v, want the contender's error", err)
	}
}

func TestAdapt(t *testing.T) {
	g := &group{contenders: []*contender{
		{name: "quick", n: 1000},
		{name: "slow", n: 1000},
		{name: "whole", n: 50, least: 50},
	}}
	// A tenth took 1 ms, 1 s, and (the whole) 2 s; 9 s for 3 rounds are a second for each contender in each round.
	rounds := g.adapt(3, 9*time.Second, []time.Duration{time.Millisecond, time.Second, 2 * time.Second})
	var got []int
	for _, c := range g.contenders {
		got = append(got, c.n)
	}
	if want := []int{1000, 100, 50}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || rounds != 3 {
		t.Errorf("adapt = %d rounds of %v operations, want 3 of %v", rounds, got, want)
	}
	for _, test := range []struct {
		rounds, most int
		budget, took time.Duration
		want         int
	}{
		{7, 0, 10 * time.Second, time.Second, 7},
		{7, 5, 10 * time.Second, time.Second, 5},
		{7, 0, 5 * time.Second, time.Second, 5},
		{7, 0, 2 * time.Second, time.Second, 3},
		{7, 0, time.Second, 2 * time.Second, 2},
		{7, 1, time.Second, 2 * time.Second, 1},
	} {
		g := &group{most: test.most, contenders: []*contender{{n: 1, least: 1}}}
		if got := g.adapt(test.rounds, test.budget, []time.Duration{test.took}); got != test.want {
			t.Errorf("adapt(%d rounds, at most %d, %v) with rounds of %v = %d, want %d", test.rounds, test.most, test.budget, test.took, got, test.want)
		}
	}
}

func TestFleetAddsUp(t *testing.T) {
	m := measuredOf(2*time.Second, []lap{
		{Ops: 10, Puts: 10, In: time.Second, Max: 300 * time.Millisecond, CPU: time.Millisecond},
		{Ops: 30, Puts: 30, In: time.Second, Max: 100 * time.Millisecond, CPU: 2 * time.Millisecond},
	})
	want := measured{wall: 2 * time.Second, cpu: 3 * time.Millisecond, ops: 40, share: 0.5, worst: 300 * time.Millisecond, put: 50 * time.Millisecond}
	if m != want {
		t.Errorf("measuredOf = %+v, want %+v", m, want)
	}
	idle := measuredOf(time.Second, []lap{{}, {}})
	if idle.ops != 1 || idle.share != 0 {
		t.Errorf("of a fleet that did nothing: %+v", idle)
	}
}

func TestFairness(t *testing.T) {
	g := &group{}
	fleet := func(share float64, worst time.Duration) func(int) (measured, error) {
		return func(int) (measured, error) {
			return measured{wall: time.Second, ops: 1000, share: share, worst: worst, put: time.Millisecond}, nil
		}
	}
	g.add("base", 2000, fleet(1, 2*time.Millisecond))
	g.add("us", 2000, fleet(0.5, 30*time.Millisecond))
	g.fair = []fairness{{"us", 0.6, 20}, {"us", 0.4, 40}}
	var out strings.Builder
	if err := g.run(&out, 3, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"slowest 0.50 of its share, longest put 30.0 commits",
		"the slowest at least 0.60 of its share: 0.50, MISSED",
		"the longest put at most 20 of the base's: 30.00, MISSED",
		"the slowest at least 0.40 of its share: 0.50, reached",
		"the longest put at most 40 of the base's: 30.00, reached",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestChoose(t *testing.T) {
	all := []entry{{name: "a hit"}, {name: "a fleet", more: true}, {name: "Postgres: hit", more: true, asked: true}}
	for _, test := range []struct {
		f    flags
		want string
	}{
		{flags{}, "a hit"},
		{flags{full: true}, "a hit,a fleet"},
		{flags{only: "hit"}, "a hit,Postgres: hit"},
		{flags{only: "fleet"}, "a fleet"},
		{flags{only: "nothing", full: true}, ""},
	} {
		var got []string
		for _, e := range choose(all, test.f) {
			got = append(got, e.name)
		}
		if strings.Join(got, ",") != test.want {
			t.Errorf("choose(%+v) = %v, want %s", test.f, got, test.want)
		}
	}
	seen := map[string]bool{}
	for _, e := range groups() {
		if seen[e.name] {
			t.Errorf("two groups are called %q: -compare could not tell them apart", e.name)
		}
		seen[e.name] = true
	}
}
