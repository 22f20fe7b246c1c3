package tier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// A limiter keeps the copies of the near store within a size. It looks at them when some percent of the limit was filled since it last
// did, so that the work a Put is bounded; what was copied first goes first. Own values and marks are no copies. A young copy leaves an empty
// value: somebody may have read far before it was laid, and be about to lay what it replaced. Old ones of these go too, and old marks.
type limiter struct {
	b *Backend

	mu     sync.Mutex // guards the rest
	filled int64      // bytes since it last looked
	busy   bool
}

const (
	limitLease  = "tier-limit"
	lookPercent = 2  // of the limit may be filled between two looks
	leavesRoom  = 10 // percent of the limit, so that there is no eviction for each Put
)

// grew counts a copy, and looks in the background where it is time.
func (l *limiter) grew(size int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filled += size
	if l.busy || !l.due() {
		return
	}
	ctx, stop, err := l.b.calls.BeginContext(context.Background())
	if err != nil {
		return // closed: the next handle looks
	}
	l.busy = true
	go func() {
		defer l.b.calls.End()
		defer stop()
		l.mu.Lock()
		defer l.mu.Unlock()
		for l.due() && ctx.Err() == nil {
			l.filled = 0
			l.mu.Unlock()
			l.b.count(l.look(ctx))
			l.mu.Lock()
		}
		l.busy = false
	}()
}

// due reports whether it is time to look. The caller holds mu.
func (l *limiter) due() bool { return l.filled >= max(1, l.b.opts.NearMax/100*lookPercent) }

// look evicts what is too much, unless another process does at the moment.
func (l *limiter) look(ctx context.Context) error {
	held, err := l.b.acquire(ctx, limitLease)
	if err != nil {
		return nil // another does
	}
	defer func() { l.b.count(held.Release(context.WithoutCancel(ctx))) }()
	type copied struct {
		backend.Seen
		size, at int64
	}
	var all []copied
	var gone []backend.Seen // of them, and old marks
	total := int64(0)
	for shelf, err := range l.b.near.Shelves(ctx, backend.ListOptions{Prefix: nearShelves}) {
		if err != nil {
			return err
		}
		for near, err := range l.b.near.List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				return err
			}
			switch {
			case near.Version == "":
			case isMark(near) && !younger(near.ModTime, settledTwice):
				gone = append(gone, backend.Seen{Key: near.Key, Version: near.Version})
			case near.Size > 0:
				all = append(all, copied{backend.Seen{Key: near.Key, Version: near.Version}, near.Size, near.ModTime.UnixNano()})
				total += near.Size
			}
		}
	}
	var young []backend.Item
	most := l.b.opts.NearMax
	if total > most {
		most = most / 100 * (100 - leavesRoom)
	}
	slices.SortFunc(all, func(x, y copied) int { return int(min(max(x.at-y.at, -1), 1)) })
	for _, c := range all {
		if total <= most {
			break
		}
		total -= c.size
		if !younger(time.Unix(0, c.at), settledTwice) {
			gone = append(gone, c.Seen)
			continue
		}
		o := emptyOptions(metaGone)
		o.IfMatch = c.Version
		young = append(young, backend.Item{Key: c.Key, Body: strings.NewReader(""), PutOptions: o})
	}
	for some := range slices.Chunk(young, 1000) {
		_, failed := backend.PutBatch(ctx, l.b.near, some) // what changed meanwhile stays
		for i, it := range some {
			if one := backend.ItemError(failed, i); one != nil && !errors.Is(one, backend.ErrChanged) {
				gone = append(gone, backend.Seen{Key: it.Key, Version: it.IfMatch}) // there is no room for as much
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(gone, 1000) {
		_ = backend.DeleteMatch(ctx, l.b.near, some) // what changed meanwhile stays
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
