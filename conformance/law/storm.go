package law

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// What holds when many work at once.
var stormLaws = []Law{
	{
		Name: "storm/own-keys", Fn: ownKeys,
		Rule: "Many that put, get, list and delete at once, each under its own keys, do not disturb one another.",
	},
	{
		Name: "storm/last-entry", Fn: lastEntry,
		Rule: "Deleting the last entry of a shelf, or of what names have in common, takes nothing from Puts beside it.",
	},
	{
		Name: "storm/one-key", Fn: oneKey,
		Rule: "While many overwrite one key, every read is some whole value that was put, with the Info that belongs to it.",
	},
	{
		Name: "storm/stays", Fn: stays,
		Rule: "A key that is overwritten all the time is never absent: not from Get, Stat, List or Shelves.",
	},
	{
		Name: "storm/fresh", Fn: fresh,
		Rule: "A Get that begins when a Put has returned sees it, however many Gets of the key are under way.",
	},
	{
		Name: "storm/one-put", Fn: onePut,
		Rule: "While many overwrite one key, the body, Size, Digest, Version and Meta in one answer belong to one Put.",
	},
	{
		Name: "storm/last-write", Fn: lastWrite,
		Rule: "What one handle acknowledged is never undone by an older write that comes later.",
	},
	{
		Name: "storm/handles", Needs: []Need{SharedPlace}, Fn: manyHandles,
		Rule: "Many handles, opened and closed while others work, lose nothing.",
	},
}

// crew returns n probes over several handles where the place has several.
func (e *Env) crew(ctx context.Context, n int) ([]*probe, error) {
	shared, err := e.sharesPlace(ctx)
	if err != nil {
		return nil, err
	}
	handles := []*probe{e.handle(ctx)}
	if shared {
		handles = append(handles, e.open(ctx), e.open(ctx))
	}
	crew := make([]*probe, n)
	for i := range crew {
		h := handles[i%len(handles)]
		if h.err != nil {
			return nil, h.err
		}
		crew[i] = h.with(ctx)
	}
	return crew, nil
}

func ownKeys(ctx context.Context, e *Env) error {
	const workers = 16
	crew, err := e.crew(ctx, workers)
	if err != nil {
		return err
	}
	steps := e.pick(6, 30, 1000)
	return crowd(workers, func(w int) error {
		p, rnd := crew[w], e.random(fmt.Sprintf("own-keys %d", w))
		shelf := e.Shelf(fmt.Sprintf("s-%d", w%4))
		mine := map[backend.Key]string{}
		for step := range steps {
			key := backend.Key{Shelf: shelf, Name: fmt.Sprintf("w-%02d/%d", w, rnd.IntN(4))}
			switch rnd.IntN(4) {
			case 0:
				p.remove(key)
				delete(mine, key)
			default:
				mine[key] = fmt.Sprintf("%d %d ", w, step) + noise(someSizes[rnd.IntN(2)]/4, uint64(step))
				p.put(key, mine[key])
			}
			for i := range 4 {
				key := backend.Key{Shelf: shelf, Name: fmt.Sprintf("w-%02d/%d", w, i)}
				if text, ok := mine[key]; ok {
					p.holds(key, text)
					p.about(fmt.Sprintf("Stat(%q), beside others,", key), p.stat(key), key, text)
				} else {
					p.absent(key)
				}
			}
			got := p.list(shelf, backend.ListOptions{Prefix: fmt.Sprintf("w-%02d/", w)})
			if p.err == nil && len(got) != len(mine) {
				p.failf("List yields %d entries of worker %d, want %d", len(got), w, len(mine))
			}
		}
		return p.err
	})
}

// lastEntry catches engines that remove a directory, a bucket or a row of its own for the shelf
// with what was the last entry in it a moment ago.
func lastEntry(ctx context.Context, e *Env) error {
	const workers = 8
	crew, err := e.crew(ctx, workers)
	if err != nil {
		return err
	}
	steps := e.pick(20, 80, 3000)
	return crowd(workers, func(w int) error {
		p := crew[w]
		for step := range steps {
			// Pairs meet more often in an empty shelf than crowds do.
			key := e.key(fmt.Sprintf("s-%d", w/2), fmt.Sprintf("deep/er/%d", w))
			text := fmt.Sprintf("%d %d", w, step)
			p.put(key, text)
			p.holds(key, text)
			p.remove(key)
			p.absent(key)
		}
		return p.err
	})
}

