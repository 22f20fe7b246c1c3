package law

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/larder-store/larder/backend"
)

// asked lets the handle learn all that it could remember of the keys.
func (p *probe) asked(keys []backend.Key) {
	for _, key := range keys {
		if _, err := p.b.Stat(p.ctx, key); err != nil && !errors.Is(err, backend.ErrNotFound) {
			p.failf("Stat(%q): %w", key, err)
		}
		if _, _, err := load(p.ctx, p.b, key); err != nil && !errors.Is(err, backend.ErrNotFound) {
			p.failf("Get(%q): %w", key, err)
		}
		p.list(key.Shelf, backend.ListOptions{})
		if p.err == nil {
			_, err := collect(p.b.Shelves(p.ctx, backend.ListOptions{Prefix: key.Shelf}))
			if err != nil {
				p.failf("Shelves: %w", err)
			}
		}
	}
}

// toldKeys are two keys that are overwritten and one that is new, on a shelf that has others and one that has not.
func (e *Env) toldKeys() []backend.Key {
	return []backend.Key{e.key("s", "a"), e.key("t", "a/b"), e.key("s", "c")}
}

func batchPutTold(ctx context.Context, e *Env) error {
	p, q := e.handle(ctx), e.handle(ctx)
	if other, err := e.other(ctx); err == nil {
		q = other
	}
	keys := e.toldKeys()
	for _, key := range keys[:2] {
		p.put(key, "old")
	}
	for i := range 3 {
		p.asked(keys)
		q.asked(keys)
		var items []backend.Item
		for _, key := range keys {
			items = append(items, item(key, fmt.Sprintf("%s %d", key, i), backend.PutOptions{Meta: backend.Meta{"i": fmt.Sprint(i)}}))
		}
		infos := p.putAll(items)
		for _, h := range []*probe{p, q} {
			for n, it := range items {
				if p.err != nil || h.err != nil {
					return errors.Join(p.err, h.err)
				}
				h.unchanged(it.Key, fmt.Sprintf("%s %d", it.Key, i), infos[n])
				h.shelf(it.Key.Shelf, true)
			}
			h.lists(keys[0].Shelf, backend.ListOptions{}, "a", "c")
			h.lists(keys[1].Shelf, backend.ListOptions{}, "a/b")
		}
	}
	return errors.Join(p.err, q.err)
}

func batchDeleteTold(ctx context.Context, e *Env) error {
	return e.deletionTold(ctx, func(p *probe, keys []backend.Key) { p.removeAll(keys) })
}

func deleteMatchTold(ctx context.Context, e *Env) error {
	return e.deletionTold(ctx, func(p *probe, keys []backend.Key) {
		var seen []backend.Seen
		for _, key := range keys {
			seen = append(seen, backend.Seen{Key: key, Version: p.stat(key).Version})
		}
		if p.err != nil {
			return
		}
		before := e.unknown.Load()
		err := backend.DeleteMatch(p.ctx, p.b, seen)
		tried := e.unknown.Load() > before // again: who knows what the first attempt deleted
		for i, s := range seen {
			if err := backend.ItemError(err, i); err != nil && !(tried && errors.Is(err, backend.ErrChanged)) {
				p.failf("DeleteMatch of %q, which is as it was seen: %w", s.Key, err)
			}
		}
	})
}

func rangeTold(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	key := e.key("s", "a")
	text := func(i int) string { return fmt.Sprintf("value %d ", i) + noise(someSizes[i%2], uint64(i)) }
	for i, change := range []func(h *probe, text string){
		func(h *probe, text string) { h.put(key, text) },
		func(h *probe, text string) { h.putAll([]backend.Item{item(key, text, backend.PutOptions{})}) },
		func(h *probe, text string) { h.remove(key); h.put(key, text) },
		func(h *probe, text string) { h.removeAll([]backend.Key{key}); h.put(key, text) },
	} {
		for k, h := range []*probe{p, q} {
			change(h, text(2*i+k))
			for _, reader := range []*probe{p, q} {
				got, info, err := part(ctx, reader.b, key, "", 0, 20)
				if err != nil {
					reader.failf("GetRange of what was stored anew: %w", err)
				}
				reader.same("a range of what was stored anew", got, text(2*i + k)[:20])
				reader.about("the Info of a range of what was stored anew", info, key, text(2*i+k))
			}
		}
	}
	q.remove(key)
	_, _, err = part(ctx, p.b, key, "", 0, 20)
	p.fails("GetRange of what another handle deleted", err, backend.ErrNotFound)
	return errors.Join(p.err, q.err)
}

// deletionTold wants remove, which deletes many keys, to be known to all that was asked before, and the keys to be as if
// they were new.
func (e *Env) deletionTold(ctx context.Context, remove func(p *probe, keys []backend.Key)) error {
	p, q := e.handle(ctx), e.handle(ctx)
	if other, err := e.other(ctx); err == nil {
		q = other
	}
	keys := e.toldKeys()
	p.put(e.key("s", "kept"), "kept")
	versions := map[backend.Key][]string{}
	for i := range 3 {
		for _, key := range keys {
			for k := range 2 {
				opts := backend.PutOptions{IfAbsent: k == 0 && e.Limits.AtomicIfAbsent}
				version := p.putWith(key, fmt.Sprintf("%d %d", i, k), opts).Version
				if p.err == nil && slices.Contains(versions[key], version) {
					p.failf("two Puts of different bytes under %q, which was removed in between, have the Version %q", key, version)
				}
				versions[key] = append(versions[key], version)
			}
		}
		p.asked(keys)
		q.asked(keys)
		remove(p, keys)
		for _, h := range []*probe{p, q} {
			for _, key := range keys {
				h.absent(key)
			}
			h.lists(e.Shelf("s"), backend.ListOptions{}, "kept")
			h.lists(e.Shelf("t"), backend.ListOptions{})
			h.shelf(e.Shelf("s"), true)
			h.shelf(e.Shelf("t"), false)
		}
		if err := errors.Join(p.err, q.err); err != nil {
			return err
		}
	}
	return nil
}
