// Command sweep measures how fast an integrate-and-fire neuron fires for 200 input currents, in 8 processes at once, and
// collates what they found to a table and a picture:
//
//	go run ./examples/sweep
//	go run ./examples/sweep -store s3://bucket/prefix
//	go run ./examples/sweep -store postgres://host/db
//
// Each worker writes to a session of its own and knows nothing of the others. Run it again, and only
// what is missing is simulated. The neuron is in neuron.go, the picture in picture.go.
package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/all"
	"github.com/larder-store/larder/session"
)

const (
	simulations = 200
	workers     = 8
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sweep:", err)
		os.Exit(1)
	}
}

type options struct {
	store, csv, svg string
	worker          int
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("sweep", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.store, "store", defaultStore(), "URL or path of the store")
	flags.StringVar(&o.csv, "csv", "rates.csv", "the table to write")
	flags.StringVar(&o.svg, "svg", "rates.svg", "the picture to write")
	flags.IntVar(&o.worker, "worker", -1, "be worker `n` (the command starts its workers itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := larder.Open(ctx, o.store, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, "examples/sweep", nil)
	if err != nil {
		return err
	}
	if o.worker >= 0 {
		return work(ctx, m, o.worker)
	}
	if err := startWorkers(ctx, o); err != nil {
		return err
	}
	curve, err := collate(ctx, m)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d of %d simulations; the neuron fires from %.2f nA on\n", len(curve), simulations, threshold(curve))
	return write(o, curve)
}

// startWorkers runs this program 8 times more, and waits.
func startWorkers(ctx context.Context, o options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var all []*exec.Cmd
	said := make([]bytes.Buffer, workers)
	for n := range workers {
		cmd := exec.CommandContext(ctx, self, "-store", o.store, "-worker", strconv.Itoa(n))
		cmd.Stderr = &said[n]
		if err := cmd.Start(); err != nil {
			return err
		}
		all = append(all, cmd)
	}
	for n, cmd := range all {
		if failed := cmd.Wait(); failed != nil && err == nil {
			err = fmt.Errorf("worker %d: %w: %s", n, failed, said[n].String())
		}
	}
	return err
}

// work is what worker n does: every eighth simulation that it has not done before.
func work(ctx context.Context, m *session.Manager, n int) error {
	s, err := m.Session(ctx, fmt.Sprintf("worker %d", n), nil)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for key, err := range s.Keys(ctx, session.All) {
		if err != nil {
			return err
		}
		done[key] = true
	}
	for i := n; i < simulations; i += workers {
		current := 0.01 * float64(i) // nA
		key := fmt.Sprintf("current=%.2f", current)
		if done[key] {
			continue
		}
		if err := s.Put(ctx, key, Point{Current: current, Rate: Neuron{}.Rate(current)}); err != nil {
			return err
		}
	}
	return s.Close(ctx)
}

// collate returns what all workers found, in the order of currents.
func collate(ctx context.Context, m *session.Manager) ([]Point, error) {
	curve := make([]Point, simulations)
	found := 0
	for item, err := range session.Matching[Point](ctx, m, session.Prefix("current=")) {
		if err != nil {
			return nil, err
		}
		curve[int(math.Round(item.Value.Current*100))] = item.Value
		found++
	}
	if found < simulations {
		return nil, fmt.Errorf("%d of %d simulations are there", found, simulations)
	}
	return curve, nil
}

func write(o options, curve []Point) error {
	table, err := os.Create(o.csv)
	if err != nil {
		return err
	}
	defer table.Close()
	w := csv.NewWriter(table)
	w.Write([]string{"current/nA", "rate/Hz"})
	for _, p := range curve {
		w.Write([]string{strconv.FormatFloat(p.Current, 'f', 2, 64), strconv.FormatFloat(p.Rate, 'g', 6, 64)})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return os.WriteFile(o.svg, picture(curve), 0o644)
}

// defaultStore is where the command larder keeps things, too: "larder sessions ls" shows them.
func defaultStore() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "larder", "store")
}
