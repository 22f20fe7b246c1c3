package law

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// What List keeps to when it is long, interrupted, or in company.
var pageLaws = []Law{
	{
		Name: "list/many", Fn: manyEntries,
		Rule: "A shelf of thousands of entries is listed without a gap, a repetition or a step back, page after page.",
	},
	{
		Name: "list/borders", Fn: pageBorders,
		Rule: "Lists of exactly as many entries as a page holds, one fewer and one more, are whole, whatever names stand at the border: a name, what is nested below it, and what shares its prefix.",
	},
	{
		Name: "list/resume", Fn: resume,
		Rule: "A list can be resumed after every one of its names, and goes on where it was.",
	},
	{
		Name: "list/break", Fn: breakEarly,
		Rule: "A list that is left early holds nothing back: neither a connection nor a lock.",
	},
	{
		Name: "list/callback", Fn: listCallback,
		Rule: "The loop body may call any method of the same backend.",
	},
	{
		Name: "list/together", Fn: listTogether,
		Rule: "Many may be in the loops of their lists at once, and each call any method there: a list holds no connection while its loop body runs.",
	},
	{
		Name: "list/delete", Fn: deleteWhileListing,
		Rule: "A loop that deletes what it is given is given every entry.",
	},
	{
		Name: "list/removed-ahead", Fn: removedAhead,
		Rule: "A List, or a Scan, goes on behind entries that are removed while it is under way, however many stand in a row.",
	},
	{
		Name: "list/churn", Fn: churn,
		Rule: "While others come and go, an entry that was there throughout is listed exactly once, and in order.",
	},
}

// aPageAndMore is a number of entries that no engine's page holds: S3 and Azure give at
// most 1,000 and 5,000 a page. Quick takes fewer.
func (e *Env) aPageAndMore() int { return e.pick(300, 2501, 12_001) }

func manyEntries(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.aPageAndMore())
	p.fill(keys)
	var want []string
	for _, key := range keys {
		want = append(want, key.Name)
	}
	p.lists(keys[0].Shelf, backend.ListOptions{}, want...)
	for _, info := range p.list(keys[0].Shelf, backend.ListOptions{}) {
		if p.listed(info, backend.Info{Key: info.Key, Size: int64(len(info.Key.Name)), Version: info.Version, Digest: info.Digest, Sum: info.Sum}); p.err != nil {
			break
		}
	}
	half := backend.ListOptions{Prefix: "0", After: want[len(want)/2]}
	p.lists(keys[0].Shelf, half, chosen(want, half)...)
	return p.err
}

func resume(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.pick(40, 300, 2501))
	p.fill(keys)
	var want []string
	for _, key := range keys {
		want = append(want, key.Name)
	}
	for i, name := range want {
		if p.err != nil {
			break
		}
		p.lists(keys[0].Shelf, backend.ListOptions{After: name, Limit: 3}, want[i+1:min(len(want), i+4)]...)
	}
	return p.err
}

func breakEarly(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 300)
	p.fill(keys)
	// More often than any pool has connections.
	for i := range e.pick(100, 300, 3000) {
		if p.err != nil {
			break
		}
		n := 0
		for _, err := range p.b.List(ctx, keys[0].Shelf, backend.ListOptions{}) {
			if err != nil {
				p.failf("List: %w", err)
			}
			if n++; n > i%3 {
				break
			}
		}
		n = 0
		for _, err := range p.b.List(ctx, keys[0].Shelf, backend.ListOptions{}) { // and once at every step
			if err != nil {
				p.failf("List: %w", err)
			}
			if n++; n > i {
				break
			}
		}
		for _, err := range p.b.Shelves(ctx, backend.ListOptions{}) {
			if err != nil {
				p.failf("Shelves: %w", err)
			}
			break
		}
	}
	p.put(keys[0], "new")
	p.holds(keys[0], "new")
	p.remove(keys[0])
	return p.err
}

