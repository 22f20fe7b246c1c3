package law

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What List yields.
var listLaws = []Law{
	{
		Name: "list/empty", Fn: emptyLists,
		Rule: "A shelf that holds nothing, or never did, is an empty list and no error.",
	},
	{
		Name: "list/order", Fn: listOrder,
		Rule: "List yields in byte order of Name, whatever segments and lengths.",
	},
	{
		Name: "list/prefix", Fn: listPrefix,
		Rule: "Prefix takes the names that begin with it, also where it ends inside a segment, and no others.",
	},
	{
		Name: "list/after", Fn: listAfter,
		Rule: "After takes the names greater than it, whether it exists or not, before, among or behind those with the Prefix.",
	},
	{
		Name: "list/limit", Fn: listLimit,
		Rule: "Limit takes so many and no more, 0 all.",
	},
	{
		Name: "list/long-names", Fn: listLongNames,
		Rule: "Many names of the greatest length, that differ at their ends alone, are each listed once, also from each of them on.",
	},
	{
		Name: "list/every-option", Fn: listCombined,
		Rule: "Prefix, After and Limit work together as they do alone.",
	},
	{
		Name: "list/refused", Fn: listRefused,
		Rule: "Options that cannot be are one error, and no entry.",
	},
	{
		Name: "list/info", Fn: listInfos,
		Rule: "List yields with each Name the Size and ModTime of its value, and nothing of another.",
	},
	{
		Name: "list/repeat", Fn: listTwice,
		Rule: "What List returns may be ranged over again, also within itself, and each time begins anew.",
	},
}

func emptyLists(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.lists(e.Shelf("never"), backend.ListOptions{})
	p.lists(e.Shelf("never"), backend.ListOptions{Prefix: "a", After: "b", Limit: 3})
	p.put(e.key("s", "a"), "1")
	p.lists(e.Shelf("never"), backend.ListOptions{})
	p.remove(e.key("s", "a"))
	p.lists(e.Shelf("s"), backend.ListOptions{})
	return p.err
}

// knotty are names whose byte order is not the order of their segments, of their
// numbers, or of any locale.
var knotty = []string{
	"-", "-a", "0", "00", "01", "1", "10", "2", "=", "=a", "_", "_a", "a", "a-", "a-/x", "a-b", "a.b", "a/-", "a/0", "a/=", "a/a", "a/a-b", "a/a/a", "a/b", "a/b/a",
	"a/z", "a0", "a1", "a10", "a2", "a=", "a=/x", "a=b", "a_", "a_b", "aa", "aa/a", "aazzz", "ab", "ab.c", "ab/c", "b", "b/a", "z", "zz",
}

