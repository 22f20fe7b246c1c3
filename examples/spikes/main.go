// Command spikes finds the spikes in a patch-clamp recording, in three stages whose results are
// kept: run it twice. Then change a parameter below, and see which stages run again.
//
//	go run ./examples/spikes
//
// The three stages are in stages.go; shell.go and pipeline.sh run the same ones with "larder run".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/component"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "spikes:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		return shell(args)
	}
	flags := flag.NewFlagSet("spikes", flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("store", defaultStore(), "URL or path of the store")
	recording := flags.String("recording", defaultRecording(), "an Axon Text File")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := larder.Open(ctx, *url, nil)
	if err != nil {
		return err
	}
	defer store.Close()

	began := time.Now()
	spikes, err := pipeline(ctx, store, *recording, stderr)
	if err != nil {
		return err
	}
	if stats := store.Stats(); stats.Computed == 0 {
		fmt.Fprintf(stderr, "served from the shelf in %v; saved %v\n", time.Since(began).Round(10*time.Microsecond), stats.Saved)
	} else {
		fmt.Fprintf(stderr, "kept on the shelf %s: run it again\n", *url)
	}
	return print(stdout, spikes)
}

// pipeline returns the spikes of a recording. Each stage is described first, by what it is and
// what it is computed from. Then the last one is asked for, and only if it is not
// there, the one before it.
func pipeline(ctx context.Context, store *larder.Store, path string, log io.Writer) ([]Spike, error) {
	recording, err := component.File(path) // identified by its contents
	if err != nil {
		return nil, err
	}
	reading := Read{Signal: "IN 0"}
	flattening := Detrend{Window: 0.020}
	detection := Detect{Threshold: 8, Apart: 0.002}

	current := component.New("spikes/read", "1", reading, recording)
	flat := component.New("spikes/detrend", "1", flattening, current)
	spikes := component.New("spikes/detect", "1", detection, flat)

	return larder.Memo(ctx, store, spikes, "spikes", func(ctx context.Context) ([]Spike, error) {
		flat, err := larder.Memo(ctx, store, flat, "current", func(ctx context.Context) (Current, error) {
			current, err := larder.Memo(ctx, store, current, "current", func(context.Context) (Current, error) {
				defer timed(log, "read the recording")()
				return reading.of(path)
			})
			if err != nil {
				return Current{}, err
			}
			defer timed(log, "remove the trend")()
			return flattening.of(current), nil
		})
		if err != nil {
			return nil, err
		}
		defer timed(log, "find the spikes")()
		return detection.of(flat), nil
	})
}

func timed(log io.Writer, what string) func() {
	began := time.Now()
	return func() { fmt.Fprintf(log, "computed: %s, %v\n", what, time.Since(began).Round(10*time.Microsecond)) }
}

func print(w io.Writer, spikes []Spike) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "sweep\ttime/ms\tpeak/pA\twidth/ms\t")
	for _, s := range spikes {
		fmt.Fprintf(t, "%d\t%.2f\t%.0f\t%.2f\t\n", s.Sweep, s.Time, s.Peak, s.Width)
	}
	return t.Flush()
}

// defaultStore is where the command larder keeps things, too: "larder ls" shows them.
func defaultStore() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "larder", "store")
}

// defaultRecording is the one beside this file, seen from here or from the top of the repository.
func defaultRecording() string {
	const name = "testdata/18702001-step.atf"
	if _, err := os.Stat(name); err == nil {
		return name
	}
	return filepath.Join("examples", "spikes", name)
}
