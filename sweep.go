package larder

import (
	"context"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/lease"
)

// Sweep removes what interrupted and overwritten Puts left behind in the backend, and leases without a holder
// touched for a day. No value that can be read is removed; the store may be in use.
func (s *Store) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	report, err := backend.Sweep(ctx, s.backend, opts)
	if err != nil {
		return report, err
	}
	leases, err := lease.Sweep(ctx, s.backend, opts)
	report.Orphans += leases.Orphans
	report.OrphanBytes += leases.OrphanBytes
	report.Kept += leases.Kept
	return report, err
}
