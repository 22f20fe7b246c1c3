package law

import (
	"context"
	"fmt"

	"github.com/larder-store/larder/backend"
)

// What Delete does.
var deleteLaws = []Law{
	{
		Name: "delete/gone", Fn: deleted,
		Rule: "What was deleted is gone when Delete returns: from Get, Stat, List and Shelves; what is beside it stays.",
	},
	{
		Name: "delete/absent", Fn: deleteAbsent,
		Rule: "Deleting what holds nothing succeeds, as often as you like.",
	},
	{
		Name: "delete/again", Fn: deleteAndPut,
		Rule: "A key that was deleted can be used again, and holds nothing of before.",
	},
	{
		Name: "delete/race", Fn: deleteRace,
		Rule: "Several may delete one key at once, and all succeed.",
	},
}

func deleted(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		shelf := e.Shelf(fmt.Sprintf("s-%d", n))
		for _, name := range []string{"a", "a/b", "ab", "b"} {
			p.put(backend.Key{Shelf: shelf, Name: name}, noise(n, 1))
		}
		gone := backend.Key{Shelf: shelf, Name: "a"}
		p.put(gone, noise(n, 2)) // no older value is to come back
		p.remove(gone)
		p.absent(gone)
		p.lists(shelf, backend.ListOptions{}, "a/b", "ab", "b")
		for _, name := range []string{"a/b", "ab", "b"} {
			key := backend.Key{Shelf: shelf, Name: name}
			p.holds(key, noise(n, 1))
			p.remove(key)
		}
		p.lists(shelf, backend.ListOptions{})
		p.shelf(shelf, false)
	}
	return p.err
}

func deleteAbsent(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "a/b"), "1")
	for range 3 {
		p.remove(e.key("s", "a"))
		p.remove(e.key("s", "a/b/c"))
		p.remove(e.key("s", "b"))
		p.remove(e.key("none", "a"))
	}
	p.holds(e.key("s", "a/b"), "1")
	for range 3 {
		p.remove(e.key("s", "a/b"))
	}
	p.absent(e.key("s", "a/b"))
	return p.err
}

func deleteAndPut(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	for i, n := range []int{1000, 200_000, 10, 200_000, 0} {
		p.putWith(key, noise(n, uint64(i)), backend.PutOptions{Meta: backend.Meta{fmt.Sprintf("m%d", i): "1"}})
		info := p.holds(key, noise(n, uint64(i)))
		p.sameMeta("Get after Delete and Put", info.Meta, backend.Meta{fmt.Sprintf("m%d", i): "1"})
		p.remove(key)
		p.absent(key)
		p.put(key, "without any")
		p.sameMeta("Get after Delete and a Put without Meta", p.holds(key, "without any").Meta, nil)
		p.remove(key)
	}
	return p.err
}

func deleteRace(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for round := range e.rounds() {
		key := e.key("s", fmt.Sprintf("%04d", round))
		p.put(key, noise(someSizes[round%2]/10, 1))
		if p.err != nil {
			return p.err
		}
		if err := crowd(4, func(int) error {
			q := p.with(ctx)
			q.remove(key)
			q.absent(key)
			return q.err
		}); err != nil {
			return err
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{})
	return p.err
}
