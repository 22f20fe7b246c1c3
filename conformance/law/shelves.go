package law

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What Shelves yields.
var shelvesLaws = []Law{
	{
		Name: "shelves/order", Fn: shelvesOrder,
		Rule: "Shelves yields each shelf that holds an entry exactly once, in byte order.",
	},
	{
		Name: "shelves/empty", Fn: shelvesEmpty,
		Rule: "A shelf whose last entry was deleted, or that was only asked about, is not among the Shelves.",
	},
	{
		Name: "shelves/only", Needs: []Need{FreshPlace}, Fn: onlyShelves,
		Rule: "Shelves yields nothing that was not put: no file or table of the engine's own.",
	},
	{
		Name: "shelves/callback", Fn: shelvesCallback,
		Rule: "The loop body over Shelves may call any method of the same backend, and may leave early.",
	},
	{
		Name: "shelves/delete", Fn: deleteWhileShelves,
		Rule: "A loop that empties the shelves that it is given is given every shelf.",
	},
	{
		Name: "shelves/prefix", Fn: shelvesPrefix,
		Rule: "Prefix takes the shelves whose names begin with it, and no others.",
	},
	{
		Name: "shelves/after", Fn: shelvesAfter,
		Rule: "After takes the shelves with names greater than it, whether it exists or not, and whatever follows its name in others.",
	},
	{
		Name: "shelves/limit", Fn: shelvesLimit,
		Rule: "Limit takes so many shelves that hold an entry and no more, 0 all, also together with Prefix and After.",
	},
	{
		Name: "shelves/repeat", Fn: shelvesTwice,
		Rule: "What Shelves returns may be ranged over again, and each time begins anew.",
	},
	{
		Name: "shelves/pages", Fn: shelvesPages,
		Rule: "Shelves taken page by page, each after the last name of the one before, are all shelves, each once.",
	},
	{
		Name: "shelves/borders", Tier: Full, Fn: shelvesBorders,
		Rule: "Exactly as many shelves as a page holds, and a few more, are all yielded, also under a Limit of as many, one fewer and one more.",
	},
	{
		Name: "shelves/refused", Fn: shelvesRefused,
		Rule: "Options that no name of a shelf can meet are one error, and no shelf.",
	},
}

// ours returns those of Shelves that belong to the experiment.
func (p *probe) ours(e *Env) []string {
	if p.err != nil {
		return nil
	}
	all, err := collect(p.b.Shelves(p.ctx, backend.ListOptions{}))
	if err != nil {
		p.failf("Shelves: %w", err)
	}
	if !slices.IsSorted(all) {
		p.failf("Shelves yields %s, want byte order", few(all))
	}
	var ours []string
	for _, shelf := range all {
		if strings.HasPrefix(shelf, e.mark) {
			ours = append(ours, strings.TrimPrefix(shelf, e.mark))
		}
	}
	return ours
}

// shelf wants a shelf to be among Shelves, or not.
func (p *probe) shelf(shelf string, want bool) {
	if p.err != nil {
		return
	}
	all, err := collect(p.b.Shelves(p.ctx, backend.ListOptions{Prefix: shelf}))
	if err != nil {
		p.failf("Shelves: %w", err)
	}
	if got := slices.Contains(all, shelf); got != want {
		p.failf("Shelves yields %q: %v, want %v", shelf, got, want)
	}
}

var knottyShelves = []string{
	"-", "-a", "0", "00", "1", "10", "2", "=", "_", "a", "a-", "a-b", "a.b", "a0", "a=b", "a_b", "aa", "ab", "b", "cache", "cache-x", "components", "con", "larder.x", "z", "zz",
}

func shelvesOrder(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	want := slices.Sorted(slices.Values(knottyShelves))
	for i, shelf := range knottyShelves {
		for k := range i%3 + 1 {
			p.put(e.key(shelf, fmt.Sprintf("a/%d", k)), noise(someSizes[i%2], 1))
		}
	}
	p.put(e.key("zzz-empty", "a"), "") // a value of no bytes is a value
	p.put(e.key("zzz-nested", "a/b/c"), "")
	if got := p.ours(e); p.err == nil && !slices.Equal(got, append(want, "zzz-empty", "zzz-nested")) {
		p.failf("Shelves yields %q, want %q and two more", got, want)
	}
	return p.err
}

