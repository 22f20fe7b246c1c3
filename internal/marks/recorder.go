package marks

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// A Recorder notes uses of values and stores them as marks. Its methods are safe for concurrent use.
type Recorder struct {
	b       backend.Backend
	journal Journal
	sample  int
	now     func() time.Time

	seed    maphash.Seed
	noted   atomic.Pointer[noted]
	storing atomic.Bool
	stores  sync.WaitGroup

	mu      sync.Mutex // guards the rest
	pending map[uint64]uint32
	closed  bool
}

// noted is which values were noted on a day: a Bloom filter of two bits each. One of a million values passes for noted in one of twenty
// cases, so that its mark is lost; none is noted twice.
type noted struct {
	day  int64
	bits [1 << 17]atomic.Uint64 // 1 MiB
}

// add reports whether a value was not noted yet.
func (n *noted) add(h uint64) bool {
	const mask = uint64(len(n.bits)*64 - 1)
	a, b := h&mask, h>>32&mask
	before := n.bits[a/64].Load()>>(a%64)&1 + n.bits[b/64].Load()>>(b%64)&1
	if before == 2 {
		return false
	}
	n.bits[a/64].Or(1 << (a % 64))
	n.bits[b/64].Or(1 << (b % 64))
	return true
}

const (
	// maxPending is when marks are stored though the Store is not closed: 48 KiB in a pack.
	maxPending = 4096
	// Sample is how many hits there are for each object of marks where requests are costly.
	Sample = 64
	// patience bounds how long Close waits for a store that does not answer.
	patience = 10 * time.Second
)

// NewRecorder returns a Recorder for a store. Where journal is not empty it names a file in which all processes of
// this machine gather their marks. Else Close stores them: all of them or, with a sample of n, as many as there are
// with a chance of one in n for each.
func NewRecorder(b backend.Backend, journal string, sample int, now func() time.Time) *Recorder {
	return &Recorder{b: b, journal: Journal(journal), sample: sample, now: now, seed: maphash.MakeSeed(), pending: map[uint64]uint32{}}
}

// Used notes a hit. It takes some 10 ns where the value was stored less than a day ago, or noted today.
func (r *Recorder) Used(name string, stored time.Time) {
	now := r.now()
	if now.Sub(stored) < Grain {
		return
	}
	today := now.Unix() / int64(Grain/time.Second)
	n := r.noted.Load()
	if n == nil || n.day != today {
		r.noted.CompareAndSwap(n, &noted{day: today})
		n = r.noted.Load()
	}
	if n.add(maphash.String(r.seed, name)) {
		r.note(name, now)
	}
}

func (r *Recorder) note(name string, now time.Time) {
	id := ID(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.pending[id] = max(r.pending[id], Hour(now))
	if len(r.pending) < maxPending || !r.storing.CompareAndSwap(false, true) {
		return
	}
	set := r.take()
	r.stores.Go(func() {
		defer r.storing.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r.store(ctx, set)
	})
}

// take returns what was noted, and begins anew. mu is held.
func (r *Recorder) take() Set {
	all := make([]Mark, 0, len(r.pending))
	for id, at := range r.pending {
		all = append(all, Mark{id, at})
	}
	clear(r.pending)
	return Of(all)
}

// foldOneIn is how many stores of marks there are for each folding by a process that is no gc.
const foldOneIn = 32

func (r *Recorder) store(ctx context.Context, set Set) {
	if len(set) == 0 || Put(ctx, r.b, set) != nil {
		return
	}
	if rand.N(foldOneIn) == 0 {
		_ = Fold(ctx, r.b, nil)
	}
}

// Flush stores what was noted, by all processes that share the journal.
func (r *Recorder) Flush(ctx context.Context) {
	r.stores.Wait()
	r.mu.Lock()
	set := r.take()
	r.mu.Unlock()
	put := func(set Set) bool { return Put(ctx, r.b, set) == nil }
	put(set)
	if r.journal != "" {
		r.journal.drain(put, 0, r.now())
	}
}

// Close stores what was noted, or some of it, and ends the noting.
func (r *Recorder) Close() {
	r.mu.Lock()
	r.closed = true
	set := r.take()
	r.mu.Unlock()
	r.stores.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case len(set) == 0:
	case r.journal != "":
		if r.journal.add(set) != nil {
			return
		}
		r.journal.drain(func(noted Set) bool { return Put(ctx, r.b, noted) == nil }, r.due(), r.now())
	case rand.N(r.sample) < len(set):
		r.store(ctx, set)
	}
}

// due is how old a journal becomes.
func (r *Recorder) due() time.Duration {
	if r.sample > 1 {
		return Grain
	}
	return time.Hour
}