func listTogether(ctx context.Context, e *Env) error {
	many := e.byTier(24, 48, 200) // more than most pools have connections
	p := e.handle(ctx)
	keys := e.keys("s", 3)
	p.fill(keys)
	if p.err != nil {
		return p.err
	}
	var there sync.WaitGroup
	there.Add(many)
	return crowd(many, func(int) error {
		q, here := p.with(ctx), sync.OnceFunc(there.Done)
		defer here()
		for info, err := range q.b.List(ctx, keys[0].Shelf, backend.ListOptions{}) {
			if err != nil {
				q.failf("List: %w", err)
				break
			}
			here()
			there.Wait() // until all are in their loops
			q.stat(info.Key)
			q.holds(info.Key, info.Key.Name)
		}
		return q.err
	})
}

func listCallback(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.pick(12, 150, 1500))
	p.fill(keys)
	steps := 0
	for info, err := range p.b.List(ctx, keys[0].Shelf, backend.ListOptions{}) {
		if err != nil {
			p.failf("List: %w", err)
		}
		if p.err != nil {
			return p.err
		}
		steps++
		p.everyMethod(e, info.Key)
		p.lists(keys[0].Shelf, backend.ListOptions{After: info.Key.Name, Limit: 2}, namesOf(keys[steps:min(len(keys), steps+2)])...)
	}
	if p.err == nil && steps != len(keys) {
		p.failf("List yields %d entries while its body changes other shelves, want %d", steps, len(keys))
	}
	return p.err
}

// everyMethod calls all methods with their usual arguments; key holds its own name.
func (p *probe) everyMethod(e *Env, key backend.Key) {
	other := e.key("other", "a/"+key.Name)
	p.holds(key, key.Name)
	p.stat(key)
	p.put(other, noise(2000, 1))
	p.put(key, key.Name)
	p.holds(other, noise(2000, 1))
	p.lists(other.Shelf, backend.ListOptions{}, other.Name)
	p.lists(key.Shelf, backend.ListOptions{Prefix: key.Name, Limit: 1}, key.Name)
	p.shelf(other.Shelf, true)
	p.remove(other)
}

func deleteWhileListing(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.byTier(100, 1100, 5001))
	p.fill(keys)
	p.emptied("List", len(keys), func(yield func(backend.Key, error) bool) {
		for info, err := range p.b.List(ctx, keys[0].Shelf, backend.ListOptions{}) {
			if !yield(info.Key, err) {
				return
			}
		}
	})
	p.lists(keys[0].Shelf, backend.ListOptions{})
	return p.err
}

func deleteWhileScanning(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", e.byTier(100, 1100, 5001))
	p.fill(keys)
	p.emptied("Scan", len(keys), func(yield func(backend.Key, error) bool) {
		for entry, err := range backend.Scan(ctx, p.b, keys[0].Shelf, backend.ListOptions{}) {
			if !yield(entry.Key, err) {
				return
			}
		}
	})
	return p.err
}

func deleteWhileShelves(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var keys []backend.Key
	for i := range e.pick(60, 300, 2500) {
		keys = append(keys, e.key(fmt.Sprintf("n-%04d", i), "a"))
	}
	p.fill(keys)
	p.emptied("Shelves", len(keys), func(yield func(backend.Key, error) bool) {
		for shelf, err := range p.b.Shelves(ctx, backend.ListOptions{Prefix: e.mark + "n-"}) {
			if !yield(backend.Key{Shelf: shelf, Name: "a"}, err) {
				return
			}
		}
	})
	return p.err
}

// emptied deletes what a method yields, as it is yielded, and wants so many of them.
func (p *probe) emptied(method string, want int, yielded iter.Seq2[backend.Key, error]) {
	steps := 0
	for key, err := range yielded {
		if err != nil {
			p.failf("%s: %w", method, err)
		}
		if p.err != nil {
			return
		}
		steps++
		p.remove(key)
	}
	if p.err == nil && steps != want {
		p.failf("a loop that deletes what %s yields is given %d of %d", method, steps, want)
	}
}

