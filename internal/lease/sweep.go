package lease

import (
	"context"
	"time"

	"github.com/larder-store/larder/backend"
)

// idle is for how long a lease must have been left alone before it is swept: far longer
// than any ttl, any pause of a holder and any difference of clocks.
const idle = 24 * time.Hour

// Sweep deletes the leases that were left alone for a day, or for the grace of opts if that
// is longer. One that is taken at that very moment may be deleted too; then a computation is
// done twice, and the epochs of its name begin anew.
func Sweep(ctx context.Context, b backend.Backend, opts backend.SweepOptions) (backend.SweepReport, error) {
	var report backend.SweepReport
	before := time.Now().Add(-max(idle, opts.Grace))
	var old []backend.Key
	for info, err := range b.List(ctx, Shelf, backend.ListOptions{}) {
		if err != nil {
			return report, err
		}
		if !info.ModTime.Before(before) {
			report.Kept++
			continue
		}
		report.Orphans++
		report.OrphanBytes += info.Size
		old = append(old, info.Key)
	}
	if opts.DryRun || len(old) == 0 {
		return report, nil
	}
	return report, backend.DeleteBatch(ctx, b, old)
}
