package indexed

import (
	"context"

	"github.com/larder-store/larder/backend"
)

// Sweep removes the data that the index calls garbage. Of the report it fills in what
// that is about: Orphans, OrphanBytes and Kept.
func (s *Store) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	var report backend.SweepReport
	for g, err := range s.Index.Garbage(ctx, opts.Grace) {
		if err != nil {
			return report, err
		}
		if g.Kept {
			report.Kept++
			continue
		}
		if !opts.DryRun {
			// The data goes first: a record without data is found again by the next
			// sweep, data without a record by nobody.
			if err := s.Data.Remove(ctx, g.Name); err != nil {
				return report, err
			}
			if err := s.Index.Forget(ctx, g.Name); err != nil {
				return report, err
			}
		}
		report.Orphans++
		report.OrphanBytes += g.Size
	}
	return report, nil
}
