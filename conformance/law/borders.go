package law

import (
	"context"
	"fmt"
	"slices"

	"github.com/larder-store/larder/backend"
)

// nestedNames returns n names in byte order: each third one is followed by one below it and by one
// below that. All begin with "a/".
func nestedNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("a/%05d", i/3) + []string{"", "/x", "/x/y"}[i%3]
	}
	return names
}

// pageBorders lists around the sizes of pages. Asking after the first, the second and the third name
// in turn puts each kind of name at each border, wherever an engine's own borders are.
func pageBorders(ctx context.Context, e *Env) error {
	p, shelf := e.handle(ctx), e.Shelf("s")
	sizes := []int{1000, 1003, 2000, 2003}
	switch {
	case e.Tier == Quick && e.Limits.CostlyRequests:
		sizes = []int{100}
	case e.Tier == Quick:
		sizes = []int{1000, 1003}
	case e.Tier == Soak:
		sizes = []int{1000, 1003, 2000, 2003, 5000, 5003, 10_003}
	}
	all := nestedNames(sizes[len(sizes)-1])
	for i, n := range sizes {
		have := 0
		if i > 0 {
			have = sizes[i-1]
		}
		p.fill(keysOf(shelf, all[have:n]))
		p.listsBorders(shelf, all[:n], n)
	}
	if got, err := collect(p.b.Shelves(ctx, backend.ListOptions{Prefix: shelf})); p.err == nil && (err != nil || !slices.Equal(got, []string{shelf})) {
		p.failf("Shelves yields %q of one shelf of %d names, and error %s", got, len(all), quoted(err))
	}
	// Names behind those with the prefix are behind the border too.
	behind := []string{"b", "b/x"}
	p.fill(keysOf(shelf, behind))
	for _, opts := range []backend.ListOptions{{Prefix: "a"}, {Prefix: "a/"}, {Prefix: "a/", Limit: len(all)}, {Prefix: "a/", Limit: len(all) + 1}, {Prefix: "a/00", Limit: 1001}} {
		p.lists(shelf, opts, chosen(all, opts)...)
	}
	p.lists(shelf, backend.ListOptions{Prefix: "b"}, behind...)
	p.lists(shelf, backend.ListOptions{After: all[len(all)-1]}, behind...)
	if has[backend.BatchDeleter](p.b) {
		page := min(1000, len(all)/2*2)
		p.removeAll(keysOf(shelf, all[:page]))
		p.lists(shelf, backend.ListOptions{}, append(slices.Clone(all[page:]), behind...)...)
		p.removeAll(keysOf(shelf, all))
		p.lists(shelf, backend.ListOptions{}, behind...)
	}
	return p.err
}

// listsBorders wants lists of n names to be whole, with limits around n and around a page.
func (p *probe) listsBorders(shelf string, names []string, n int) {
	for _, limit := range []int{0, 999, 1000, 1001, n - 1, n, n + 1} {
		for _, after := range []string{"", names[0], names[1]} {
			opts := backend.ListOptions{After: after, Limit: limit}
			want := chosen(names, opts)
			p.lists(shelf, opts, want...)
			if has[backend.Scanner](p.b) && limit%1000 == 0 {
				var got []string
				for _, s := range p.scan(shelf, opts) {
					got = append(got, s.Key.Name)
				}
				if p.err == nil && !slices.Equal(got, want) {
					p.failf("Scan(%q, %s) yields %s, want %s", shelf, described(opts), few(got), few(want))
				}
			}
		}
	}
	for _, prefix := range []string{"a", "a/", "a/00", "a/00033", "a/00333", "a/00333/x"} {
		opts := backend.ListOptions{Prefix: prefix}
		p.lists(shelf, opts, chosen(names, opts)...)
		opts.After = names[len(names)/2]
		p.lists(shelf, opts, chosen(names, opts)...)
	}
}

// keysOf returns the keys of names on a shelf.
func keysOf(shelf string, names []string) []backend.Key {
	var keys []backend.Key
	for _, name := range names {
		keys = append(keys, backend.Key{Shelf: shelf, Name: name})
	}
	return keys
}

func shelvesBorders(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	sizes := []int{1000, 1003}
	switch {
	case e.Tier == Soak:
		sizes = []int{1000, 1003, 2000, 2003}
	case e.Limits.CostlyRequests:
		sizes = []int{200}
	}
	var names []string
	for _, n := range sizes {
		var more []backend.Key
		for i := len(names); i < n; i++ {
			names = append(names, fmt.Sprintf("n-%04d", i))
			more = append(more, e.key(names[i], []string{"a", "a/b", "a/b/c"}[i%3]))
		}
		p.fill(more)
		for _, opts := range []backend.ListOptions{
			{}, {Limit: n - 1}, {Limit: n}, {Limit: n + 1}, {After: names[0]}, {Prefix: "n-0", After: names[1], Limit: 998}, {After: names[n-2]},
		} {
			opts.Prefix = max(opts.Prefix, "n")
			p.shelves(e, opts, names)
		}
		if p.err != nil {
			return p.err
		}
	}
	return p.err
}
