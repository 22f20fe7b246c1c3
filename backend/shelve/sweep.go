package shelve

import (
	"context"
	"errors"
	"os"

	"github.com/larder-store/larder/backend"
)

// Sweep implements [backend.Sweeper]. It needs no grace: kernel locks show whether a writer
// is still at work.
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
	report, err := b.parts.Store.Sweep(ctx, opts)
	if err == nil {
		report.Dangling, err = b.dangling(ctx)
	}
	// A damaged index leaves all data where it is, since any of it may be named there; the rest is
	// done all the same.
	if err != nil && !errors.Is(err, backend.ErrCorrupt) {
		return report, err
	}
	if !opts.DryRun {
		err = errors.Join(err, b.place.sweepLeases(), b.sweepRewrites(ctx))
	}
	if err == nil && opts.Compact && !b.opts.ReadOnly {
		report.Compacted, err = b.compact(ctx, opts.DryRun)
	}
	return report, err
}

// sweepRewrites removes what was left by processes that died while they rewrote a bbolt
// file.
func (b *Backend) sweepRewrites(ctx context.Context) error {
	files, err := b.place.bboltFiles()
	for _, f := range files {
		if _, err := os.Stat(f.path + rewritten); err != nil {
			continue
		}
		err := f.do(ctx, b.index.wait, func(context.Context) error { return removeIfThere(f.path + rewritten) })
		if err != nil {
			return err
		}
	}
	return err
}

// dangling counts the entries whose data is gone or cut off.
func (b *Backend) dangling(ctx context.Context) (n int, err error) {
	for e, err := range b.index.entries(ctx) {
		if err != nil {
			return n, err
		}
		if e.Name == "" || b.parts.Store.Data.Check(ctx, e.Name, e.Size) == nil {
			continue
		}
		_, err := b.parts.Store.Stat(ctx, e.Key) // it may have been replaced meanwhile
		if errors.Is(err, backend.ErrCorrupt) {
			n++
		}
	}
	return n, nil
}