func shelvesEmpty(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("kept", "a"), "1")
	swapped := e.key("swapped", "a")
	version := p.put(swapped, "1").Version
	if e.Limits.AtomicIfMatch {
		version = p.putWith(swapped, "2", matching(version)).Version
		p.putWith(swapped, "3", matching(version))
	}
	p.put(swapped, "4")
	p.remove(swapped)
	p.put(e.key("once", "a"), "1")
	p.put(e.key("once", "b"), noise(200_000, 1))
	p.remove(e.key("once", "a"))
	p.shelf(e.Shelf("once"), true)
	p.remove(e.key("once", "b"))
	p.absent(e.key("asked", "a"))
	p.lists(e.Shelf("asked"), backend.ListOptions{})
	p.remove(e.key("asked", "a"))
	short := filled("1", backend.PutOptions{})
	if _, err := p.b.Put(ctx, e.key("failed", "a"), strings.NewReader(""), short); err == nil {
		p.failf("a Put of a short body succeeds")
	}
	if got := p.ours(e); p.err == nil && !slices.Equal(got, []string{"kept"}) {
		p.failf("Shelves yields %q, want only %q, which holds an entry", got, "kept")
	}
	return p.err
}

func onlyShelves(ctx context.Context, e *Env) error {
	p, q := e.handle(ctx), e.open(ctx)
	if got := p.ours(e); p.err == nil && len(got) > 0 {
		p.failf("Shelves of a fresh place yields %q", got)
	}
	p.put(e.key("s", "a"), noise(200_000, 1))
	p.put(e.key("s", "a"), "1")
	p.remove(e.key("t", "b"))
	if _, err := backend.Sweep(ctx, p.b, backend.SweepOptions{}); err != nil {
		p.failf("Sweep: %w", err)
	}
	only := func(who *probe, want ...string) {
		if got := who.ours(e); who.err == nil && !slices.Equal(got, want) {
			who.failf("Shelves yields %q, want only %q", got, want)
		}
	}
	only(p, "s")
	for _, shelf := range []string{"t", "u"} {
		p.put(e.key(shelf, "a"), "1")
		only(p, "s", shelf)
		if shelf == "t" {
			p.removeAll([]backend.Key{e.key(shelf, "a")})
		} else if p.err == nil {
			p.removeSeenAs(e.key(shelf, "a"), p.stat(e.key(shelf, "a")).Version)
		}
		only(p, "s")
	}
	if ok, err := e.meets(ctx, SharedPlace); err != nil {
		return err
	} else if ok {
		only(q, "s") // so that it could remember them
		p.put(e.key("v", "a"), "1")
		only(q, "s", "v")
		p.remove(e.key("v", "a"))
		only(q, "s")
	}
	return errors.Join(p.err, q.err)
}

func shelvesCallback(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var want []string
	for i := range 5 {
		shelf := fmt.Sprintf("s-%d", i)
		want = append(want, e.Shelf(shelf))
		p.put(e.key(shelf, "a"), "a")
	}
	var got []string
	for shelf, err := range p.b.Shelves(ctx, backend.ListOptions{}) {
		if err != nil {
			p.failf("Shelves: %w", err)
		}
		if p.err != nil {
			return p.err
		}
		if slices.Contains(want, shelf) {
			got = append(got, shelf)
			p.everyMethod(e, backend.Key{Shelf: shelf, Name: "a"})
		}
	}
	if p.err == nil && !slices.Equal(got, want) {
		p.failf("Shelves yields %q while its body changes others, want %q", got, want)
	}
	for range p.b.Shelves(ctx, backend.ListOptions{}) {
		break
	}
	return p.err
}
