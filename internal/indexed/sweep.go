package indexed

import (
	"context"

	"github.com/larder-store/larder/backend"
)

// Sweep removes the data that the index calls garbage. Of the report it fills in what
// that is about: Orphans, OrphanBytes and Kept.
func (s *Store) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	var report backend.SweepReport
	for found, err := range s.Index.Garbage(ctx, opts.Grace, opts.DryRun) {
		if err != nil {
			return report, err
		}
		if err := s.sweep(ctx, found, opts.DryRun, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (s *Store) sweep(ctx context.Context, found []Garbage, dry bool, report *backend.SweepReport) error {
	var names []string
	bytes := int64(0)
	for _, g := range found {
		if g.Kept {
			report.Kept++
			continue
		}
		names = append(names, g.Name)
		bytes += g.Size
	}
	if !dry && len(names) > 0 {
		// The data goes first: a record without data is found again by the next
		// sweep, data without a record by no sweep.
		if err := s.Data.Remove(ctx, names...); err != nil {
			return err
		}
		if err := s.Index.Forget(ctx, names...); err != nil {
			return err
		}
	}
	report.Orphans += len(names)
	report.OrphanBytes += bytes
	return nil
}
