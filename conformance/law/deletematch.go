package law

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/larder-store/larder/backend"
)

// What conditional deletes of a backend's own do. Whether versions are compared at the instant of the deletion is not promised: buckets cannot.
var deleteMatchLaws = []Law{
	{
		Name: "delete-match/seen", Needs: []Need{MatchDeletes}, Fn: deleteMatchSeen,
		Rule: "DeleteMatch removes the entries that have the Version given, and no others: one that was replaced, by whichever handle, stays and fails with ErrChanged, as an absent one does; one of the same bytes under another key stays. No entry has the Version \"\".",
	},
	{
		Name: "delete-match/told", Needs: []Need{MatchDeletes}, Fn: deleteMatchTold,
		Rule: "What DeleteMatch removed is gone from Get, Stat, List and Shelves, on each handle, though they were asked before, and can be created again, with a Version that it never had.",
	},
	{
		Name: "delete-match/fails", Needs: []Need{MatchDeletes}, Fn: deleteMatchFails,
		Rule: "A key that DeleteMatch cannot remove does not keep the others, and its error stands in its place of the BatchError.",
	},
	{
		Name: "delete-match/many", Needs: []Need{MatchDeletes}, Fn: deleteMatchMany,
		Rule: "DeleteMatch takes more keys than fit in one request of common engines, and removes each that is as it was seen, the last as the first.",
	},
}

func deleteMatchSeen(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	same, old, gone, other := e.key("s", "a"), e.key("s", "a/b"), e.key("s", "c"), e.key("t", "a")
	p.seenAsAnother(e)
	var seen []backend.Seen
	for i, key := range []backend.Key{same, old, gone, other} {
		p.put(key, noise(someSizes[i%2], uint64(i)))
		if p.err == nil {
			seen = append(seen, backend.Seen{Key: key, Version: p.stat(key).Version})
		}
	}
	seen = append(seen, seen...) // what the first half removed is absent to the second
	p.put(old, "new")
	p.remove(gone)
	if p.err != nil {
		return p.err
	}
	before := e.unknown.Load()
	err = backend.DeleteMatch(ctx, p.b, seen)
	tried := e.unknown.Load() > before // again: who knows what the first attempt deleted
	for i, s := range seen {
		again := i >= len(seen)/2
		switch err := backend.ItemError(err, i); {
		case (s.Key == gone || again) && tried && err == nil:
		case s.Key == old || s.Key == gone || again:
			p.fails("DeleteMatch of what was replaced or is absent", err, backend.ErrChanged)
			p.typed("DeleteMatch of what was replaced or is absent", s.Key, err)
		case err != nil:
			p.failf("DeleteMatch of what is as it was seen: %w", err)
		}
	}
	p.absent(same)
	p.absent(gone)
	p.absent(other)
	p.holds(old, "new")
	p.lists(e.Shelf("s"), backend.ListOptions{}, "a/b")
	if err := backend.DeleteMatch(ctx, p.b, nil); err != nil {
		p.failf("DeleteMatch of nothing: %w", err)
	}
	// What another handle put in its place counts, not what this one saw last.
	p.put(other, "seen")
	last := p.stat(other).Version
	q.put(other, "put by another handle")
	p.fails("DeleteMatch of what another handle replaced", backend.ItemError(backend.DeleteMatch(ctx, p.b, []backend.Seen{{Key: other, Version: last}}), 0), backend.ErrChanged)
	p.holds(other, "put by another handle")
	p.fails("DeleteMatch with an empty Version", backend.ItemError(backend.DeleteMatch(ctx, p.b, []backend.Seen{{Key: other}}), 0), backend.ErrChanged)
	p.holds(other, "put by another handle")
	for info, err := range p.b.List(ctx, e.Shelf("t"), backend.ListOptions{}) {
		if err != nil {
			p.failf("List: %w", err)
			break
		}
		if info.Key != other || info.Version == "" {
			continue
		}
		q.put(other, "put after it was listed")
		p.fails("DeleteMatch of what another handle replaced since it was listed", backend.ItemError(backend.DeleteMatch(ctx, p.b, []backend.Seen{{Key: other, Version: info.Version}}), 0), backend.ErrChanged)
		p.holds(other, "put after it was listed")
	}
	// A key may be named with several Versions.
	for _, at := range []int{0, 1} {
		key := e.key("named", fmt.Sprint("twice-", at))
		first := p.put(key, "first").Version
		second := p.put(key, "second").Version
		if p.err != nil {
			break
		}
		named := []backend.Seen{{Key: key, Version: first}, {Key: key, Version: first}}
		named[at].Version = second
		before := e.unknown.Load()
		err := backend.DeleteMatch(ctx, p.b, named)
		if e.unknown.Load() > before { // it tried again: who knows what the first attempt deleted
			continue
		}
		p.fails("DeleteMatch of a key with an old Version, beside the present one", backend.ItemError(err, 1-at), backend.ErrChanged)
		if ierr := backend.ItemError(err, at); ierr != nil {
			p.failf("DeleteMatch of a key with its Version, beside an old one: %w", ierr)
		}
		p.absent(key)
	}
	// Equal bytes may have equal Versions.
	twin := e.key("s", "twin")
	p.put(same, "of the same bytes")
	p.put(twin, "of the same bytes")
	p.removeSeenAs(same, p.stat(same).Version)
	p.absent(same)
	p.holds(twin, "of the same bytes")
	return errors.Join(p.err, q.err)
}

