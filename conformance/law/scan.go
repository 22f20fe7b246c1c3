package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// What a Scanner of a backend's own yields.
var scanLaws = []Law{
	{
		Name: "scan/like-list", Needs: []Need{Scans}, Fn: scanLikeList,
		Rule: "Scan yields what List yields, under every option, each with what Get would say and deliver.",
	},
	{
		Name: "scan/repeat", Needs: []Need{Scans}, Fn: scanTwice,
		Rule: "What Scan returns may be ranged over again, and each time begins anew.",
	},
	{
		Name: "scan/unread", Needs: []Need{Scans}, Fn: scanUnread,
		Rule: "A body of a Scan need not be read, nor read to its end, and is not disturbed by other calls before the next step.",
	},
	{
		Name: "scan/callback", Needs: []Need{Scans}, Fn: scanCallback,
		Rule: "The loop body over a Scan may call any method of the same backend, and may leave early.",
	},
	{
		Name: "scan/delete", Needs: []Need{Scans}, Fn: deleteWhileScanning,
		Rule: "A loop that deletes what Scan gives it is given every entry.",
	},
	{
		Name: "scan/many", Needs: []Need{Scans}, Fn: scanMany,
		Rule: "A shelf of thousands of entries is scanned without a gap or a repetition.",
	},
	{
		Name: "scan/whole", Needs: []Need{Scans}, Fn: scanWhole,
		Rule: "While others overwrite and delete, a Scan delivers with each Info the bytes that belong to it.",
	},
}

// scanned is a step of a Scan with its body read.
type scanned struct {
	backend.Info
	text string
}

func (p *probe) scan(shelf string, opts backend.ListOptions) []scanned {
	if p.err != nil {
		return nil
	}
	var all []scanned
	for entry, err := range backend.Scan(p.ctx, p.b, shelf, opts) {
		if err != nil {
			p.failf("Scan(%q, %s): %w", shelf, described(opts), err)
			return all
		}
		text, err := io.ReadAll(entry.Body)
		if err != nil {
			p.failf("Scan(%q, %s): read the body of %q: %w", shelf, described(opts), entry.Key, err)
			return all
		}
		all = append(all, scanned{entry.Info, string(text)})
	}
	return all
}

func scanLikeList(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf, sorted := e.knot(p)
	for i, n := range []int{0, 1, 70_000, e.most(e.bulk() + 1), 0, 10, 0} {
		p.putWith(backend.Key{Shelf: shelf, Name: sorted[i]}, noise(n, uint64(i)), backend.PutOptions{Meta: backend.Meta{"i": fmt.Sprint(i)}})
	}
	for _, opts := range []backend.ListOptions{
		{}, {Limit: 1}, {Limit: 5}, {Prefix: "a"}, {Prefix: "a/"}, {After: "a/a"}, {After: "zz"}, {Prefix: "a", After: "a/", Limit: 3}, {Prefix: "c"}, {Prefix: "b", Limit: 2}, {Prefix: "c", Limit: 1},
		{After: "a0a"}, {Prefix: "a", After: "a/b/z"}, {After: "0-", Limit: 4}, // which are no names of this shelf
	} {
		all := p.scan(shelf, opts)
		var got []string
		for _, s := range all {
			got = append(got, s.Key.Name)
			text, info := p.get(s.Key)
			p.same(fmt.Sprintf("the body of %q in a Scan", s.Key), s.text, text)
			p.about(fmt.Sprintf("the Info of %q in a Scan", s.Key), s.Info, s.Key, text)
			p.sameMeta(fmt.Sprintf("%q in a Scan", s.Key), s.Meta, info.Meta)
			if p.err == nil && s.Version != info.Version {
				p.failf("Scan yields %q with Version %q, and Get with %q", s.Key, s.Version, info.Version)
			}
		}
		if want := chosen(sorted, opts); p.err == nil && !slices.Equal(got, want) {
			p.failf("Scan(%q, %s) yields %s, want %s", shelf, described(opts), few(got), few(want))
		}
	}
	if _, err := collect(backend.Scan(ctx, p.b, "A", backend.ListOptions{})); !errors.Is(err, backend.ErrInvalidKey) {
		p.failf("Scan of an invalid shelf = error %s, want one that matches %q", quoted(err), backend.ErrInvalidKey)
	}
	return p.err
}