func oneKey(ctx context.Context, e *Env) error {
	const writers, readers = 4, 4
	crew, err := e.crew(ctx, writers+readers)
	if err != nil {
		return err
	}
	key := e.key("s", "a")
	first := e.handle(ctx)
	first.put(key, "first")
	if first.err != nil {
		return first.err
	}
	var busy, reads atomic.Int32
	busy.Store(writers)
	steps := e.pick(15, 80, 3000)
	const atLeast = 4 * readers // reads beside which all of them write
	return crowd(writers+readers, func(w int) error {
		p := crew[w]
		if w < writers {
			defer busy.Add(-1)
			for i := 0; p.err == nil && (i < steps || reads.Load() < atLeast); i++ {
				p.put(key, fmt.Sprintf("%d %d ", w, i)+noise(someSizes[(i+w)%2]+i, uint64(i)))
			}
			return p.err
		}
		defer reads.Add(atLeast) // no one waits for one that failed
		for busy.Load() > 0 && p.err == nil {
			text, info := p.current(key)
			if err := whole(text, info); p.err == nil && err != nil {
				p.failf("Get beside overwrites: %w", err)
			}
			reads.Add(1)
			if got := p.list(key.Shelf, backend.ListOptions{}); p.err == nil && len(got) != 1 {
				p.failf("List beside overwrites yields %d entries, want 1", len(got))
			}
			p.stat(key)
		}
		return p.err
	})
}

func lastWrite(ctx context.Context, e *Env) error {
	crew, err := e.crew(ctx, 3)
	if err != nil {
		return err
	}
	key := e.key("s", "a")
	for i := range e.pick(20, 100, 2500) {
		first, second := fmt.Sprintf("%d first ", i), fmt.Sprintf("%d second ", i)+noise(someSizes[i%2], uint64(i))
		crew[i%3].put(key, first)
		crew[(i+1)%3].put(key, second)
		crew[(i+2)%3].holds(key, second)
		// What comes late has a moment to come.
		time.Sleep(5 * time.Millisecond)
		crew[i%3].holds(key, second)
		for _, p := range crew {
			if p.err != nil {
				return p.err
			}
		}
	}
	return nil
}

func manyHandles(ctx context.Context, e *Env) error {
	const workers, puts = 8, 3
	rounds := e.pick(3, 15, 300)
	for round := range rounds {
		handles, err := e.several(ctx, workers)
		if err != nil {
			return fmt.Errorf("open the place beside others: %w", err)
		}
		work := func(w, part int) error {
			p := handles[w]
			for i := range puts {
				key := e.key("s", fmt.Sprintf("%d/%03d/%d", w, round, part*puts+i))
				p.put(key, key.Name+noise(someSizes[i%2], 1))
			}
			first := e.key("s", fmt.Sprintf("%d/000/0", w))
			p.holds(first, first.Name+noise(someSizes[0], 1))
			return p.err
		}
		// All are at work, then half of them go while the others work on.
		if err := crowd(workers, func(w int) error { return work(w, 0) }); err != nil {
			return err
		}
		if err := crowd(workers, func(w int) error {
			if w%2 == 0 {
				handles[w].close()
				return handles[w].err
			}
			return work(w, 1)
		}); err != nil {
			return err
		}
		for w := 1; w < workers; w += 2 {
			if handles[w].close(); handles[w].err != nil {
				return handles[w].err
			}
		}
	}
	p := e.handle(ctx)
	want := rounds * workers * puts * 3 / 2
	if got := p.list(e.Shelf("s"), backend.ListOptions{}); p.err == nil && len(got) != want {
		p.failf("List yields %d of %d entries that were put through handles of their own", len(got), want)
	}
	return p.err
}

func fresh(ctx context.Context, e *Env) error {
	const readers = 4
	crew, err := e.crew(ctx, readers+1)
	if err != nil {
		return err
	}
	key := e.key("s", "a")
	writer := crew[0]
	writer.put(key, "first")
	if writer.err != nil {
		return writer.err
	}
	var done atomic.Bool
	return crowd(readers+1, func(w int) error {
		if w == 0 {
			defer done.Store(true)
			for i := 0; i < e.pick(40, 300, 5000) && writer.err == nil; i++ {
				text := fmt.Sprintf("%d ", i) + noise(someSizes[i%2], uint64(i))
				writer.put(key, text)
				// Asked through another handle, that the readers use too.
				other := crew[1].with(ctx)
				other.holds(key, text)
				if other.err != nil {
					return other.err
				}
			}
			return writer.err
		}
		p := crew[1].with(ctx)
		for !done.Load() && p.err == nil {
			p.current(key)
		}
		return p.err
	})
}

