package sql

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
)

// Sweep implements [backend.Sweeper]. All times are by the clock of the database. Space is given back by the
// server's own vacuum, for new rows and not to its disk, so Compact has nothing to do.
func (b *Backend) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	report, err := b.sweep(ctx, opts)
	return report, wrap("sweep", backend.Key{}, err)
}

func (b *Backend) sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	if b.opts.ReadOnly && !opts.DryRun {
		return backend.SweepReport{}, errReadOnly
	}
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return backend.SweepReport{}, err
	}
	defer b.parts.Calls.End()
	if opts.Grace == 0 {
		opts.Grace = defaultGrace
	}
	report, err := b.parts.Store.Sweep(ctx, opts)
	if err == nil && b.data != nil && !b.data.costly {
		report.Dangling, err = b.dangling(ctx)
	}
	if err == nil && !opts.DryRun {
		err = b.db.sweepLeases(ctx)
	}
	return report, err
}

// dangling counts the entries whose data is gone or cut off.
func (b *Backend) dangling(ctx context.Context) (n int, err error) {
	after := backend.Key{}
	for {
		apart, err := b.index.apart(ctx, after)
		if err != nil || len(apart) == 0 {
			return n, err
		}
		for _, e := range apart {
			if b.data.Check(ctx, e.Name, e.Size) == nil {
				continue
			}
			_, err := b.parts.Store.Stat(ctx, e.Key) // it may have been replaced meanwhile
			if errors.Is(err, backend.ErrCorrupt) {
				n++
			}
		}
		after = apart[len(apart)-1].Key
	}
}
