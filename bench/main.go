// Command bench puts Larder beside the raw engines that it stands on and beside
// its peers, in one run, and prints one table of ratios:
//
//	go run ./bench [-rounds 7] [-only text] [-dir DIR]
//	go run ./bench -only Postgres
//
// Every figure is the median over rounds; in a round all contenders of a group run once,
// in rotated order, after a garbage collection. CPU is user+sys of the process, and
// of the peer where that is another one. Machines are noisy, and disks differ: read
// the ratios, not the times. Peers in Python run if some python3 can import them (Debian:
// python3-joblib python3-diskcache python3-numpy); else their rows say so.
//
// The exit code is 1 if a contender failed; a goal that was missed is shown, no
// failure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	if len(os.Args) > 1 {
		if work, ok := workers[os.Args[1]]; ok { // this process is one of a group's own
			exit(work(os.Args[2:]))
		}
	}
	rounds := flag.Int("rounds", 7, "rounds per group")
	only := flag.String("only", "", "run only the groups whose title contains `text`")
	dir := flag.String("dir", "", "where stores are made (default: a temporary directory)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, *rounds, *only, *dir))
}

func run(ctx context.Context, rounds int, only, dir string) error {
	dir, err := os.MkdirTemp(dir, "larder-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, dir: dir, only: only, peers: startPeers(dir)}
	defer b.peers.stop()

	fmt.Println(machine())
	fmt.Println()
	for _, g := range append([]func(*bench) (*group, error){
		hitOfAKnownKey, memoHit, bigHit, bigFreshHit, mappedHit, groupedPuts, describedPut, limitedPut, markedHit, tierHit, manyProcesses, stream, wholeProcess, manyStages, sessionPuts, collating, copyingLarge, copyingSmall,
	}, postgresGroups(only)...) {
		made, err := g(b)
		if err != nil {
			return err
		}
		if strings.Contains(made.title, only) {
			if err := made.run(rounds); err != nil {
				return fmt.Errorf("%s: %w", made.title, err)
			}
			made.print(os.Stdout)
		}
		made.close()
	}
	return nil
}

// bench is what the groups share.
type bench struct {
	ctx   context.Context
	dir   string
	only  string // of a title: other groups do not run
	peers *peers
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
