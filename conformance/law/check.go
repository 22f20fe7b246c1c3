package law

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder/backend"
)

// Config says what is held to the laws.
type Config struct {
	// New names a place. It may name the same one each time, also one in use:
	// experiments keep to shelves of their own, with random names that begin with
	// "law-", and remove what they made.
	New func(ctx context.Context) (string, error)

	// Open opens a place. It is called many times for one place, and each time
	// returns another handle on the same values.
	Open func(ctx context.Context, loc string) (backend.Backend, error)

	// Fresh: each New names another, empty place that is thrown away later. So
	// nothing is cleaned up, and more can be asked.
	Fresh bool

	// Command, unless nil, returns a command that calls [Child] in another process,
	// with an Open that finds the place called loc. Without it the laws about
	// processes are skipped.
	Command func(loc string) *exec.Cmd

	// Skip names laws that are not tried, with the reason. An unknown name and an
	// empty reason are errors.
	Skip map[string]string

	// Seed replays a run that had it; 0 chooses one.
	Seed uint64

	// Patience is how long one law may take, on a machine with nothing else to do, before it
	// counts as broken; 0 is 30 seconds in tier quick, 2 minutes in full, an hour in soak. On a
	// busy machine, where a piece of work takes several times as long as at best, so may a law.
	Patience time.Duration

	// Sizes are bounds, in bytes, at which the backend changes its way: from values inline to
	// values in files, from one request to several. Those of common engines are tried anyway.
	Sizes []int64

	// Progress, unless nil, receives each result, first as [Running]; one call at a time.
	Progress func(Result)
}

// Validate reports what is missing or wrong.
func (c Config) Validate() error {
	if c.New == nil || c.Open == nil {
		return errors.New("law: Config needs New and Open")
	}
	known := map[string]bool{}
	for _, l := range Laws() {
		known[l.Name] = true
	}
	for name, reason := range c.Skip {
		if !known[name] {
			return fmt.Errorf("law: Skip names %q, and there is no such law", name)
		}
		if reason == "" {
			return fmt.Errorf("law: Skip names %q without a reason", name)
		}
	}
	return nil
}

// atOnce is how many laws are tried at a time. Most of them wait: for disks, networks, clocks.
const atOnce = 8

// Check tries all laws of a tier, several at a time. An error says that they could not all
// be tried; whether they are kept says the report.
func Check(ctx context.Context, cfg Config, tier Tier) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	cfg.Progress = oneByOne(cfg.Progress)
	r, start := Report{Tier: tier, Seed: cfg.Seed}, time.Now()
	laws := slices.DeleteFunc(Laws(), func(l Law) bool { return l.Tier > tier })
	r.Results = make([]Result, len(laws))
	for _, alone := range []bool{false, true} {
		var g errgroup.Group
		g.SetLimit(atOnce)
		if alone {
			g.SetLimit(1)
		}
		for i, l := range laws {
			if l.Alone != alone {
				continue
			}
			g.Go(func() error {
				if ctx.Err() != nil {
					return nil
				}
				cfg.Progress(Result{Name: l.Name, Rule: l.Rule, Status: Running})
				r.Results[i] = Try(ctx, cfg, l, tier)
				cfg.Progress(r.Results[i])
				return nil
			})
		}
		g.Wait() // no function returns an error
	}
	r.Elapsed = time.Since(start)
	r.Results = slices.DeleteFunc(r.Results, func(res Result) bool { return res.Status == "" })
	return r, ctx.Err()
}

// oneByOne returns a function that calls tell, unless it is nil, once at a time.
func oneByOne(tell func(Result)) func(Result) {
	if tell == nil {
		return func(Result) {}
	}
	var mu sync.Mutex
	return func(r Result) {
		mu.Lock()
		defer mu.Unlock()
		tell(r)
	}
}

// Try tries one law. It does not validate cfg, and wants a seed.
func Try(ctx context.Context, cfg Config, l Law, tier Tier) Result {
	res := Result{Name: l.Name, Rule: l.Rule, Status: Passed}
	if reason, ok := cfg.Skip[l.Name]; ok {
		res.Status, res.Why = Skipped, reason
		return res
	}
	start := time.Now()
	err := within(ctx, cfg.patience(tier), func(ctx context.Context) error {
		e, err := newEnv(ctx, &cfg, l.Name, tier)
		if err != nil {
			return err
		}
		return try(ctx, e, l)
	})
	res.Elapsed = time.Since(start)
	var unmet unmetError
	switch {
	case errors.As(err, &unmet):
		res.Status, res.Why = Skipped, unmet.Error()
	case err != nil:
		res.Status, res.Why, res.Seed = Failed, err.Error(), cfg.Seed
	}
	return res
}

// unmetError says what a law needs and the backend lacks.
type unmetError struct{ need Need }

func (u unmetError) Error() string { return "applies where the backend has " + string(u.need) }

func try(ctx context.Context, e *Env, l Law) (err error) {
	defer func() {
		// What is left of the patience does not matter: the mess is removed.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if cerr := e.close(ctx); err == nil {
			err = cerr
		}
	}()
	for _, need := range l.Needs {
		met, err := e.meets(ctx, need)
		if err != nil {
			return err
		}
		if !met {
			return unmetError{need}
		}
	}
	return l.Fn(ctx, e)
}
