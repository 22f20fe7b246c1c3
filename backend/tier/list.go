package tier

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// List implements [backend.Backend]. It is the far store's, which own values and graves are merged into.
func (b *Backend) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	at := backend.Key{Shelf: shelf}
	return func(yield func(backend.Info, error) bool) {
		err := opts.Validate(shelf)
		if err == nil {
			if err = b.calls.Begin(ctx); err == nil {
				b.calls.End() // Close does not wait for lists: those of the stores below end by it
			}
		}
		if err != nil {
			yield(backend.Info{}, wrap("list", at, err))
			return
		}
		for info, err := range b.list(ctx, shelf, opts) {
			if !yield(info, wrap("list", at, b.notice(err))) || err != nil {
				return
			}
		}
	}
}

func (b *Backend) list(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	if !b.overlays() {
		return b.far.List(ctx, shelf, opts)
	}
	return func(yield func(backend.Info, error) bool) {
		own, damaged := b.ownOf(ctx, shelf, opts)
		if damaged != nil && !errors.Is(damaged, backend.ErrCorrupt) {
			yield(backend.Info{}, damaged)
			return
		}
		left := opts.Limit
		// give yields one entry, and reports whether to go on.
		give := func(info backend.Info) bool {
			if err := ctx.Err(); err != nil {
				yield(backend.Info{}, err)
				return false
			}
			left--
			return yield(info, nil) && left != 0
		}
		opts.Limit = 0 // graves hide some of what the far store would count
		for info, err := range b.far.List(ctx, shelf, opts) {
			if err != nil {
				yield(backend.Info{}, err)
				return
			}
			hidden := false
			for len(own) > 0 && own[0].Key.Name <= info.Key.Name {
				hidden = own[0].Key.Name == info.Key.Name
				if !own[0].grave && !give(own[0].Info) {
					return
				}
				own = own[1:]
			}
			if info.Version = b.told(info); info.Digest == [32]byte{} {
				info.Version = "" // a list may leave the digest out, and so what Stat makes of it
			}
			if !hidden && !give(info) {
				return
			}
		}
		for _, o := range own {
			if !o.grave && !give(o.Info) {
				return
			}
		}
		if damaged != nil {
			yield(backend.Info{}, damaged)
		}
	}
}

// ownInfo is what a list says of an own value.
type ownInfo struct {
	backend.Info
	grave bool
}

// ownOf returns the own values of a shelf that the options choose but for their limit, by name. They are in memory together: in the
// mode Back no more than the queue holds. With an error that is ErrCorrupt they are those that could be read.
func (b *Backend) ownOf(ctx context.Context, shelf string, opts backend.ListOptions) (all []ownInfo, damaged error) {
	for near, err := range b.near.List(ctx, ownShelf, backend.ListOptions{Prefix: ownPrefix(shelf)}) {
		if errors.Is(err, backend.ErrCorrupt) {
			damaged = err
			break // the others were listed
		}
		if err != nil {
			return nil, err
		}
		o, ok, err := b.own(ctx, near)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if name := o.Key.Name; o.Key.Shelf == shelf && strings.HasPrefix(name, opts.Prefix) && name > opts.After {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(x, y ownInfo) int { return strings.Compare(x.Key.Name, y.Key.Name) })
	return all, damaged
}

// own describes an entry of the shelf of own values; false where it was sent meanwhile, or is damaged, which is counted: one of those
// is no reason to show nothing of the others.
func (b *Backend) own(ctx context.Context, near backend.Info) (ownInfo, bool, error) {
	if near.Meta == nil { // lists may leave it out
		var err error
		near, err = b.near.Stat(ctx, near.Key)
		switch {
		case errors.Is(err, backend.ErrNotFound):
			return ownInfo{}, false, nil
		case errors.Is(err, backend.ErrCorrupt):
			b.count(err)
			return ownInfo{}, false, nil
		case err != nil:
			return ownInfo{}, false, err
		}
	}
	info, _, err := beheaded(near)
	b.count(err)
	return ownInfo{info, isGrave(near)}, err == nil, nil
}

// Shelves implements [backend.Backend].
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := opts.ValidateShelves()
		if err == nil {
			if err = b.calls.Begin(ctx); err == nil {
				b.calls.End() // Close does not wait for lists: those of the stores below end by it
			}
		}
		if err != nil {
			yield("", wrap("shelves", backend.Key{}, err))
			return
		}
		for shelf, err := range b.shelves(ctx, opts) {
			if !yield(shelf, wrap("shelves", backend.Key{}, b.notice(err))) || err != nil {
				return
			}
		}
	}
}

func (b *Backend) shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	if !b.overlays() {
		return b.far.Shelves(ctx, opts)
	}
	return func(yield func(string, error) bool) {
		here, damaged := b.ownShelves(ctx, opts)
		if damaged != nil && !errors.Is(damaged, backend.ErrCorrupt) {
			yield("", damaged)
			return
		}
		left := opts.Limit
		give := func(shelf string) bool {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return false
			}
			left--
			return yield(shelf, nil) && left != 0
		}
		opts.Limit = 0
		for shelf, err := range b.far.Shelves(ctx, opts) {
			if err != nil {
				yield("", err)
				return
			}
			graves := false
			for len(here) > 0 && here[0].name <= shelf {
				if here[0].name == shelf {
					graves = here[0].graves
				} else if here[0].lives && !give(here[0].name) {
					return
				}
				here = here[1:]
			}
			if graves { // they may hide all of it
				some, err := b.holdsAny(ctx, shelf)
				if err != nil {
					yield("", err)
					return
				}
				if !some {
					continue
				}
			}
			if !give(shelf) {
				return
			}
		}
		for _, s := range here {
			if s.lives && !give(s.name) {
				return
			}
		}
		if damaged != nil {
			yield("", damaged)
		}
	}
}

func (b *Backend) holdsAny(ctx context.Context, shelf string) (bool, error) {
	for _, err := range b.list(ctx, shelf, backend.ListOptions{Limit: 1}) {
		return err == nil, err
	}
	return false, nil
}

// shelfOfOwn says what kinds of own values a shelf has.
type shelfOfOwn struct {
	name          string
	lives, graves bool
}

// ownShelves fails as ownOf does.
func (b *Backend) ownShelves(ctx context.Context, opts backend.ListOptions) (all []shelfOfOwn, damaged error) {
	byName := map[string]shelfOfOwn{}
	for near, err := range b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) {
			damaged = err
			break // the others were listed
		}
		if err != nil {
			return nil, err
		}
		o, ok, err := b.own(ctx, near)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		name := o.Key.Shelf
		if !strings.HasPrefix(name, opts.Prefix) || name <= opts.After {
			continue
		}
		s := byName[name]
		s.name, s.lives, s.graves = name, s.lives || !o.grave, s.graves || o.grave
		byName[name] = s
	}
	for _, s := range byName {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y shelfOfOwn) int { return strings.Compare(x.name, y.name) })
	return all, damaged
}
