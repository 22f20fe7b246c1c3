// Package conformance proves in a test that a backend keeps the laws of package
// backend. A test of a backend calls [Run]:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Config{
//			New:  func(t testing.TB) string { return t.TempDir() },
//			Open: func(ctx context.Context, loc string) (backend.Backend, error) { return Open(loc) },
//		})
//	}
//
// The laws themselves are a table in package law, which does without package testing and
// so also judges a bucket or a database from the command line.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

// Config says what is held to the laws.
type Config struct {
	// New names a fresh, empty place: a URL or a path. Cleaning up is for t.Cleanup.
	New func(t testing.TB) string

	// Open opens a place. It is called many times for one place, and each time
	// returns another handle on the same values.
	Open func(ctx context.Context, loc string) (backend.Backend, error)

	// Crash, unless nil, returns a command that holds helper processes to the laws:
	// they race, and are killed. [Self] is one for backends that other
	// processes of this machine can open.
	Crash func(t testing.TB, loc string) *exec.Cmd

	// Skip names laws that are not tried, each with the reason. An unknown name and an
	// empty reason fail the test.
	Skip map[string]string

	// Quick tries the laws of tier quick alone, as go test -short does, unless the environment
	// chooses the tier.
	Quick bool

	// Patience is how long one law may take on a machine that has nothing else to do; 0 is 30
	// seconds in tier quick, 2 minutes in full, an hour in soak. See [law.Config.Patience].
	Patience time.Duration

	// Sizes are bounds, in bytes, at which the backend changes its way; see [law.Config.Sizes].
	Sizes []int64
}

// The environment chooses how thorough a run is, and replays one.
const (
	tierVariable = "LARDER_CONFORMANCE"      // quick, full or soak
	seedVariable = "LARDER_CONFORMANCE_SEED" // what a failure printed
)

// Run tries every law of a tier on the backend, each as a subtest of its name in a place of
// its own. The tier is full, or quick by [Config.Quick] and go test -short;
// LARDER_CONFORMANCE=quick, full or soak overrides both.
//
// A failure prints the law as a sentence, how it was broken, and a seed that, given as
// LARDER_CONFORMANCE_SEED, chooses the same values and operations again.
func Run(t *testing.T, c Config) {
	t.Helper()
	if c.New == nil || c.Open == nil {
		t.Fatal("conformance: Config needs New and Open")
	}
	if asked, err := law.Child(t.Context(), c.Open); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	tier, cfg := c.chosenTier(t), c.law(t, chosenSeed(t))
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var laws []law.Law
	for _, l := range law.Laws() {
		if l.Tier <= tier {
			laws = append(laws, l)
		}
	}
	f := &findings{results: make([]law.Result, len(laws))}
	t.Cleanup(func() { f.firstCause(t) })
	for _, alone := range []bool{true, false} {
		for i, l := range laws {
			if l.Alone != alone {
				continue
			}
			t.Run(l.Name, func(t *testing.T) {
				try := func() law.Result { return law.Try(t.Context(), in(t, cfg, c), l, tier) }
				if l.Waits {
					try = begun(t, cfg, c, l, tier)
				}
				if !l.Alone {
					t.Parallel()
				}
				r := try()
				f.add(i, r)
				report(t, r, tier)
			})
		}
	}
}

// begun begins to try a law ahead of its turn among the parallel subtests, of which there is one a processor: one that waits would take it from
// those that do something. It returns a function that returns the result.
func begun(t *testing.T, cfg law.Config, c Config, l law.Law, tier law.Tier) func() law.Result {
	cfg = in(t, cfg, c)
	done := make(chan law.Result, 1)
	go func() { done <- law.Try(t.Context(), cfg, l, tier) }()
	return func() law.Result { return <-done }
}

// findings are the results of a run, in the order of the table of laws.
type findings struct {
	mu      sync.Mutex // guards results
	results []law.Result
}

func (f *findings) add(i int, r law.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.results[i] = r
}

// firstCause names the law to begin with where many are broken.
func (f *findings) firstCause(t *testing.T) {
	if r := (law.Report{Results: f.results}); r.FirstCause() != "" {
		t.Log(r.FirstCause())
	}
}

// law returns what all subtests of t have in common.
func (c Config) law(t testing.TB, seed uint64) law.Config {
	cfg := law.Config{
		New:   func(context.Context) (string, error) { return "", errors.New("no subtest, no place") },
		Open:  c.Open,
		Fresh: true,
		Skip:  c.Skip,
		Seed:  seed,

		Patience: c.Patience,
		Sizes:    c.Sizes,
	}
	if c.Crash != nil {
		// A helper process comes back to t's call of Run, so it is t that it runs.
		cfg.Command = func(loc string) *exec.Cmd { return c.Crash(t, loc) }
	}
	return cfg
}

// in returns cfg with a place that is cleaned up after the subtest t. It is made here, in
// the goroutine that may call t.Fatal.
func in(t testing.TB, cfg law.Config, c Config) law.Config {
	loc := c.New(t)
	cfg.New = func(context.Context) (string, error) { return loc, nil }
	return cfg
}

func report(t *testing.T, r law.Result, tier law.Tier) {
	t.Helper()
	switch r.Status {
	case law.Failed:
		t.Errorf("%s\nlaw:    %s\nreplay: %s", r.Why, r.Rule, replay(t, tier, r.Seed))
	case law.Skipped:
		t.Skip(r.Why)
	}
}

// replay is the command that runs a test again as it was run.
func replay(t testing.TB, tier law.Tier, seed uint64) string {
	race := ""
	if raceDetector {
		race = "-race "
	}
	return fmt.Sprintf("%s=%s %s=%d go test %s-run '^%s$'", tierVariable, tier, seedVariable, seed, race, t.Name())
}

func (c Config) chosenTier(t testing.TB) law.Tier {
	t.Helper()
	text := os.Getenv(tierVariable)
	switch {
	case text != "":
		var tier law.Tier
		if err := tier.UnmarshalText([]byte(text)); err != nil {
			t.Fatalf("%s: %v", tierVariable, err)
		}
		return tier
	case c.Quick, testing.Short():
		return law.Quick
	}
	return law.Full
}

func chosenSeed(t testing.TB) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(seedVariable)
	if !ok {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %q is not a seed: %v", seedVariable, text, err)
	}
	return seed
}

// Self re-runs the test binary as the helper process of [Config.Crash]: it comes back
// to the same call of [Run], which then does what its parent asks instead of its tests.
// What the test does ahead of Run, and TestMain, happen again there.
func Self(t testing.TB, _ string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		names = append(names, "^"+regexp.QuoteMeta(name)+"$")
	}
	return exec.Command(exe, "-test.run="+strings.Join(names, "/"))
}
