package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
)

const recording = "testdata/18702001-step.atf"

func Example() {
	ctx := context.Background()
	store := larder.New(mem.New(nil), nil)
	defer store.Close()
	for range 2 {
		spikes, err := pipeline(ctx, store, recording, io.Discard)
		if err != nil {
			fmt.Println(err)
			return
		}
		stats := store.Stats()
		fmt.Printf("%d spikes; computed %d results, found %d\n", len(spikes), stats.Computed, stats.Hits)
	}
	// Output:
	// 6 spikes; computed 3 results, found 0
	// 6 spikes; computed 3 results, found 1
}

// What is found is what was done to the cell: a test pulse of 200 ms in each sweep, whose edges
// charge the membrane one way and the other.
func TestSpikesAreTheEdgesOfThePulse(t *testing.T) {
	c, err := Read{Signal: "IN 0"}.of(recording)
	if err != nil {
		t.Fatal(err)
	}
	flat := Detrend{Window: 0.020}.of(c)
	for _, threshold := range []float64{6, 8, 12, 20} { // the result does not hang on the choice
		spikes := Detect{Threshold: threshold, Apart: 0.002}.of(flat)
		if len(spikes) != 6 {
			t.Fatalf("threshold %v: %d spikes, want two in each of 3 sweeps: %v", threshold, len(spikes), spikes)
		}
		for i := 0; i < 6; i += 2 {
			on, off := spikes[i], spikes[i+1]
			if on.Sweep != i/2+1 || off.Sweep != i/2+1 {
				t.Errorf("threshold %v: %+v, %+v; want both in sweep %d", threshold, on, off, i/2+1)
			}
			if d := off.Time - on.Time; math.Abs(d-200) > 0.06 {
				t.Errorf("threshold %v, sweep %d: %v ms between the edges, want 200", threshold, on.Sweep, d)
			}
			if on.Peak > -500 || off.Peak < 500 || math.Abs(on.Peak+off.Peak) > 0.02*off.Peak {
				t.Errorf("threshold %v, sweep %d: peaks %v and %v pA, want them opposite and alike", threshold, on.Sweep, on.Peak, off.Peak)
			}
		}
	}
}

// The sliding median is the median of each window.
func TestDetrend(t *testing.T) {
	x := []float64{3, 1, 4, 1, 5, 9, 2, 6, 5, 3}
	for half := range 12 {
		got := detrend(x, half)
		for i := range x {
			window := append([]float64(nil), x[max(0, i-half):min(len(x), i+half+1)]...)
			if want := x[i] - median(window); got[i] != want {
				t.Errorf("half %d: y[%d] = %v, want %v", half, i, got[i], want)
			}
		}
	}
}

func median(x []float64) float64 {
	for i := range x { // by counting: as many below as above
		below, same := 0, 0
		for _, v := range x {
			if v < x[i] {
				below++
			} else if v == x[i] {
				same++
			}
		}
		if below <= len(x)/2 && len(x)/2 < below+same {
			return x[i]
		}
	}
	panic("unreachable")
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"spikes": main})
}

// TestScripts runs the example as its readers do, as a program and as a shell script. The command
// larder is built from this module.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "../../cmd/larder")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	goEnv := map[string]string{}
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		goEnv[name] = string(out[:len(out)-1])
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HERE", here)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			for name, value := range goEnv {
				env.Setenv(name, value)
			}
			return nil
		},
	})
}
