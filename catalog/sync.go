package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/evict"
)

// SyncReport counts what a synchronisation did, in each direction.
type SyncReport struct {
	There CopyReport // from the first store to the second one; conflicts are counted here
	Back  CopyReport // from the second store to the first one
}

// Sync copies in both directions what either store holds and the other lacks. Nothing is deleted: what was removed from one
// store comes back from the other. A conflict is met once, there; preferences are meant as in Copy(ctx, b, a, opts): ours is b's.
// An error in one direction ends both.
func Sync(ctx context.Context, a, b *larder.Store, opts CopyOptions) (SyncReport, error) {
	var r SyncReport
	var err error
	there, back := opts, opts
	there.Found = func(f CopyFinding) {
		if f.What != Kept && opts.Found != nil { // it is to be replaced on the way back
			opts.Found(f)
		}
	}
	if r.There, err = Copy(ctx, b, a, there); err != nil {
		return r, err
	}
	switch opts.Prefer {
	case PreferOurs:
		back.Prefer = PreferTheirs
	case PreferTheirs:
		back.Prefer = PreferOurs
	}
	back.Found = func(f CopyFinding) {
		if f.What != Conflict && f.What != Kept && opts.Found != nil {
			opts.Found(f)
		}
	}
	if opts.Progress != nil {
		back.Progress = func(p CopyReport) { opts.Progress(sum(r.There, p)) }
	}
	r.Back, err = Copy(ctx, a, b, back)
	r.There.Kept, r.Back.Kept, r.Back.Conflicts = 0, 0, 0
	return r, err
}

// sum adds two reports.
func sum(a, b CopyReport) CopyReport {
	a.Values += b.Values
	a.Descriptions += b.Descriptions
	a.Others += b.Others
	a.Bytes += b.Bytes
	a.Replaced += b.Replaced
	a.Corrupt += b.Corrupt
	a.Refused += b.Refused
	a.Gone += b.Gone
	return a
}

// Prune deletes the values of dst that fulfil the condition and that src does not hold: with Copy ahead of it, dst becomes a mirror of
// src. What is pinned stays, and descriptions and sessions do. If src holds no values at all it is refused: an empty source is a wrong path or a
// failed mount more often than what was meant. Found, unless nil, receives each value; with dryRun nothing is deleted.
func Prune(ctx context.Context, dst, src *larder.Store, where component.Condition, dryRun bool, found func(Entry)) (Deleted, error) {
	if err := distinct(ctx, dst, src); err != nil {
		return Deleted{}, fmt.Errorf("nothing was deleted: %w", err)
	}
	pinned, err := evict.Pinned(ctx, dst.Backend(), time.Now())
	if err != nil {
		return Deleted{}, err
	}
	var done Deleted
	var batch []Entry
	flush := func() error {
		lacking, err := lacking(ctx, src, batch)
		batch = batch[:0]
		if err != nil || len(lacking) == 0 {
			return err
		}
		if found != nil {
			for _, e := range lacking {
				found(e)
			}
		}
		var d Deleted
		if dryRun {
			for _, e := range lacking {
				d.Values++
				d.Bytes += e.Info.Size
			}
		} else {
			d, err = DeleteEntries(ctx, dst, lacking)
		}
		done.Values += d.Values
		done.Bytes += d.Bytes
		return err
	}
	for e, err := range Find(ctx, dst, component.Query{Where: where}) {
		if err != nil {
			return done, err
		}
		if pinned[e.ID] {
			continue
		}
		if batch = append(batch, e); len(batch) == deleteBatch {
			if err := flush(); err != nil {
				return done, err
			}
		}
	}
	return done, flush()
}