func listLongNames(ctx context.Context, e *Env) error {
	p, shelf := e.handle(ctx), e.Shelf("s")
	const end = 4
	same := strings.Repeat(strings.Repeat("n", 149)+"/", 4)[:backend.MaxName-end]
	var keys []backend.Key
	for i := range e.pick(120, 1100, 2500) {
		keys = append(keys, backend.Key{Shelf: shelf, Name: fmt.Sprintf("%s%0*d", same, end, i)})
	}
	p.fill(keys)
	all := namesOf(keys)
	p.lists(shelf, backend.ListOptions{}, all...)
	p.lists(shelf, backend.ListOptions{Prefix: same}, all...)
	for i := 0; i < len(all); i += 37 {
		p.lists(shelf, backend.ListOptions{After: all[i], Limit: 50}, all[i+1:min(len(all), i+51)]...)
	}
	return p.err
}

// removedAhead wants a list to go on behind entries that were removed since it began, however many in a row.
func removedAhead(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	n := e.aPageAndMore()
	for _, name := range []string{"List", "Scan"} {
		if name == "Scan" && !has[backend.Scanner](p.b) {
			continue
		}
		keys := e.keys(strings.ToLower(name), n)
		p.fill(keys)
		gone, rest := keys[2:n-10], keys[n-10:]
		var seen []string
		look := func(info backend.Info, err error) bool {
			if err != nil {
				p.failf("%s while entries ahead of it are removed: %w", name, err)
				return false
			}
			if seen = append(seen, info.Key.Name); len(seen) == 1 {
				q.removeAll(gone)
			}
			return p.err == nil && q.err == nil
		}
		if name == "List" {
			p.b.List(ctx, keys[0].Shelf, backend.ListOptions{})(look)
		} else {
			backend.Scan(ctx, p.b, keys[0].Shelf, backend.ListOptions{})(func(entry backend.Entry, err error) bool { return look(entry.Info, err) })
		}
		for _, key := range rest {
			if p.err == nil && q.err == nil && !slices.Contains(seen, key.Name) {
				p.failf("%s of %d entries, of which %d are removed when the first is yielded, does not yield %q, which stays", name, n, len(gone), key.Name)
			}
		}
	}
	return errors.Join(p.err, q.err)
}

func churn(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelf := e.Shelf("s")
	var stay, move []backend.Key
	for i := range e.byTier(200, 1500, 6000) {
		key := backend.Key{Shelf: shelf, Name: fmt.Sprintf("%06d", i)}
		if i%3 == 0 {
			move = append(move, key)
		} else {
			stay = append(stay, key)
		}
	}
	p.fill(stay)
	p.fill(move)
	if p.err != nil {
		return p.err
	}
	lists := e.pick(3, 6, 100)
	var done atomic.Bool
	const movers = 2
	return crowd(movers+1, func(w int) error {
		q := p.with(ctx)
		if w == movers {
			defer done.Store(true)
			for range lists {
				q.listsAll(shelf, stay, move)
			}
			return q.err
		}
		for i := w; !done.Load() && q.err == nil; i += movers {
			key := move[i*7%len(move)]
			q.put(key, key.Name)
			q.remove(move[i*5%len(move)])
			q.put(stay[i*3%len(stay)], stay[i*3%len(stay)].Name) // is there throughout
			pause()
		}
		return q.err
	})
}

// listsAll wants each of stay once, some of move at most once, and nothing else, in order.
// Its loop body makes others come and go too, so that they do wherever the list stands.
func (p *probe) listsAll(shelf string, stay, move []backend.Key) {
	if p.err != nil {
		return
	}
	times, last, step := map[string]int{}, "", 0
	for info, err := range p.b.List(p.ctx, shelf, backend.ListOptions{}) {
		name := info.Key.Name
		if err != nil {
			p.failf("List while others come and go: %w", err)
			return
		}
		if name < last {
			p.failf("List yields %q after %q while others come and go", name, last)
		}
		times[name]++
		last = name
		if step++; step%5 == 0 {
			p.remove(move[step*3%len(move)])
			p.put(move[step*11%len(move)], move[step*11%len(move)].Name)
		}
	}
	for _, key := range stay {
		if n := times[key.Name]; n != 1 {
			p.failf("List yields %q %d times while others come and go, want once", key.Name, n)
		}
		delete(times, key.Name)
	}
	for _, key := range move {
		if n := times[key.Name]; n > 1 {
			p.failf("List yields %q %d times while it comes and goes", key.Name, n)
		}
		delete(times, key.Name)
	}
	for name := range times {
		p.failf("List yields %q, which was not put", name)
	}
}