func (e *Env) knot(p *probe) (shelf string, sorted []string) {
	shelf = e.Shelf("knot")
	var keys []backend.Key
	for _, name := range knotty {
		keys = append(keys, backend.Key{Shelf: shelf, Name: name})
	}
	e.Rand.Shuffle(len(keys), func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
	p.fill(keys)
	// Neighbours in the engine's own order must not slip in.
	for _, near := range []string{"kno", "knot-", "knot0", "knot.x"} {
		p.put(e.key(near, "a"), "near by")
	}
	return shelf, slices.Sorted(slices.Values(knotty))
}

// chosen is what List should yield of sorted names.
func chosen(sorted []string, opts backend.ListOptions) []string {
	var chosen []string
	for _, name := range sorted {
		if strings.HasPrefix(name, opts.Prefix) && name > opts.After && (opts.Limit == 0 || len(chosen) < opts.Limit) {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

func listOrder(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	p.lists(shelf, backend.ListOptions{}, sorted...)
	return p.err
}

func listPrefix(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	for _, prefix := range []string{"a", "a/", "a/a", "a/a/", "a-", "a.", "a=", "a0", "aa", "ab/", "b", "z", "zzz", "c", "-", "_", "=", "/", "a//", "knot"} {
		opts := backend.ListOptions{Prefix: prefix}
		p.lists(shelf, opts, chosen(sorted, opts)...)
	}
	return p.err
}

func listAfter(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	for _, after := range append([]string{"/", "a/", "a/a/", "a//", "a-/", "c", "zzz", "a.", "0/", "a/b/a/a", "."}, sorted...) {
		opts := backend.ListOptions{After: after}
		p.lists(shelf, opts, chosen(sorted, opts)...)
	}
	return p.err
}

func listLimit(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	for _, limit := range []int{0, 1, 2, 7, len(sorted) - 1, len(sorted), len(sorted) + 1, 1_000_000} {
		opts := backend.ListOptions{Limit: limit}
		p.lists(shelf, opts, chosen(sorted, opts)...)
	}
	p.remove(backend.Key{Shelf: shelf, Name: sorted[1]})
	p.remove(backend.Key{Shelf: shelf, Name: sorted[3]})
	left := slices.Delete(slices.Delete(slices.Clone(sorted), 3, 4), 1, 2)
	for _, limit := range []int{1, 2, 4, len(left)} { // what was deleted does not count
		opts := backend.ListOptions{Limit: limit}
		p.lists(shelf, opts, chosen(left, opts)...)
	}
	many := e.keys("many", 120)
	p.fill(many)
	for _, key := range many[:100] {
		p.remove(key)
	}
	p.lists(many[0].Shelf, backend.ListOptions{Limit: 7}, namesOf(many[100:107])...)
	p.lists(many[0].Shelf, backend.ListOptions{Prefix: "0001", Limit: 20}, namesOf(many[100:])...)
	return p.err
}

// namesOf returns the names of keys.
func namesOf(keys []backend.Key) []string {
	var names []string
	for _, key := range keys {
		names = append(names, key.Name)
	}
	return names
}

func listCombined(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	for _, prefix := range []string{"", "a", "a/", "a/a", "b", "c"} {
		for _, after := range []string{"", "0", "a", "a-", "a/", "a/a", "a/a/a", "a/b", "a0", "b/a", "zz"} {
			for _, limit := range []int{0, 1, 3} {
				opts := backend.ListOptions{Prefix: prefix, After: after, Limit: limit}
				p.lists(shelf, opts, chosen(sorted, opts)...)
			}
		}
		if p.err != nil {
			break
		}
	}
	return p.err
}

func listRefused(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "a"), "1")
	for _, bad := range []struct {
		shelf string
		opts  backend.ListOptions
		want  error
	}{
		{"", backend.ListOptions{}, backend.ErrInvalidKey},
		{"A", backend.ListOptions{}, backend.ErrInvalidKey},
		{"a/b", backend.ListOptions{}, backend.ErrInvalidKey},
		{strings.Repeat("s", backend.MaxShelf+1), backend.ListOptions{}, backend.ErrTooLarge},
		{e.Shelf("s"), backend.ListOptions{Prefix: "A"}, backend.ErrInvalidKey},
		{e.Shelf("s"), backend.ListOptions{Prefix: "a\x00"}, backend.ErrInvalidKey},
		{e.Shelf("s"), backend.ListOptions{After: "%"}, backend.ErrInvalidKey},
		{e.Shelf("s"), backend.ListOptions{Prefix: strings.Repeat("a", backend.MaxName+1)}, backend.ErrTooLarge},
		{e.Shelf("s"), backend.ListOptions{Limit: -1}, nil},
	} {
		infos, err := collect(p.b.List(ctx, bad.shelf, bad.opts))
		what := fmt.Sprintf("List(%q, %s)", bad.shelf, described(bad.opts))
		p.typed("List of "+what, backend.Key{Shelf: bad.shelf}, err)
		switch {
		case err == nil:
			p.failf("%s succeeds", what)
		case len(infos) > 0:
			p.failf("%s yields %d entries before its error", what, len(infos))
		case bad.want != nil:
			p.fails(what, err, bad.want)
		}
	}
	return p.err
}

func listInfos(ctx context.Context, e *Env) error {
	p, shelf := e.handle(ctx), e.Shelf("s")
	want := map[string]backend.Info{}
	for i, n := range []int{0, 1, 1000, 200_000, 5, 70_000} {
		key := backend.Key{Shelf: shelf, Name: fmt.Sprintf("n-%d", n)}
		p.put(key, "replaced")
		want[key.Name] = p.putWith(key, noise(n, uint64(i)), backend.PutOptions{Meta: backend.Meta{"i": fmt.Sprint(i)}})
	}
	alike := backend.Key{Shelf: shelf, Name: "alike"} // and takes less room than its Size
	want[alike.Name] = p.put(alike, strings.Repeat("alike ", 1000))
	for _, name := range []string{"n-1-none", "n-none"} { // which must not get what the entry ahead of it has
		want[name] = p.put(backend.Key{Shelf: shelf, Name: name}, "no Meta")
	}
	infos := p.list(shelf, backend.ListOptions{})
	if p.err == nil && len(infos) != len(want) {
		p.failf("List yields %d entries, want %d", len(infos), len(want))
	}
	for _, info := range infos {
		p.listed(info, want[info.Key.Name])
		if len(want[info.Key.Name].Meta) == 0 && len(info.Meta) > 0 {
			p.failf("List yields %q with the Meta %v, and it was put without any", info.Key, info.Meta)
		}
	}
	return p.err
}

func listTwice(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 20)
	p.fill(keys)
	seq := p.b.List(ctx, e.Shelf("s"), backend.ListOptions{Limit: 15})
	outer, inner := 0, 0
	for _, err := range seq {
		if err != nil || p.err != nil {
			p.failf("List: %w", err)
			return p.err
		}
		outer++
		infos, err := collect(seq)
		if err != nil {
			p.failf("List within itself: %w", err)
		}
		inner += len(infos)
	}
	p.remove(keys[0])
	infos, err := collect(seq)
	if err != nil {
		p.failf("List again: %w", err)
	}
	if p.err == nil && (outer != 15 || inner != 15*15) {
		p.failf("List of 15 entries yields %d, and within itself %d in all, want 15 and 225", outer, inner)
	}
	if p.err == nil && (len(infos) != 15 || infos[0].Key != keys[1]) {
		p.failf("List, ranged over again after a Delete, yields %s, want 15 names from %q", few(names(infos)), keys[1].Name)
	}
	return p.err
}
