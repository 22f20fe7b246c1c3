package larder

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// flights are the computations under way in this process, one a key. They know which
// waits for which, so that a loop is an error instead of a deadlock.
type flights struct {
	mu sync.Mutex // guards m and every flight's waiters and waitsFor
	m  map[backend.Key]*flight

	// landed counts finished flights, by a hash of the key. A lookup that missed before a
	// flight landed must look again, not compute again.
	landed [256]atomic.Uint32
}

// flight is one computation and its waiters.
type flight struct {
	key    backend.Key
	cancel context.CancelFunc
	done   chan struct{} // closed when outcome is set

	waiters  int
	waitsFor map[*flight]int // what its computation waits for now

	outcome outcome // read after done
}

type flightKey struct{}

// current returns the flight whose computation ctx belongs to; nil for none.
func current(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

var seed = maphash.MakeSeed()

func (g *flights) count(key backend.Key) *atomic.Uint32 {
	return &g.landed[maphash.String(seed, key.Name)%uint64(len(g.landed))]
}

// join adds a waiter to the flight of key, which start makes take off if there is
// none. landed is the count that was read before the lookup that missed: if it is
// no longer true, join returns nil, and the caller looks again.
func (g *flights) join(ctx context.Context, key backend.Key, landed uint32, start func(context.Context, *flight)) (*flight, error) {
	parent := current(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.m[key]
	if !ok {
		if g.count(key).Load() != landed {
			return nil, nil
		}
		// The computation outlives its first caller, for as long as anyone waits.
		fctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{key: key, cancel: cancel, done: make(chan struct{}), waitsFor: map[*flight]int{}}
		if g.m == nil {
			g.m = map[backend.Key]*flight{}
		}
		g.m[key] = f
		go start(context.WithValue(fctx, flightKey{}, f), f)
	}
	if parent != nil {
		if loop := f.pathTo(parent, map[*flight]bool{}); loop != nil {
			return nil, loopError(loop)
		}
		parent.waitsFor[f]++
	}
	f.waiters++
	return f, nil
}

// wait returns when f is done, or ctx is. When its last waiter leaves, a flight is
// cancelled, and makes room for another of its key.
func (g *flights) wait(ctx context.Context, f *flight) error {
	var err error
	select {
	case <-f.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if parent := current(ctx); parent != nil {
		if parent.waitsFor[f]--; parent.waitsFor[f] == 0 {
			delete(parent.waitsFor, f)
		}
	}
	if f.waiters--; f.waiters == 0 && err != nil {
		f.cancel()
		g.remove(f)
	}
	return err
}

// land publishes the outcome of f to its waiters.
func (g *flights) land(f *flight, o outcome) {
	f.outcome = o
	f.cancel()
	g.mu.Lock()
	g.remove(f)
	g.count(f.key).Add(1)
	g.mu.Unlock()
	close(f.done)
}

func (g *flights) remove(f *flight) {
	if g.m[f.key] == f {
		delete(g.m, f.key)
	}
}

// pathTo returns the flights from f to target, each of which waits for the next, both
// included; nil if there is no such path.
func (f *flight) pathTo(target *flight, seen map[*flight]bool) []*flight {
	if f == target {
		return []*flight{f}
	}
	seen[f] = true
	for next := range f.waitsFor {
		if seen[next] {
			continue
		}
		if path := next.pathTo(target, seen); path != nil {
			return append([]*flight{f}, path...)
		}
	}
	return nil
}

func loopError(loop []*flight) error {
	var b strings.Builder
	for _, f := range loop {
		fmt.Fprintf(&b, "%s waits for ", f.key.Name)
	}
	return fmt.Errorf("%w: %s%s", ErrLoop, b.String(), loop[0].key.Name)
}
