package tier

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/larder-store/larder/backend"
)

// markAge is the age at which a mark may be removed: no reader puts a copy of what it read so long ago.
const markAge = 24 * time.Hour

// Sweep implements [backend.Sweeper] for both stores. The near one loses its old marks as well.
func (b *Backend) Sweep(ctx context.Context, opts backend.SweepOptions) (backend.SweepReport, error) {
	err := b.calls.Begin(ctx)
	if err != nil {
		return backend.SweepReport{}, wrap("sweep", backend.Key{}, err)
	}
	defer b.calls.End()
	if b.opts.ReadOnly && !opts.DryRun {
		return backend.SweepReport{}, wrap("sweep", backend.Key{}, errReadOnly)
	}
	var report backend.SweepReport
	stores := []backend.Backend{b.near}
	if b.opts.Write != Near {
		stores = append(stores, b.far)
	}
	if !opts.DryRun {
		err = b.sweepMarks(ctx)
	}
	for _, one := range stores {
		if err != nil {
			break
		}
		var r backend.SweepReport
		r, err = backend.Sweep(ctx, one, opts)
		report.Orphans += r.Orphans
		report.OrphanBytes += r.OrphanBytes
		report.Kept += r.Kept
		report.Dangling += r.Dangling
		report.Compacted += r.Compacted
	}
	return report, wrap("sweep", backend.Key{}, err)
}

// sweepMarks removes marks that protect nobody any more.
func (b *Backend) sweepMarks(ctx context.Context) error {
	for shelf, err := range b.near.Shelves(ctx, backend.ListOptions{Prefix: nearShelves}) {
		if err != nil {
			return err
		}
		var old []backend.Seen
		for near, err := range b.near.List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				return err
			}
			if isMark(near) && near.Version != "" && time.Since(near.ModTime) > markAge {
				old = append(old, backend.Seen{Key: near.Key, Version: near.Version})
			}
		}
		if len(old) == 0 {
			continue
		}
		err = backend.DeleteMatch(ctx, b.near, old)
		for i := range old {
			if one := backend.ItemError(err, i); one != nil && !errors.Is(one, backend.ErrChanged) {
				return one
			}
		}
	}
	return nil
}

// Facts implements [backend.Informer].
func (b *Backend) Facts(ctx context.Context) ([]backend.Fact, error) {
	if err := b.calls.Begin(ctx); err != nil {
		return nil, wrap("info", backend.Key{}, err)
	}
	defer b.calls.End()
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	facts := []backend.Fact{{Name: "write", Value: string(b.opts.Write)}}
	if b.opts.Source != "" {
		facts = append(facts, backend.Fact{Name: "far", Value: b.opts.Source})
	}
	facts = append(facts,
		backend.Fact{Name: "read near", Value: number(b.hits.Load())},
		backend.Fact{Name: "read far", Value: number(b.misses.Load())},
		backend.Fact{Name: "far store away", Value: number(b.absences.Load()) + " times"},
		backend.Fact{Name: "near store failed", Value: number(b.failures.Load()) + " times"},
	)
	if !b.overlays() {
		return facts, nil
	}
	var d doubts
	if b.sender != nil {
		var err error
		if d, err = b.doubts(ctx); err != nil {
			return nil, wrap("info", backend.Key{}, err)
		}
	}
	var values, bytes int64
	for near, err := range b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) {
			b.count(err)
			break // the others were listed
		}
		if err != nil {
			return nil, wrap("info", backend.Key{}, err)
		}
		if !d.of[near.Key.Name].covers(near) {
			values, bytes = values+1, bytes+near.Size
		}
	}
	name := "waiting for the far store"
	if b.opts.Write == Near {
		name = "near alone"
	}
	facts = append(facts, backend.Fact{Name: name, Value: number(values) + " values, " + number(bytes) + " bytes"})
	if b.sender != nil {
		b.sender.mu.Lock()
		last := b.sender.last
		b.sender.mu.Unlock()
		facts = append(facts, backend.Fact{Name: "cannot be sent", Value: number(b.sender.stuck.Load())})
		if n := len(d.of); n > 0 {
			facts = append(facts, backend.Fact{Name: "in doubt", Value: strconv.Itoa(n) + " keys, an older write of which may still arrive; kept near for minutes"})
		}
		if last != nil {
			facts = append(facts, backend.Fact{Name: "last failure to send", Value: last.Error()})
		}
	}
	return facts, nil
}