func deleteMatchFails(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 5)
	p.fill(keys)
	seen := make([]backend.Seen, len(keys))
	for i, key := range keys {
		if p.err == nil {
			seen[i] = backend.Seen{Key: key, Version: p.stat(key).Version}
		}
	}
	if p.err != nil {
		return p.err
	}
	seen[2].Key.Name = "Not/Valid"
	err := backend.DeleteMatch(ctx, p.b, seen)
	var batch backend.BatchError
	if !errors.As(err, &batch) || len(batch) != len(keys) {
		p.failf("DeleteMatch with an invalid key = error %T %v, want a BatchError with one error a key", err, err)
		return p.err
	}
	for i, err := range batch {
		if i == 2 {
			p.fails("DeleteMatch's error for an invalid key", err, backend.ErrInvalidKey)
			p.typed("DeleteMatch's error for an invalid key", seen[2].Key, err)
		} else if err != nil {
			p.failf("DeleteMatch's error for a key beside an invalid one: %w", err)
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, "000002")
	return p.err
}

// seenAsAnother deletes keys by the Version that another key of the same batch has.
func (p *probe) seenAsAnother(e *Env) {
	for _, pair := range [][2]backend.Key{{e.key("u", "a"), e.key("u", "b")}, {e.key("v", "a"), e.key("w", "a")}} {
		p.put(pair[0], "one")
		p.put(pair[0], "two") // so that versions that are counted differ
		p.put(pair[1], "three")
		first, second := p.stat(pair[0]).Version, p.stat(pair[1]).Version
		if p.err != nil || first == second {
			continue
		}
		err := backend.DeleteMatch(p.ctx, p.b, []backend.Seen{{Key: pair[0], Version: second}, {Key: pair[1], Version: first}})
		for i := range pair {
			p.fails("DeleteMatch of a key with the Version of another one of the batch", backend.ItemError(err, i), backend.ErrChanged)
		}
		p.holds(pair[0], "two")
		p.holds(pair[1], "three")
	}
}

// removeSeenAs deletes a key that has a version.
func (p *probe) removeSeenAs(key backend.Key, version string) {
	if p.err != nil {
		return
	}
	err := backend.DeleteMatch(p.ctx, p.b, []backend.Seen{{Key: key, Version: version}})
	if err := backend.ItemError(err, 0); err != nil {
		p.failf("DeleteMatch of %q, which is as it was seen: %w", key, err)
	}
}

func deleteMatchMany(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.aPageAndMore())
	p.fill(keys)
	var seen []backend.Seen
	var stale []string
	for i, info := range p.list(e.Shelf("s"), backend.ListOptions{}) {
		if p.err != nil {
			break
		}
		if info.Version == "" { // lists may leave it out
			info.Version = p.stat(info.Key).Version
		}
		seen = append(seen, backend.Seen{Key: info.Key, Version: info.Version})
		if i%(len(keys)/3) == 1 || i == len(keys)-2 {
			p.put(info.Key, "put since")
			stale = append(stale, info.Key.Name)
		}
	}
	if p.err != nil {
		return p.err
	}
	before := e.unknown.Load()
	err := backend.DeleteMatch(ctx, p.b, seen)
	for i, s := range seen {
		switch err := backend.ItemError(err, i); {
		case err == nil && e.unknown.Load() > before: // it tried again
		case slices.Contains(stale, s.Key.Name):
			p.fails(fmt.Sprintf("DeleteMatch of number %d of %d, which was replaced,", i, len(seen)), err, backend.ErrChanged)
		case err != nil:
			p.failf("DeleteMatch of number %d of %d, which is as it was seen: %w", i, len(seen), err)
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, stale...)
	return p.err
}
