package larder

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/larder-store/larder/backend"
)

// A Claim is the right to compute one attribute of a component, of which the processes
// that ask have one at a time. It is [Memo] taken apart, for results that are streams
// or files, too large to be handed over as values:
//
//	look by Reader; on a Miss, Claim; if LookAgain, look again; compute; Put; Release
//
// It is an economy, not a lock: a holder that seemed dead may still be at work. Nothing breaks
// then, since a Put is all or nothing. Goroutines of one process that share a Store
// are kept apart like processes are.
type Claim struct {
	// LookAgain: since the caller's lookup another process may have had the claim, and
	// stored what it computed.
	LookAgain bool

	// Cost is how long the computation took: what a later hit saves. Zero is the time from Claim
	// to Put.
	Cost time.Duration

	store   *Store
	c       Component
	key     backend.Key
	began   time.Time
	release func()
}

// Claim takes the claim of an attribute of c, and waits at most [Options].MaxWait for its
// holder. On a backend without leases, under [Options].NoLease, and if the
// store did not answer the lookup before it, it is granted at once.
func (s *Store) Claim(ctx context.Context, c Component, attribute string) (*Claim, error) {
	if _, err := s.checkRecord(ctx); err != nil {
		return nil, err
	}
	key, err := s.placeOrGuess(ctx, c, attribute)
	if err != nil {
		return nil, err
	}
	l, waited, err := s.lease(ctx, key)
	if err != nil {
		return nil, err
	}
	claim := &Claim{LookAgain: waited || s.switched.Load(), store: s, c: c, key: key, began: time.Now(), release: func() {}}
	if l != nil {
		claim.LookAgain = claim.LookAgain || l.Epoch() > 1
		claim.release = s.keepLease(ctx, l, key)
	}
	return claim, nil
}

// Put stores value as [Store.Put] does, with what computing it cost.
func (cl *Claim) Put(ctx context.Context, value any, opts ...PutOption) (Info, error) {
	v, err := cl.store.encode(ctx, value, !comparing(opts))
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", cl.key, err)
	}
	defer v.Close()
	cost := cl.Cost
	if cost == 0 {
		cost = time.Since(cl.began)
	}
	v.meta[metaCost] = strconv.FormatInt(cost.Milliseconds(), 10)
	cl.store.counters.computed.Add(1)
	return cl.store.putOptions(ctx, cl.c, cl.key, v, opts)
}

// Release lets the next one have the claim. It may be called again.
func (cl *Claim) Release() {
	cl.release()
	cl.release = func() {}
}

// Cost returns what it took to compute a stored value, to a millisecond, if that was
// recorded: by Memo or a Claim.
func Cost(info Info) (took time.Duration, ok bool) {
	ms, err := strconv.ParseInt(info.Meta[metaCost], 10, 64)
	return time.Duration(ms) * time.Millisecond, err == nil && ms >= 0
}
