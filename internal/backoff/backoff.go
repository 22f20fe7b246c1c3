// Package backoff waits between attempts: shortly at first, then longer and longer.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Growth of a pause from one attempt to the next: half as much again.
const (
	growthBy = 3
	growthOf = 2
)

// A Backoff is the pauses of one caller, which are not to be shared.
type Backoff struct{ pause, last time.Duration }

// New returns pauses that grow from first to last.
func New(first, last time.Duration) *Backoff { return &Backoff{first, last} }

// Wait waits for the next pause, more or less: half to one and a half of it, which keeps a fleet from asking in
// step. It returns the cause of ctx's end, if that comes first.
func (b *Backoff) Wait(ctx context.Context) error {
	timer := time.NewTimer(b.pause/2 + rand.N(b.pause))
	defer timer.Stop()
	b.pause = min(b.pause*growthBy/growthOf, b.last)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
