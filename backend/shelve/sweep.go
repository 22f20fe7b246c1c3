package shelve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
)

// Sweep implements [backend.Sweeper]. It needs no grace: kernel locks tell whether a writer
// is still at work.
func (b *Backend) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	report, err := b.sweep(ctx, opts)
	return report, wrap("sweep", backend.Key{}, err)
}

func (b *Backend) sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	if b.opts.ReadOnly && !opts.DryRun {
		return backend.SweepReport{}, errReadOnly
	}
	if err := b.calls.begin(ctx); err != nil {
		return backend.SweepReport{}, err
	}
	defer b.calls.end()
	report, err := b.store.Sweep(ctx, opts)
	if err != nil {
		return report, err
	}
	if report.Dangling, err = b.dangling(ctx); err != nil {
		return report, err
	}
	if !opts.DryRun {
		if err := errors.Join(b.place.sweepLeases(), b.sweepRewrites(ctx)); err != nil {
			return report, err
		}
	}
	if opts.Compact {
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
		err := f.do(ctx, b.index.patience, func(context.Context) error { return removeIfThere(f.path + rewritten) })
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
		if e.Name == "" || b.store.Data.Check(ctx, e.Name, e.Size) == nil {
			continue
		}
		_, err := b.store.Stat(ctx, e.Key) // it may have been replaced meanwhile
		if errors.Is(err, backend.ErrCorrupt) {
			n++
		}
	}
	return n, nil
}

// compact rewrites the bbolt files that are mostly free space, and returns the bytes that
// this gives back.
func (b *Backend) compact(ctx context.Context, dryRun bool) (total int64, err error) {
	files, err := b.place.bboltFiles()
	for _, f := range files {
		var freed int64
		err := f.do(ctx, b.index.patience, func(context.Context) (err error) {
			freed, err = f.compact(dryRun)
			return err
		})
		if err != nil {
			return total, err
		}
		total += freed
	}
	return total, err
}

// minCompact is the size below which a file is left alone: bbolt's own growth makes small
// files half empty.
const minCompact = 1 << 20

// compactStep bounds a transaction of a compaction, and so its memory.
const compactStep = 16 << 20

// compact rewrites the file if it is mostly free, or removes it if it holds nothing. Its
// door is held alone.
func (f *file) compact(dryRun bool) (freed int64, err error) {
	before, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	db, err := bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: boltTimeout})
	if err != nil {
		return 0, explainBolt(f.path, err)
	}
	defer db.Close()
	defer func(old bool) {
		debug.SetPanicOnFault(old)
		if why := recover(); why != nil {
			err = corrupt(f.path, why)
		}
	}(debug.SetPanicOnFault(true))
	free := int64(db.Stats().FreePageN) * int64(db.Info().PageSize)
	empty := isEmpty(db)
	switch {
	case empty && f != f.place.main && dryRun:
		return before.Size(), nil
	case empty && f != f.place.main:
		db.Close() // Windows removes and replaces nothing that is open
		return before.Size(), os.Remove(f.path)
	case before.Size() < minCompact || free < before.Size()/2:
		return 0, nil
	case dryRun:
		return free, nil
	}
	err = f.place.replace(f.path, func(dst *bbolt.DB) error {
		defer db.Close()
		return bbolt.Compact(dst, db, compactStep)
	})
	if err != nil {
		return 0, fmt.Errorf("compact %s: %w", f.path, err)
	}
	after, err := os.Stat(f.path)
	if err != nil {
		return 0, err
	}
	return before.Size() - after.Size(), nil
}

// isEmpty reports whether no bucket holds anything.
func isEmpty(db *bbolt.DB) bool {
	empty := true
	_ = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			if k, _ := b.Cursor().First(); k != nil {
				empty = false
			}
			return nil
		})
	})
	return empty
}
