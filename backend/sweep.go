package backend

import (
	"context"
	"time"
)

// A Sweeper removes what interrupted or overwritten Puts left behind, and gives space
// back. It never removes a value that can be read, nor changes what is known of it. It takes
// nothing from a Put that is under way, whatever Grace is; it may wait for such Puts, or spare what
// they write, but keeps no other call waiting for them.
type Sweeper interface {
	Sweep(ctx context.Context, opts SweepOptions) (SweepReport, error)
}

// SweepOptions say how thorough a sweep is.
type SweepOptions struct {
	DryRun bool // report, remove nothing
	// Grace spares leftovers younger than it, by the store's clock; 0 is the
	// backend's default, which is longer than its longest Put or read.
	Grace time.Duration
	// Compact rewrites files that are mostly free space; other users wait meanwhile.
	Compact bool
}

// SweepReport counts what a sweep removed, or would have.
type SweepReport struct {
	Orphans     int   // data that no entry names
	OrphanBytes int64 // their size
	Kept        int   // leftovers spared because of Grace or because in use
	Dangling    int   // entries whose data is gone; reported, left for the next Put to heal
	Compacted   int64 // bytes given back by compaction
}

// Sweep is [Sweeper] for any backend: without the ability there is nothing to
// sweep.
func Sweep(ctx context.Context, b Backend, opts SweepOptions) (SweepReport, error) {
	if s, ok := As[Sweeper](b); ok {
		return s.Sweep(ctx, opts)
	}
	return SweepReport{}, nil
}
