// Package fault makes a backend fail on purpose, so that code that stands on it can show
// what they do then. Which calls fail depends on a seed, the method, the key and how often
// that was called before, and on nothing else: not on the order in which goroutines
// come, so that what was seen once can be seen again.
package fault

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// Kind is a way to fail.
type Kind int

// The ways to fail. What an engine does to its users when its network, its disk or its
// service is bad comes down to these.
const (
	None   Kind = iota
	Before      // the call fails and had no effect
	After       // the call takes effect and then fails, as when the answer is lost
	Short       // a body or a list ends early, and says so by an error
	Cut         // a body ends early as if it were whole; a list does not do that
	Slow        // the call takes Plan.Delay longer
	Hang        // the call comes back when its context ends, and had no effect
)

var kindNames = [...]string{"none", "before", "after", "short", "cut", "slow", "hang"}

// String returns the name of a kind.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// Plan says which calls fail, and how. The zero Plan fails none.
type Plan struct {
	Seed uint64
	// Rate is the part of all calls, from 0 to 1, that fail in each way.
	Rate map[Kind]float64
	// Only, unless nil, chooses the calls that may fail.
	Only func(op string, key backend.Key) bool
	// Times bounds how often one method fails under one key, after which it works, so
	// that trying again gets through; 0 is no bound.
	Times int
	// Delay is how long Slow takes; 0 is a millisecond.
	Delay time.Duration
	// Err is what Before, After and Short fail with; nil is [backend.ErrUnavailable], which is
	// retryable.
	Err error
}

// Backend fails as planned in front of another backend, whose optional abilities it hides.
type Backend struct {
	under backend.Backend
	plan  Plan

	mu     sync.Mutex // guards all below
	calls  map[call]int
	failed map[call]int
	faults []Fault
}

type call struct {
	op  string
	key backend.Key
}

// Fault is one failure that happened.
type Fault struct {
	Kind Kind
	Op   string
	Key  backend.Key
	Call int // which call of Op under Key it was, counted from 0
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Describer = (*Backend)(nil)
)

// New puts plan in front of b.
func New(b backend.Backend, plan Plan) *Backend {
	if plan.Err == nil {
		plan.Err = backend.ErrUnavailable
	}
	if plan.Delay == 0 {
		plan.Delay = time.Millisecond
	}
	return &Backend{under: b, plan: plan, calls: map[call]int{}, failed: map[call]int{}}
}

// Faults returns what failed so far. Faults of several goroutines stand in the order in
// which they came.
func (b *Backend) Faults() []Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Fault(nil), b.faults...)
}

// choose decides how this call fails, out of those kinds that the method can.
func (b *Backend) choose(op string, key backend.Key, can ...Kind) Kind {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := call{op, key}
	n := b.calls[c]
	b.calls[c]++
	if b.plan.Times > 0 && b.failed[c] >= b.plan.Times || b.plan.Only != nil && !b.plan.Only(op, key) {
		return None
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s %d", b.plan.Seed, op, key, n)
	// FNV's high bits hardly change with the last byte; one multiplication by an odd
	// constant (2^64 over the golden ratio) and a fold spread them.
	x := h.Sum64() * 0x9e3779b97f4a7c15
	draw := float64((x^x>>32)>>11) / (1 << 53)
	for _, kind := range can {
		rate := b.plan.Rate[kind]
		if draw < rate {
			b.failed[c]++
			b.faults = append(b.faults, Fault{kind, op, key, n})
			return kind
		}
		draw -= rate
	}
	return None
}

// begin lets a call fail ahead of its effect. It returns what else is to happen.
func (b *Backend) begin(ctx context.Context, op string, key backend.Key, can ...Kind) (Kind, error) {
	kind := b.choose(op, key, append(can, Before, Slow, Hang)...)
	switch kind {
	case Before:
		return kind, b.err(op, key)
	case Slow:
		select {
		case <-time.After(b.plan.Delay):
		case <-ctx.Done():
			return kind, backend.Wrap(op, "fault", key, ctx.Err())
		}
	case Hang:
		<-ctx.Done()
		return kind, backend.Wrap(op, "fault", key, ctx.Err())
	}
	return kind, nil
}

func (b *Backend) err(op string, key backend.Key) error {
	return &backend.Error{Op: op, Backend: "fault", Key: key, Err: fmt.Errorf("on purpose: %w", b.plan.Err)}
}

// Limits implements [backend.Describer] by what is promised below.
func (b *Backend) Limits() backend.Limits { return backend.LimitsOf(b.under) }

// Get implements [backend.Backend].
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	kind, err := b.begin(ctx, "get", key, Short, Cut)
	if err != nil {
		return nil, backend.Info{}, err
	}
	body, info, err := b.under.Get(ctx, key)
	if err != nil || kind != Short && kind != Cut {
		return body, info, err
	}
	end := io.EOF
	if kind == Short {
		end = b.err("get", key)
	}
	return &cutBody{body, info.Size / 2, end}, info, nil
}

// cutBody ends early.
type cutBody struct {
	io.ReadCloser
	left int64
	end  error
}

// Read implements [io.Reader].
func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.end
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if _, err := b.begin(ctx, "stat", key); err != nil {
		return backend.Info{}, err
	}
	return b.under.Stat(ctx, key)
}

// Put implements [backend.Backend].
func (b *Backend) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	kind, err := b.begin(ctx, "put", key, After)
	if err != nil {
		return backend.Info{}, err
	}
	info, err := b.under.Put(ctx, key, body, opts)
	if err == nil && kind == After {
		return backend.Info{}, b.err("put", key)
	}
	return info, err
}

// Delete implements [backend.Backend].
func (b *Backend) Delete(ctx context.Context, key backend.Key) error {
	kind, err := b.begin(ctx, "delete", key, After)
	if err != nil {
		return err
	}
	if err := b.under.Delete(ctx, key); err != nil || kind != After {
		return err
	}
	return b.err("delete", key)
}

// List implements [backend.Backend].
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		key := backend.Key{Shelf: shelf}
		kind, err := b.begin(ctx, "list", key, Short)
		if err != nil {
			yield(backend.Info{}, err)
			return
		}
		cut(b.under.List(ctx, shelf, opts), kind, b.err("list", key))(yield)
	}
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		kind, err := b.begin(ctx, "shelves", backend.Key{}, Short)
		if err != nil {
			yield("", err)
			return
		}
		cut(b.under.Shelves(ctx, opts), kind, b.err("shelves", backend.Key{}))(yield)
	}
}

// cut ends a list after its first step, if it is to be short.
func cut[T any](list iter.Seq2[T, error], kind Kind, end error) iter.Seq2[T, error] {
	if kind != Short {
		return list
	}
	return func(yield func(T, error) bool) {
		for v, err := range list {
			if !yield(v, err) || err != nil {
				return
			}
			break
		}
		var none T
		yield(none, end)
	}
}

// Close implements [backend.Backend]. It never fails on purpose.
func (b *Backend) Close() error {
	return b.under.Close()
}
