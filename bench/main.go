// Command bench puts Larder beside the raw engines that it stands on and beside
// its peers, in one run, and prints tables of ratios:
//
//	go run ./bench                          a representative choice, in under 5 minutes
//	go run ./bench -full                    everything, with more work in each round
//	go run ./bench -only 'processes: puts'  the groups whose names contain that; -list shows all
//	go run ./bench -json new.json -compare old.json
//	go run ./bench -busy 2                  beside two processes that keep a core busy each
//
// Every figure is the median over rounds; in a round all contenders of a group run once,
// in rotated order, after a garbage collection. CPU is user+sys of the process, and
// of the peer where that is another one. Machines are noisy, and disks differ: read
// the ratios, not the times. The first contender of each group runs twice in each round: the ratio of
// its second row is what the machine's noise makes of 1.00. Peers in Python run if some python3 can
// import them (Debian: python3-joblib python3-diskcache python3-numpy); else their rows say so.
//
// The time that -time leaves is shared out among the groups that are still to come. A first round
// warms up with a tenth of the work; from what it took, each contender gets as many operations (a fleet of
// processes as long a window) as fit its share of -rounds rounds, and there are fewer rounds, but
// three (two if one takes longer than all should), if some contender cannot do less.
//
// Of -compare the package's comment on compare says what counts as a change. The exit code is 1 if a contender
// failed; a goal that was missed, or what got slower, is shown and no failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

// entry is a group that can be run.
type entry struct {
	name  string // short, and the same in each version: -only and -compare know it
	more  bool   // runs with -full or -only only
	asked bool   // runs with -only only
	build func(*bench) (*group, error)
}

// groups are all groups in the order in which they run.
func groups() []entry {
	all := []entry{
		{name: "hit of a known key", build: hitOfAKnownKey},
		{name: "memo hit", build: memoHit},
		{name: "large hit into a slice", build: bigHit},
		{name: "large hit", build: bigFreshHit},
		{name: "mapped hit", build: mappedHit},
		{name: "puts by goroutines", build: groupedPuts},
		{name: "described put", build: describedPut},
		{name: "put with max_size", build: limitedPut},
		{name: "hit noted as a use", build: markedHit},
		{name: "hit of a tier", build: tierHit},
	}
	all = append(all, fleets()...)
	all = append(all, []entry{
		{name: "stream", build: stream},
		{name: "whole process", build: wholeProcess},
		{name: "many stages", build: manyStages},
		{name: "session puts", build: sessionPuts},
		{name: "collating", build: collating},
		{name: "cp between shelves, large", build: copyingLarge},
		{name: "cp between shelves, small", build: copyingSmall},
	}...)
	return append(all, postgresGroups()...)
}

// flags are the command's.
type flags struct {
	rounds        int
	only, dir     string
	json, compare string
	full, list    bool
	busy          int
	time          time.Duration
}

func main() {
	if len(os.Args) > 1 {
		if work, ok := workers[os.Args[1]]; ok { // this process is one of a group's own
			exit(work(os.Args[2:]))
		}
	}
	var f flags
	flag.IntVar(&f.rounds, "rounds", 7, "rounds per group at the most")
	flag.StringVar(&f.only, "only", "", "run only the groups whose names contain `text`")
	flag.BoolVar(&f.list, "list", false, "print the names of all groups, and run none")
	flag.BoolVar(&f.full, "full", false, "run all groups but those about Postgres, with more work in each (then -time is 30m unless given)")
	flag.DurationVar(&f.time, "time", 210*time.Second, "about how long to measure in all")
	flag.IntVar(&f.busy, "busy", 0, "keep so many cores busy beside")
	flag.StringVar(&f.json, "json", "", "write the report to a `file`, too")
	flag.StringVar(&f.compare, "compare", "", "say what got slower or faster beyond noise than in a `file` that -json wrote")
	flag.StringVar(&f.dir, "dir", "", "where stores are made (default: a temporary directory)")
	flag.Parse()
	given := false
	flag.Visit(func(of *flag.Flag) { given = given || of.Name == "time" })
	if f.full && !given {
		f.time = 30 * time.Minute
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, f))
}

func run(ctx context.Context, f flags) error {
	chosen := choose(groups(), f)
	if f.list {
		for _, e := range groups() {
			fmt.Println(e.name)
		}
		return nil
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no group's name contains %q; see -list", f.only)
	}
	var old *report
	var err error
	if f.compare != "" { // a file that cannot be read is known before the minutes
		if old, err = readReport(f.compare); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(f.dir, "larder-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, full: f.full, peers: newPeers(dir)}
	defer b.peers.stop()
	quiet, err := startBusy(f.busy)
	defer quiet()
	if err != nil {
		return err
	}

	r := newReport(f.busy, f.full)
	fmt.Println(r)
	fmt.Println()
	end := time.Now().Add(f.time)
	for i, e := range chosen {
		share := max(time.Until(end)/time.Duration(len(chosen)-i), time.Second)
		group, err := b.measure(e, f.rounds, share)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", e.name, err), r.writeTo(f.json))
		}
		r.Groups = append(r.Groups, group)
	}
	if old != nil {
		compare(old, r).print(os.Stdout, old, r)
	}
	return r.writeTo(f.json)
}

// choose returns the entries that the flags ask for.
func choose(all []entry, f flags) []entry {
	var chosen []entry
	for _, e := range all {
		if f.only != "" && !strings.Contains(e.name, f.only) || f.only == "" && (e.asked || e.more && !f.full) {
			continue
		}
		chosen = append(chosen, e)
	}
	return chosen
}

// measure runs one group, and prints its table, in about the time that is its share.
func (b *bench) measure(e entry, rounds int, share time.Duration) (groupReport, error) {
	start := time.Now()
	g, err := e.build(b)
	if err != nil {
		return groupReport{}, err
	}
	defer g.close()
	g.name = e.name
	if err := g.run(os.Stdout, rounds, max(share-time.Since(start), share/2)); err != nil {
		return groupReport{}, err
	}
	return g.report(), nil
}

// bench is what the groups share.
type bench struct {
	ctx   context.Context
	dir   string
	full  bool
	peers *peers
}

// size is how much there is to do: less, unless all is asked for.
func (b *bench) size(representative, full int) int {
	if b.full {
		return full
	}
	return representative
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
