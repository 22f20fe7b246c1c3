package law

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

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

	// Patience is how long one law may take before it counts as broken; 0 is
	// 30 seconds in tier quick, 2 minutes in full, an hour in soak.
	Patience time.Duration

	// Progress, unless nil, is told each result, first as [Running].
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

// Check tries all laws of a tier, one after the other. An error says that they could not
// be tried; whether they are kept says the report.
func Check(ctx context.Context, cfg Config, tier Tier) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
	}
	r := Report{Tier: tier, Seed: cfg.Seed}
	for _, l := range Laws() {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		if l.Tier > tier {
			continue
		}
		cfg.progress(Result{Name: l.Name, Rule: l.Rule, Status: Running})
		res := Try(ctx, cfg, l, tier)
		cfg.progress(res)
		r.Results = append(r.Results, res)
	}
	return r, nil
}

func (c Config) progress(r Result) {
	if c.Progress != nil {
		c.Progress(r)
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

func (c Config) patience(tier Tier) time.Duration {
	switch {
	case c.Patience > 0:
		return c.Patience
	case tier == Soak:
		return time.Hour
	case tier == Full:
		return 2 * time.Minute
	}
	return 30 * time.Second
}

// within runs f with a deadline, and leaves it behind if it does not keep it: a
// backend that hangs must not hang its judge.
func within(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errors.New("it ended its goroutine, as t.Fatal does")
		defer func() { done <- err }()
		err = guarded(func() error { return f(limited) })
	}()
	// Who heeds his context comes back soon after it ended.
	hang := time.NewTimer(patience + patience/4 + time.Second)
	defer hang.Stop()
	select {
	case err := <-done:
		if err != nil && limited.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("not done after %v: %w", patience, err)
		}
		return err
	case <-hang.C:
		return fmt.Errorf("hangs: not back after %v, and does not heed its context", patience)
	}
}
