package law

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// knotShelves puts an entry on each of the knotty shelves, in any order, and returns their names in
// byte order, without the mark.
func (e *Env) knotShelves(p *probe) []string {
	sorted := slices.Sorted(slices.Values(knottyShelves))
	var keys []backend.Key
	for _, shelf := range knottyShelves {
		keys = append(keys, e.key(shelf, "a"))
	}
	e.Rand.Shuffle(len(keys), func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
	p.fill(keys)
	return sorted
}

// shelves wants Shelves to yield what opts, which are about names without the mark, choose of sorted.
func (p *probe) shelves(e *Env, opts backend.ListOptions, sorted []string) {
	if p.err != nil {
		return
	}
	marked := opts
	marked.Prefix = e.mark + opts.Prefix
	if opts.After != "" {
		marked.After = e.mark + opts.After
	}
	got, err := collect(p.b.Shelves(p.ctx, marked))
	if err != nil {
		p.failf("Shelves(%s): %w", described(marked), err)
		return
	}
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], e.mark)
	}
	if want := chosen(sorted, opts); !slices.Equal(got, want) {
		p.failf("Shelves(%s) yields %s, want %s", described(opts), few(got), few(want))
	}
}

func shelvesPrefix(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	sorted := e.knotShelves(p)
	for _, prefix := range append([]string{"", "c", "co", "cache-", "zzz", "x", "a--", "1."}, sorted...) {
		p.shelves(e, backend.ListOptions{Prefix: prefix}, sorted)
	}
	return p.err
}

func shelvesAfter(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	sorted := e.knotShelves(p)
	for _, after := range append([]string{"a--", "a-a", "a.", "aaa", "c", "zzz", ".", "9"}, sorted...) {
		p.shelves(e, backend.ListOptions{After: after}, sorted)
	}
	// Without a prefix the list goes on beyond what is ours.
	all, err := collect(p.b.Shelves(ctx, backend.ListOptions{After: e.mark + "a"}))
	if err != nil {
		p.failf("Shelves: %w", err)
	}
	var ours []string
	for _, shelf := range all {
		if name, ok := strings.CutPrefix(shelf, e.mark); ok {
			ours = append(ours, name)
		} else if shelf <= e.mark+"a" {
			p.failf("Shelves after %q yields %q", e.mark+"a", shelf)
		}
	}
	if want := chosen(sorted, backend.ListOptions{After: "a"}); p.err == nil && !slices.Equal(ours, want) {
		p.failf("Shelves after %q yields %q, want %q", "a", ours, want)
	}
	return p.err
}

func shelvesLimit(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	sorted := e.knotShelves(p)
	// A shelf that was emptied counts for nothing.
	p.remove(e.key("a", "a"))
	sorted = slices.DeleteFunc(sorted, func(s string) bool { return s == "a" })
	for _, limit := range []int{0, 1, 2, 7, len(sorted) - 1, len(sorted), len(sorted) + 1, 1_000_000} {
		p.shelves(e, backend.ListOptions{Limit: limit}, sorted)
	}
	for _, prefix := range []string{"a", "c"} {
		for _, after := range []string{"", "-", "a", "a-", "a0", "cache"} {
			for _, limit := range []int{1, 3, 100} {
				p.shelves(e, backend.ListOptions{Prefix: prefix, After: after, Limit: limit}, sorted)
			}
		}
	}
	return p.err
}

func shelvesPages(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	want := e.knotShelves(p)
	for _, limit := range []int{1, 2, 5} {
		var got []string
		after := ""
		for range len(want) + 1 {
			page, err := collect(p.b.Shelves(ctx, backend.ListOptions{Prefix: e.mark, After: after, Limit: limit}))
			if err != nil {
				p.failf("Shelves: %w", err)
			}
			if p.err != nil || len(page) == 0 {
				break
			}
			after = page[len(page)-1]
			for _, shelf := range page {
				got = append(got, strings.TrimPrefix(shelf, e.mark))
			}
		}
		if p.err == nil && !slices.Equal(got, want) {
			p.failf("Shelves by pages of %d yields %q, want %q", limit, got, want)
		}
	}
	return p.err
}

func shelvesRefused(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "a"), "1")
	for _, bad := range []struct {
		opts backend.ListOptions
		want error
	}{
		{backend.ListOptions{Prefix: "A"}, backend.ErrInvalidKey},
		{backend.ListOptions{Prefix: "s/"}, backend.ErrInvalidKey},
		{backend.ListOptions{After: "s/a"}, backend.ErrInvalidKey},
		{backend.ListOptions{After: "%"}, backend.ErrInvalidKey},
		{backend.ListOptions{Prefix: strings.Repeat("s", backend.MaxShelf+1)}, backend.ErrTooLarge},
		{backend.ListOptions{Limit: -1}, nil},
	} {
		got, err := collect(p.b.Shelves(ctx, bad.opts))
		what := fmt.Sprintf("Shelves(%s)", described(bad.opts))
		p.typed("Shelves of "+what, backend.Key{}, err)
		switch {
		case err == nil:
			p.failf("%s succeeds", what)
		case len(got) > 0:
			p.failf("%s yields %q before its error", what, got)
		case bad.want != nil:
			p.fails(what, err, bad.want)
		}
	}
	return p.err
}
