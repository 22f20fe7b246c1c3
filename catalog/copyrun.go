package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// copier is a Copy at work: one goroutine lists and compares, some read and store.
type copier struct {
	CopyOptions
	dst, src           *larder.Store
	to, from           backend.Backend
	toLimits, fromHere backend.Limits

	probe  backend.Key // in dst for as long as the copy runs; see ready
	record bool        // the source had a record when the copy began
	most   int         // entries in a batch
	anew   bool        // all is written anew, so that what is replaced is gone
	jobs   chan []job

	mu     sync.Mutex // guards what follows, and the calls of Found and Progress
	report CopyReport
	gone   map[string]bool // session shelves of which an entry was gone
}

// job is one entry to copy, or to compare first.
type job struct {
	theirs   backend.Info
	ours     backend.Info // meaningful if there
	there    bool         // at the destination
	unsure   bool         // whether it is there was not looked up
	from     *pinned      // unless nil, what it is copied from
	attempts int
}

func newCopier(dst, src *larder.Store, opts CopyOptions) *copier {
	c := &copier{CopyOptions: opts, dst: dst, src: src, to: dst.Backend(), from: src.Backend(), gone: map[string]bool{}}
	c.toLimits, c.fromHere = backend.LimitsOf(c.to), backend.LimitsOf(c.from)
	costly := c.toLimits.CostlyRequests || c.fromHere.CostlyRequests
	if c.Parallel <= 0 {
		c.Parallel = 4
		if costly {
			c.Parallel = 16
		}
	}
	c.Parallel = min(c.Parallel, maxParallel)
	c.most = batchItems
	if _, ok := backend.As[backend.BatchPutter](c.to); !ok || c.fromHere.CostlyRequests {
		c.most = 1 // side by side, not one after the other
	}
	return c
}

// maxParallel bounds the goroutines of a copy.
const maxParallel = 1 << 10

// A batch has at most so many entries, and bytes unless it is one entry: enough that many share a commit's fsync, and few enough
// that commits of one database take turns with reading. Copying 50,000 values of 1 KiB between shelves took 60 µs each by
// batches of 64, 43 by 512 and 137 by 2,048.
const (
	batchItems = 512
	batchBytes = 16 << 20
)

// run copies everything.
func (c *copier) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.jobs = make(chan []job, c.Parallel)
	var workers sync.WaitGroup
	for range c.Parallel {
		workers.Go(func() {
			for batch := range c.jobs {
				if err := c.batch(ctx, batch); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := c.list(ctx, workers.Wait)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil {
		err = c.sourceThere(ctx)
	}
	return err
}

// list finds what there is to copy, and closes jobs. wait returns when all jobs are done.
func (c *copier) list(ctx context.Context, wait func()) error {
	err := c.values(ctx)
	var sessions []*copiedSession
	if err == nil && (c.Sessions || all(c.Where)) {
		sessions, err = c.shelves(ctx)
	}
	close(c.jobs)
	wait()
	if err == nil && ctx.Err() == nil {
		err = c.seal(ctx, sessions)
	}
	return err
}

// values copies the results of components, their descriptions first: of a value that a copy left when it ended early it is known
// what it is.
func (c *copier) values(ctx context.Context) error {
	if all(c.Where) {
		if err := c.shelf(ctx, backend.ShelfComponents, backend.ListOptions{}, nil); err != nil {
			return err
		}
		return c.shelf(ctx, backend.ShelfCache, backend.ListOptions{}, nil)
	}
	needed := &provenance{c: c, seen: map[string]bool{}}
	p := c.newPage(backend.ShelfCache)
	for e, err := range Find(ctx, c.src, component.Query{Where: c.Where}) {
		if err == nil {
			err = needed.add(ctx, e.ID)
		}
		if err == nil {
			err = p.add(ctx, e.Info)
		}
		if err != nil {
			return err
		}
	}
	if err := p.flush(ctx); err != nil {
		return err
	}
	return c.shelf(ctx, ShelfOutputs, backend.ListOptions{}, needed.unneeded)
}

// shelf copies a shelf of the source; what hold returns true for is left to the caller.
func (c *copier) shelf(ctx context.Context, shelf string, opts backend.ListOptions, hold func(backend.Info) bool) error {
	p := c.newPage(shelf)
	for info, err := range c.from.List(ctx, shelf, opts) {
		if err != nil {
			return err
		}
		if c.probe.Name != "" && endsIn(info.Key.Name, c.probe.Name) {
			return fmt.Errorf("the destination lies within the source, as its shelf %q; give it a place of its own", shelf)
		}
		if hold != nil && hold(info) {
			continue
		}
		if err := p.add(ctx, info); err != nil {
			return err
		}
	}
	return p.flush(ctx)
}

// send gives a batch to the workers.
func (c *copier) send(ctx context.Context, batch []job) error {
	select {
	case c.jobs <- batch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// count changes the report.
func (c *copier) count(change func(*CopyReport)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.report)
	if c.Progress != nil {
		c.Progress(c.report)
	}
}

// found reports an entry that was not simply copied.
func (c *copier) found(f CopyFinding) {
	c.count(func(r *CopyReport) {
		switch f.What {
		case Conflict:
			r.Conflicts++
		case Kept:
			r.Kept++
		case Replaced:
			r.Replaced++
		case Corrupt:
			r.Corrupt++
		case Refused:
			r.Refused++
		}
		if c.Found != nil {
			c.Found(f)
		}
	})
}

// sourceThere fails if the source is gone as a whole: a directory that was deleted or unmounted looks as if it held nothing more.
func (c *copier) sourceThere(ctx context.Context) error {
	if !c.record {
		return nil
	}
	if _, err := c.from.Stat(ctx, recordKey); errors.Is(err, larder.ErrNotFound) {
		return fmt.Errorf("the source vanished meanwhile: %w", err)
	} else if err != nil {
		return err
	}
	return nil
}

// recordKey is what each store that lasts has.
var recordKey = backend.Key{Shelf: backend.ShelfStore, Name: "record"}
