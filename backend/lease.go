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
	// segment) for about ttl, which the holder prolongs by Renew. A ttl of zero or less is an
	// error. If another holds it, also by the same handle, Acquire does not wait: the error
	// matches [ErrLocked] and says, where known, who. A ctx that has ended is an error, and
	// takes nothing; how long ctx lasts afterwards does not matter to the lease.
	Acquire(ctx context.Context, name string, ttl time.Duration) (Lease, error)
}

// A Lease is held until it is released, expires or its holder dies, whatever else its handle
// does meanwhile, also if that is closed; then Renew may fail. A Lease is an
// economy, not a lock: what must not happen twice is guarded by IfAbsent or IfMatch.
type Lease interface {
	// Epoch is the fencing token: greater than that of every earlier holder of
	// the same name, also after a Sweep and, where values last ([Limits]), after the last handle was closed.
	Epoch() uint64
	// Renew prolongs the lease by its ttl from now. [ErrChanged] means that it was lost: once
	// another took it, Renew fails whatever happened since, also if that other gave it up. A ctx that
	// has ended is an error, and renews nothing.
	Renew(ctx context.Context) error
	// Release gives it up, and may be called again. Releasing a lost lease does no harm.
	Release(ctx context.Context) error
}
