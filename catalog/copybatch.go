package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// maxAttempts bounds how often an entry is compared anew because another process changed it meanwhile.
const maxAttempts = 10

// batch copies a batch. An error is one that no other entry will be spared.
func (c *copier) batch(ctx context.Context, batch []job) error {
	for len(batch) > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		var items []backend.Item
		var at []job // of the items
		for _, j := range batch {
			condition, copied, err := c.decide(ctx, &j)
			if err != nil {
				return err
			}
			if !copied {
				continue
			}
			item, err := c.item(ctx, &j, condition)
			if err != nil {
				return err
			}
			if item.Body != nil {
				items, at = append(items, item), append(at, j)
			}
		}
		var err error
		if batch, err = c.put(ctx, items, at); err != nil {
			return err
		}
	}
	return nil
}

// put stores items, and returns the jobs that must be tried again.
func (c *copier) put(ctx context.Context, items []backend.Item, at []job) (again []job, err error) {
	if c.DryRun {
		for i := range items {
			c.copied(at[i])
		}
		return nil, nil
	}
	infos := make([]backend.Info, 1)
	switch len(items) {
	case 0:
		return nil, nil
	case 1:
		infos[0], err = c.to.Put(ctx, items[0].Key, items[0].Body, items[0].PutOptions)
	default:
		infos, err = backend.PutBatch(ctx, c.to, items)
	}
	var fatal error
	for i, j := range at {
		retry, bad := c.outcome(ctx, j, items[i], backend.ItemError(err, i))
		items[i].Body.(*sourceBody).Close()
		if items[i].Key.Shelf == backend.ShelfCache && backend.ItemError(err, i) == nil {
			c.dst.Added(ctx, infos[i])
		}
		if retry && errors.Is(items[i].Body.(*sourceBody).err, errOverwritten) {
			var gone error
			if j.theirs, gone = c.from.Stat(ctx, items[i].Key); gone != nil {
				retry, bad = false, c.unreadable(items[i].Key, gone)
			}
		}
		if bad != nil && fatal == nil {
			fatal = bad
		}
		if retry {
			j.attempts++
			j.there, j.unsure, j.ours = false, true, backend.Info{}
			again = append(again, j)
		}
	}
	return again, fatal
}

// outcome says what became of an item.
func (c *copier) outcome(ctx context.Context, j job, item backend.Item, err error) (retry bool, fatal error) {
	body := item.Body.(*sourceBody)
	switch {
	case err == nil:
		if j.there {
			c.found(CopyFinding{Key: item.Key, What: Replaced, Theirs: body.info, Ours: j.ours})
		}
		c.copied(j)
		return false, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(body.err, errOverwritten), errors.Is(err, larder.ErrExists), errors.Is(err, backend.ErrChanged):
		if j.attempts < maxAttempts {
			return true, nil
		}
		return false, fmt.Errorf("%q changes again and again: %w", item.Key, err)
	case body.err != nil:
		return false, c.unreadable(item.Key, body.err)
	case errors.Is(err, backend.ErrTooLarge), errors.Is(err, backend.ErrInvalidKey):
		c.found(CopyFinding{Key: item.Key, What: Refused, Theirs: body.info, Err: err})
		return false, nil
	}
	return false, err
}

// unreadable reports an entry that cannot be read. What is wrong with that entry alone is no error.
func (c *copier) unreadable(key backend.Key, err error) error {
	switch {
	case errors.Is(err, larder.ErrCorrupt):
		c.found(CopyFinding{Key: key, What: Corrupt, Err: err})
		return nil
	case errors.Is(err, larder.ErrNotFound):
		c.mu.Lock()
		c.gone[key.Shelf] = true
		c.mu.Unlock()
		c.count(func(r *CopyReport) { r.Gone++ })
		return nil
	}
	return err
}

func (c *copier) copied(j job) {
	c.count(func(r *CopyReport) {
		r.Bytes += j.theirs.Size
		switch j.theirs.Key.Shelf {
		case backend.ShelfCache:
			r.Values++
		case backend.ShelfComponents:
			r.Descriptions++
		default:
			r.Others++
		}
	})
}

