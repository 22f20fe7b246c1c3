package law

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// Env is what an experiment works with: a place that holds nothing of anybody else's
// on the shelves that it uses.
type Env struct {
	Tier   Tier
	Seed   uint64         // replays the run
	Rand   *rand.Rand     // drawn from Seed; for one goroutine
	Limits backend.Limits // what the backend promises

	cfg  *Config
	loc  string
	mark string // what begins the names of all shelves used
	main backend.Backend

	unknown atomic.Int64 // Puts that were tried again and may have taken effect before

	mu      sync.Mutex // guards all below
	handles []backend.Backend
	shelves map[string]bool
}

// leastMaxValue is what any backend keeps; experiments store no more unless they ask.
const leastMaxValue = 1 << 20

func newEnv(ctx context.Context, cfg *Config, name string, tier Tier) (*Env, error) {
	loc, err := cfg.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("make a new place: %w", err)
	}
	e := &Env{Tier: tier, Seed: cfg.Seed, cfg: cfg, loc: loc, shelves: map[string]bool{}}
	e.Rand = e.random(name)
	if !cfg.Fresh {
		e.mark = fmt.Sprintf("law-%08x-", randomMark())
	}
	if e.main, err = e.Open(ctx); err != nil {
		return nil, err
	}
	e.Limits = backend.LimitsOf(e.main)
	if m := e.Limits.MaxValue; m != 0 && m < leastMaxValue {
		return nil, fmt.Errorf("MaxValue is %d; the laws can be tried where values of %d bytes can be kept", m, leastMaxValue)
	}
	return e, nil
}

// randomMark makes names that are used nowhere else. It does not come from the seed: a
// replay must not meet what an earlier run left.
func randomMark() uint32 { return rand.Uint32() }

// Open returns a further handle on the place. It is closed after the experiment.
func (e *Env) Open(ctx context.Context) (backend.Backend, error) {
	b, err := e.openBriefly(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handles = append(e.handles, b)
	return b, nil
}

// openBriefly returns a further handle on the place, which the caller closes.
func (e *Env) openBriefly(ctx context.Context) (backend.Backend, error) {
	var b backend.Backend
	err := patiently(ctx, func() (err error) {
		b, err = e.cfg.Open(ctx, e.loc)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("open the place: %w", err)
	case b == nil:
		return nil, errors.New("open the place: Open returned neither a backend nor an error")
	}
	return steady{b, &e.unknown}, nil
}

// Shelf returns the name of a shelf that belongs to this experiment.
func (e *Env) Shelf(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shelves[e.mark+name] = true
	return e.mark + name
}

// key returns a key on a shelf that belongs to this experiment.
func (e *Env) key(shelf, name string) backend.Key {
	return backend.Key{Shelf: e.Shelf(shelf), Name: name}
}

// keys returns n keys, numbered in byte order.
func (e *Env) keys(shelf string, n int) []backend.Key {
	keys := make([]backend.Key, n)
	for i := range keys {
		keys[i] = e.key(shelf, fmt.Sprintf("%06d", i))
	}
	return keys
}

// pick chooses how often something is done, by the tier: less where every request is paid for
// and takes its way.
func (e *Env) pick(quick, full, soak int) int {
	n := e.byTier(quick, full, soak)
	switch {
	case !e.Limits.CostlyRequests:
		return n
	case e.Tier == Quick:
		return max(1, n/2)
	}
	return n / 5
}

// bounds are sizes at which engines change their way: where values are no longer inline, where
// they are sent in parts; and those that the backend names.
func (e *Env) bounds() []int {
	all := []int{64 << 10, 256 << 10, 1 << 20}
	if e.Tier >= Full {
		all = append(all, 5<<20, 8<<20, 16<<20)
	}
	if e.Tier >= Soak {
		all = append(all, 64<<20)
	}
	for _, n := range e.cfg.Sizes {
		all = append(all, int(n))
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(n int) bool { return e.tooLarge(n + 1) })
}

// byTier chooses a size by the tier, wherever it is tried.
func (e *Env) byTier(quick, full, soak int) int {
	switch e.Tier {
	case Soak:
		return soak
	case Full:
		return full
	}
	return quick
}

// random returns numbers that depend on the seed and the salt alone.
func (e *Env) random(salt string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(salt))
	return rand.New(rand.NewPCG(e.Seed, h.Sum64()))
}

// handle returns the handle that every experiment has.
func (e *Env) handle(ctx context.Context) *probe {
	return &probe{ctx: ctx, b: e.main}
}

// open returns a further handle.
func (e *Env) open(ctx context.Context) *probe {
	b, err := e.Open(ctx)
	if err != nil {
		b = e.main // never used: the error sticks
	}
	return &probe{ctx: ctx, b: b, err: err}
}

// close closes all handles and removes what the experiment made, unless the place is
// fresh and will be thrown away as a whole.
func (e *Env) close(ctx context.Context) error {
	var errs []error
	if !e.cfg.Fresh {
		errs = append(errs, e.clean(ctx))
	}
	for _, b := range e.handles {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

func (e *Env) clean(ctx context.Context) error {
	b, err := e.Open(ctx)
	if err != nil {
		return err
	}
	for shelf := range e.shelves {
		var keys []backend.Key
		for info, err := range b.List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				return fmt.Errorf("clean up: %w", err)
			}
			keys = append(keys, info.Key)
		}
		if err := backend.DeleteBatch(ctx, b, keys); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	return nil
}

// crowd runs f n times at once, as nearly as a starting shot can make it, and returns
// the first error. A panic is an error.
func crowd(n int, f func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = guarded(func() error { return f(i) })
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pause lets others get on, for a moment of no certain length: what asks again and again without
// one keeps whatever it waits for from happening.
func pause() { time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond) }

// guarded turns a panic into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// eventually asks again and again until ok says yes. It gives up when ctx ends.
func eventually(ctx context.Context, ok func() bool) bool {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if ok() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}
