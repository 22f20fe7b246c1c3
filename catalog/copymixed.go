package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/packname"
)

// mixed says what becomes of a session of the source and what the destination has under its name: empty if theirs is added to ours, entry by
// entry; Replaced if theirs takes the place of ours; Kept or Conflict, which it reports, if ours stays as it is.
//
// Items of two sessions are entries with keys of their own, and are merged as those of all shelves are. Packs replace one another by
// their numbers. So where there are packs, theirs may be added only if it went on from ours, and its packs have all the numbers of ours: then what
// ours has and theirs has not was merged into theirs.
func (c *copier) mixed(ctx context.Context, s *copiedSession) (string, error) {
	ours, err := c.contentsOf(ctx, c.to, s.shelf)
	if err != nil || ours.empty {
		return "", err
	}
	key := backend.Key{Shelf: s.shelf, Name: sessionMeta}
	text, info, err := backend.GetVerified(ctx, c.to, key)
	var is sessionIs // remains empty if nothing can be known
	switch {
	case errors.Is(err, larder.ErrNotFound), errors.Is(err, larder.ErrCorrupt):
	case err != nil:
		return "", err
	default:
		json.Unmarshal(text, &is)
	}
	theirs, err := c.contentsOf(ctx, c.from, s.shelf)
	if err != nil || theirs.empty {
		return "", err
	}
	ourPacks, theirPacks := is.Layout == layoutPacks || ours.packs != nil, s.is.Layout == layoutPacks || theirs.packs != nil
	if !ourPacks && !theirPacks {
		return "", nil
	}
	alike := ourPacks == theirPacks && !ours.items && !theirs.items
	apart := is.Nonce != "" && !s.is.from(is) // a copy that was cut short has packs and does not say yet what it is
	whole, changed := false, false
	if alike {
		if whole, changed, err = c.covers(ctx, s.shelf, theirs.packs, ours.packs); err != nil {
			return "", err
		}
	}
	if whole && !apart && !changed {
		return "", nil
	}
	var meta backend.Info
	if s.meta != nil {
		meta = s.meta.theirs
	}
	what := c.prefers(meta, info)
	if what == Replaced && (c.Prefer != PreferTheirs || !whole && !c.anew) {
		what = Conflict
	}
	if what != Replaced || c.anew {
		c.found(CopyFinding{Key: key, What: what, Theirs: meta, Ours: info})
	}
	return what, nil
}

// sessionContents is what is on the shelf of a session.
type sessionContents struct {
	empty bool
	items bool
	packs map[string]backend.Info // nil: none
}

func (c *copier) contentsOf(ctx context.Context, b backend.Backend, shelf string) (sessionContents, error) {
	has := sessionContents{empty: true}
	for info, err := range b.List(ctx, shelf, backend.ListOptions{Limit: 1}) { // items come first
		if err != nil {
			return has, err
		}
		has.empty, has.items = false, strings.HasPrefix(info.Key.Name, sessionItems)
	}
	if has.empty {
		return has, nil
	}
	return has, has.addPacks(ctx, b, shelf)
}

func (has *sessionContents) addPacks(ctx context.Context, b backend.Backend, shelf string) error {
	for info, err := range b.List(ctx, shelf, backend.ListOptions{Prefix: sessionPacks}) {
		if err != nil {
			return err
		}
		if has.packs == nil {
			has.packs = map[string]backend.Info{}
		}
		has.packs[info.Key.Name] = info
	}
	return nil
}

// covers reports whether the numbers of each of our packs lie within one of theirs, and whether a pack has the same name on both sides and
// is not the same. A list of theirs may lack packs that are merged meanwhile, so it is asked for again.
func (c *copier) covers(ctx context.Context, shelf string, theirs, ours map[string]backend.Info) (whole, changed bool, err error) {
	has := sessionContents{packs: theirs}
	for n := 0; n < relists; n++ {
		if whole = allWithin(ours, has.packs); whole {
			break
		}
		if err := has.addPacks(ctx, c.from, shelf); err != nil {
			return false, false, err
		}
	}
	for name, a := range ours {
		b, ok := has.packs[name]
		if !ok {
			continue
		}
		if a, err = c.asked(ctx, c.to, a); err == nil {
			b, err = c.asked(ctx, c.from, b)
		}
		if err != nil {
			return false, false, err
		}
		changed = changed || differ(b, a)
	}
	return whole, changed, nil
}

// asked returns an entry with its digest, for which it asks where the list left it out.
func (c *copier) asked(ctx context.Context, b backend.Backend, info backend.Info) (backend.Info, error) {
	if known(info) {
		return info, nil
	}
	all, err := b.Stat(ctx, info.Key)
	if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) {
		return info, nil
	}
	return all, err
}

// allWithin reports whether the numbers of each pack lie within one of others.
func allWithin(packs, others map[string]backend.Info) bool {
	for name := range packs {
		if _, ok := others[name]; !ok && !within(name, others) {
			return false
		}
	}
	return true
}

func within(name string, others map[string]backend.Info) bool {
	first, last, ok := packname.Parse(name)
	for other := range others {
		if from, to, sound := packname.Parse(other); ok && sound && from <= first && last <= to {
			return true
		}
	}
	return false
}
