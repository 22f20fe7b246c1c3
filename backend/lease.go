package backend

import (
	"context"
	"time"
)

// A Leaser grants leases by a means of its engine that beats a conditional Put, such
// as kernel locks, which die with their holder. Callers use internal/lease, which
// prefers this and else stands on IfMatch.
type Leaser interface {
	// Acquire takes the lease called name (1 to MaxSegment bytes of a key's
	// segment) for about ttl, which the holder prolongs by Renew. If another holds it, Acquire does
	// not wait: the error matches [ErrLocked] and says, where known, who.
	Acquire(ctx context.Context, name string, ttl time.Duration) (Lease, error)
}

// A Lease is held until it is released, expires or its holder dies. It is an
// economy, not a lock: what must not happen twice is guarded by IfAbsent or IfMatch.
type Lease interface {
	// Epoch is the fencing token: greater than that of every earlier holder of
	// the same name.
	Epoch() uint64
	// Renew prolongs the lease by its ttl. [ErrChanged] means that it was lost.
	Renew(ctx context.Context) error
	// Release gives it up. Releasing a lost lease does no harm.
	Release(ctx context.Context) error
}