func scanUnread(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	const n = 12
	for i, key := range e.keys("s", n) {
		p.put(key, key.Name+noise(someSizes[i%2], uint64(i)))
	}
	steps := 0
	for entry, err := range backend.Scan(ctx, p.b, e.Shelf("s"), backend.ListOptions{}) {
		if err != nil {
			p.failf("Scan: %w", err)
		}
		if p.err != nil {
			return p.err
		}
		i := steps
		steps++
		want := entry.Key.Name + noise(someSizes[i%2], uint64(i))
		head := make([]byte, []int{0, 10, 500}[i%3])
		if _, err := io.ReadFull(entry.Body, head); err != nil {
			p.failf("read the first bytes of %q: %w", entry.Key, err)
		}
		p.same("the first bytes of "+entry.Key.String(), string(head), want[:len(head)])
		if i%2 == 0 {
			continue
		}
		p.put(e.key("other", "a"), noise(2000, uint64(i)))
		p.holds(e.key("s", fmt.Sprintf("%06d", 0)), fmt.Sprintf("%06d", 0)+noise(someSizes[0], 0))
		rest, err := io.ReadAll(entry.Body)
		if err != nil {
			p.failf("read the rest of %q after other calls: %w", entry.Key, err)
		}
		p.same("the rest of "+entry.Key.String()+" after other calls", string(rest), want[len(head):])
	}
	if p.err == nil && steps != n {
		p.failf("Scan yields %d entries, want %d", steps, n)
	}
	return p.err
}

func scanCallback(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.pick(30, 150, 1500))
	p.fill(keys)
	steps := 0
	for entry, err := range backend.Scan(ctx, p.b, keys[0].Shelf, backend.ListOptions{}) {
		if err != nil {
			p.failf("Scan: %w", err)
		}
		if p.err != nil {
			return p.err
		}
		steps++
		p.everyMethod(e, entry.Key)
	}
	if p.err == nil && steps != len(keys) {
		p.failf("Scan yields %d entries while its body changes other shelves, want %d", steps, len(keys))
	}
	for i := range e.pick(50, 200, 2000) {
		n := 0
		for _, err := range backend.Scan(ctx, p.b, keys[0].Shelf, backend.ListOptions{}) {
			if err != nil {
				p.failf("Scan: %w", err)
			}
			if n++; n > i%3 {
				break
			}
		}
	}
	p.put(keys[0], "new")
	return p.err
}

func scanMany(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.aPageAndMore())
	p.fill(keys)
	all := p.scan(keys[0].Shelf, backend.ListOptions{})
	if p.err == nil && len(all) != len(keys) {
		p.failf("Scan yields %d entries, want %d", len(all), len(keys))
	}
	for i, s := range all {
		if p.err == nil && (s.Key != keys[i] || s.text != keys[i].Name) {
			p.failf("step %d of a Scan yields %q with %s, want %q", i, s.Key, clip(s.text), keys[i])
		}
	}
	return p.err
}

func scanWhole(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 10)
	p.fill(keys)
	if p.err != nil {
		return p.err
	}
	// For certain: each step overwrites what comes next.
	steps := 0
	for entry, err := range backend.Scan(ctx, p.b, keys[0].Shelf, backend.ListOptions{}) {
		if err != nil {
			return fmt.Errorf("Scan beside overwrites: %w", err)
		}
		text, err := io.ReadAll(entry.Body)
		if err == nil {
			err = whole(string(text), entry.Info)
		}
		if err != nil {
			p.failf("a Scan whose loop overwrites what comes next yields %q with %w", entry.Key, err)
		}
		for i, key := range keys {
			p.put(key, noise(someSizes[i%2]+steps+1, uint64(i)))
		}
		if steps++; p.err != nil {
			return p.err
		}
	}
	p.scanDeleted(e)
	var done atomic.Bool
	return crowd(2, func(w int) error {
		q := p.with(ctx)
		if w == 0 {
			for i := 0; !done.Load() && q.err == nil; i++ {
				q.put(keys[i%len(keys)], noise(someSizes[i%2]+i%97, uint64(i)))
				pause()
			}
			return q.err
		}
		defer done.Store(true)
		for range e.pick(10, 40, 400) {
			all := q.scan(keys[0].Shelf, backend.ListOptions{})
			if q.err == nil && len(all) != len(keys) {
				q.failf("Scan yields %d entries beside overwrites, want %d", len(all), len(keys))
			}
			for _, s := range all {
				if err := whole(s.text, s.Info); err != nil {
					q.failf("Scan yields %q with %w", s.Key, err)
				}
			}
		}
		return q.err
	})
}

// scanDeleted deletes what comes next in a Scan: it may be left out, and else is whole.
func (p *probe) scanDeleted(e *Env) {
	keys := e.keys("deleted", 10)
	p.fill(keys)
	for entry, err := range backend.Scan(p.ctx, p.b, keys[0].Shelf, backend.ListOptions{}) {
		if err != nil {
			p.failf("Scan beside Deletes: %w", err)
		}
		if p.err != nil {
			return
		}
		for _, key := range keys {
			if key != entry.Key {
				p.remove(key)
			}
		}
		text, err := io.ReadAll(entry.Body)
		if err == nil {
			err = whole(string(text), entry.Info)
		}
		if err != nil {
			p.failf("a Scan whose loop deletes what comes next yields %q with %w", entry.Key, err)
		}
	}
}