// sighting is what one answer said of a key.
type sighting struct {
	from string // the method
	backend.Info
}

func stays(ctx context.Context, e *Env) error {
	handles, err := e.crew(ctx, 4)
	if err != nil {
		return err
	}
	key := e.key("s", "a")
	handles[0].put(key, "first")
	if err := handles[0].err; err != nil {
		return err
	}
	looks := e.pick(1000, 4000, 50_000)
	var looking atomic.Int32
	const writers = 2
	looking.Store(int32(len(handles) - writers))
	return crowd(len(handles), func(w int) error {
		q := handles[w].with(ctx)
		if w < writers {
			for i := 0; looking.Load() > 0 && q.err == nil; i++ {
				q.put(key, fmt.Sprintf("%d by %d", i, w))
			}
			return q.err
		}
		defer looking.Add(-1)
		for range looks {
			q.stat(key)
			q.current(key)
			q.lists(key.Shelf, backend.ListOptions{}, "a")
			q.shelf(key.Shelf, true)
		}
		return q.err
	})
}

func onePut(ctx context.Context, e *Env) error {
	const writers, readers = 3, 3
	crew, err := e.crew(ctx, writers+readers)
	if err != nil {
		return err
	}
	key, steps := e.key("s", "a"), e.pick(12, 80, 2000)
	// Sizes repeat, so that nothing distinguishes values but what this law looks at.
	text := func(w, i int) string { return fmt.Sprintf("%d %06d ", w, i) + noise(someSizes[i%2], uint64(w)) }
	put := func(p *probe, w, i int) backend.Info {
		return p.putWith(key, text(w, i), backend.PutOptions{Meta: backend.Meta{"put": fmt.Sprintf("%d %06d", w, i)}})
	}
	first := e.handle(ctx)
	told := make([]map[string]backend.Info, writers) // what Put said, by the Meta
	told[0] = map[string]backend.Info{"0 000000": put(first, 0, 0)}
	if first.err != nil {
		return first.err
	}
	seen := make([][]sighting, readers)
	var busy, reads atomic.Int32
	busy.Store(writers)
	const atLeast = 4 * readers
	if err := crowd(writers+readers, func(w int) error {
		p := crew[w]
		if w < writers {
			defer busy.Add(-1)
			if told[w] == nil {
				told[w] = map[string]backend.Info{}
			}
			for i := 1; p.err == nil && (i < steps || reads.Load() < atLeast); i++ {
				info := put(p, w, i)
				told[w][info.Meta["put"]] = info
			}
			return p.err
		}
		defer reads.Add(atLeast) // no one waits for one that failed
		for busy.Load() > 0 && p.err == nil {
			body, info := p.current(key)
			if err := whole(body, info); p.err == nil && err != nil {
				p.failf("Get beside overwrites: %w", err)
			}
			if mark := info.Meta["put"]; p.err == nil && !strings.HasPrefix(body, mark+" ") {
				p.failf("Get beside overwrites delivers %s with the Meta of the Put %q", clip(body), mark)
			}
			mine := &seen[w-writers]
			*mine = append(*mine, sighting{"Get", info}, sighting{"Stat", p.stat(key)})
			for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
				*mine = append(*mine, sighting{"List", info})
			}
			reads.Add(1)
		}
		return p.err
	}); err != nil {
		return err
	}
	byDigest := map[[32]byte]backend.Info{}
	for _, infos := range told {
		for _, info := range infos {
			byDigest[info.Digest] = info
		}
	}
	again := e.unknown.Load() > 0 // then a Put may have made two Versions, and told of one
	for _, all := range seen {
		for _, s := range all {
			if s.from == "List" && s.Digest == [32]byte{} {
				continue // which it may leave out
			}
			put, ok := byDigest[s.Digest]
			if again {
				put.Version = s.Version
			}
			switch {
			case !ok:
				first.failf("%s beside overwrites returns the Digest %x, which was not put", s.from, s.Digest[:4])
			case s.from == "List":
				first.listed(s.Info, put)
			case s.Version != put.Version || s.Size != put.Size || s.Sum != put.Sum || s.Meta["put"] != put.Meta["put"]:
				first.failf("%s beside overwrites returns %+v, want all of one Put: %+v", s.from, s.Info, put)
			}
		}
	}
	return first.err
}