// decide compares an entry with that of the destination, asks for what the lists left out, and returns whether it is to be
// copied, and in place of what.
func (c *copier) decide(ctx context.Context, j *job) (condition backend.PutOptions, copied bool, err error) {
	condition.IfAbsent = c.toLimits.AtomicIfAbsent
	if j.unsure || j.there && !known(j.ours) {
		j.ours, err = c.to.Stat(ctx, j.theirs.Key)
		if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) {
			j.there = false
			condition.IfAbsent = condition.IfAbsent && !errors.Is(err, larder.ErrCorrupt) // what cannot be read is healed
			return condition, true, nil
		}
		if err != nil {
			return condition, false, err
		}
		j.there, j.unsure = true, false
	}
	if !j.there {
		return condition, true, nil
	}
	if !known(j.theirs) && j.theirs.Size == j.ours.Size || c.Prefer == PreferNewer && j.theirs.Meta == nil {
		if j.theirs, err = c.from.Stat(ctx, j.theirs.Key); err != nil {
			return condition, false, c.unreadable(j.ours.Key, err)
		}
	}
	if !differ(j.theirs, j.ours) {
		c.count(func(r *CopyReport) { r.Present++ })
		return condition, false, nil
	}
	what := c.prefers(j.theirs, j.ours)
	if what != Replaced {
		c.found(CopyFinding{Key: j.theirs.Key, What: what, Theirs: j.theirs, Ours: j.ours})
		return condition, false, nil
	}
	condition.IfAbsent = false
	if c.toLimits.AtomicIfMatch {
		if j.ours.Version == "" {
			j.unsure = true
			return c.decide(ctx, j)
		}
		condition.IfMatch = j.ours.Version
	}
	return condition, true, nil
}

// prefers says what becomes of two different values under one key.
func (c *copier) prefers(theirs, ours backend.Info) string {
	switch c.Prefer {
	case PreferOurs:
		return Kept
	case PreferTheirs:
		return Replaced
	case PreferNewer:
		// Right to a second, as the contract has it.
		a, b := larder.Stored(theirs).Truncate(time.Second), larder.Stored(ours).Truncate(time.Second)
		if a.After(b) {
			return Replaced
		}
		if b.After(a) {
			return Kept
		}
	}
	return Conflict
}

// item makes the Put of an entry. Its Body is nil if there is nothing to put.
func (c *copier) item(ctx context.Context, j *job, condition backend.PutOptions) (backend.Item, error) {
	body := &sourceBody{ctx: ctx, b: c.from, info: j.theirs}
	if j.from != nil {
		body.b = j.from
	}
	if !c.DryRun && (!known(j.theirs) || j.theirs.Meta == nil || j.theirs.Size <= readAhead || j.attempts > 0) {
		body.info = backend.Info{Key: j.theirs.Key}
		if err := body.open(); err != nil {
			return backend.Item{}, c.unreadable(j.theirs.Key, err)
		}
		j.theirs = body.info
	}
	if err := named(j.theirs); err != nil {
		body.Close()
		return backend.Item{}, c.unreadable(j.theirs.Key, err)
	}
	condition.Size, condition.Digest, condition.Sum = body.info.Size, body.info.Digest, body.info.Sum
	condition.Meta = copiedMeta(body.info)
	return backend.Item{Key: j.theirs.Key, Body: body, PutOptions: condition}, nil
}

// copiedMeta returns the metadata of a copy: all that the value has, and when it was stored. With so much metadata that the
// time does not fit, it goes without.
func copiedMeta(info backend.Info) backend.Meta {
	meta := maps.Clone(info.Meta)
	if meta == nil {
		meta = backend.Meta{}
	}
	if t := larder.Stored(info); !t.IsZero() {
		meta[larder.MetaStored] = t.UTC().Format(time.RFC3339)
	}
	if meta.Validate() != nil {
		delete(meta, larder.MetaStored)
	}
	return meta
}
