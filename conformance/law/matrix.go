package law

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What holds for each way to store, to remove and to look, in each state of a key.
var matrixLaws = []Law{
	{
		Name: "matrix/stored", Fn: matrixStored,
		Rule: "By whichever way a value is stored, over whatever was there and by whichever handle, every way to look sees it on every handle, and nothing else changes.",
	},
	{
		Name: "matrix/open", Fn: matrixOpen,
		Rule: "What is open of a value, a body, a range, a View or an entry of a Scan, stays whole or fails to be read, by whichever way the value is taken away meanwhile.",
	},
	{
		Name: "matrix/crowd", Fn: matrixCrowd,
		Rule: "Many that call anything at once on the same handles, each with keys of its own, get the answers that they would get alone.",
	},
	{
		Name: "matrix/any", Needs: []Need{SharedPlace}, Fn: matrixAny,
		Rule: "After any sequence of calls, with any names, sizes, metadata and options, over several handles that come and go, each call answers what follows from those before.",
	},
}

// befores are the states in which a value may find its key.
var befores = []struct {
	name string
	make func(w *world, p *probe, key backend.Key)
}{
	{"never used", func(w *world, p *probe, key backend.Key) {}},
	{"empty", func(w *world, p *probe, key backend.Key) { w.store(p, ways[0], key, "", nil) }},
	{"small", func(w *world, p *probe, key backend.Key) {
		w.store(p, ways[0], key, w.text(100), backend.Meta{"old": "1", "both": "1"})
	}},
	{"large", func(w *world, p *probe, key backend.Key) { w.store(p, ways[0], key, w.text(150_000), manyMeta()) }},
	{"of the same size", func(w *world, p *probe, key backend.Key) { w.store(p, ways[4], key, w.text(80_000), nil) }},
	{"removed", func(w *world, p *probe, key backend.Key) {
		w.store(p, ways[0], key, w.text(80_000), backend.Meta{"old": "1"})
		w.remove(p, w.rnd.IntN(len(removals)), key)
	}},
}

// text is a new value of n bytes, if there is room for its number.
func (w *world) text(n int) string {
	if n == 0 {
		return ""
	}
	w.step++
	head := fmt.Sprintf("%d.", w.step)
	if n <= len(head) {
		return head // as short as can be, and unlike any other
	}
	return head + noise(n-len(head), uint64(w.step))
}

func matrixStored(ctx context.Context, e *Env) error {
	w, err := e.newWorld(ctx, 2)
	if err != nil {
		return err
	}
	sizes := []int{0, 1, 1000, 80_000}
	n, keys := w.rnd.IntN(100), append(e.wideKeys(), e.key("s", "a/b"), e.key("t", "a/b"))
	for _, by := range ways {
		for b, before := range befores {
			n++ // by turns with each size, if not with all
			for s, size := range sizes {
				if e.pick(1, 4, 5) < len(sizes) && (n+s)%len(sizes) > 0 || e.Tier == Quick && e.Limits.CostlyRequests && n%4 > 0 {
					continue
				}
				key := keys[n/2%len(keys)]
				beside := backend.Key{Shelf: key.Shelf, Name: "beside/" + fmt.Sprint(b)}
				if key.Name == "a/b" {
					beside.Name = "a"
				}
				writer, first := w.handles[n%len(w.handles)], w.handles[n/2%len(w.handles)]
				w.store(first, ways[0], beside, w.text(100), backend.Meta{"beside": "1"})
				before.make(w, first, key)
				if by.needs == nil || by.needs(w, key) {
					if n%2 == 0 { // let the handles learn what they could remember
						p, q := w.handles[0], w.handles[len(w.handles)-1]
						for _, l := range looks[:readings] {
							w.look(p, l, key)
							w.look(q, l, key)
						}
					}
					w.store(writer, by, key, w.text(size), backend.Meta{"n": fmt.Sprint(n), "both": "2"})
					w.sees(key)
					w.look(writer, looks[0], beside)
				}
				if w.kept[key] != nil {
					w.remove(writer, n%len(removals), key)
					w.sees(key)
					w.look(first, looks[0], beside)
				}
				if err := w.err(); err != nil {
					return fmt.Errorf("%s of %d bytes under %s, over what is %s: %w", by.name, size, brief(key), before.name, err)
				}
			}
		}
		w.did = nil
	}
	return nil
}

func matrixOpen(ctx context.Context, e *Env) error {
	w, err := e.newWorld(ctx, 2)
	if err != nil {
		return err
	}
	sizes := []int{1, 1000, 80_000, 300_000}
	takes := len(ways) + len(removals)
	for t := range takes {
		for s, size := range sizes {
			if (e.Tier == Quick || e.Limits.CostlyRequests) && (t+s)%2 > 0 {
				continue
			}
			key := e.key("s", fmt.Sprint("k-", t, "-", s))
			p, q := w.handles[0], w.handles[len(w.handles)-1]
			text := w.text(size)
			w.store(p, ways[0], key, text, nil)
			var open []*opened
			for _, h := range w.handles {
				third := int64(len(text) / 3)
				open = append(open, w.openBody(h, key), w.openRange(h, key, third, -1, true), w.openRange(h, key, 0, -1, (t+s)%4 == 0), w.openRange(h, key, third, third, false), w.openView(h, key))
			}
			for _, o := range open {
				o.read(w, len(text)/4)
			}
			if t < len(ways) {
				if by := ways[t]; by.needs == nil || by.needs(w, key) {
					w.store(q, by, key, w.text(size), nil)
				}
			} else {
				w.remove(q, t-len(ways), key)
			}
			w.store(q, ways[0], e.key("s", "other"), w.text(size), nil)
			w.look(p, looks[0], key)
			for _, o := range open {
				o.read(w, 1<<30)
				o.close()
			}
			if err := w.err(); err != nil {
				return fmt.Errorf("what is open of %d bytes: %w", size, err)
			}
		}
	}
	return nil
}

// drawKeys returns n keys: near ones, nested ones, long ones, on shelves of like names.
func (w *world) drawKeys(n int) []backend.Key {
	shelves := []string{"s", "s", "s", "s-0", "s.x", "t", strings.Repeat("s", backend.MaxShelf-len(w.e.mark+w.mark))}
	keys := []backend.Key{w.e.key(w.mark+"s", strings.Repeat(strings.Repeat("n", 99)+"/", 6)[:backend.MaxName-1-w.rnd.IntN(3)])}
	for len(keys) < n {
		shelf := shelves[w.rnd.IntN(len(shelves))]
		name := near[w.rnd.IntN(len(near))]
		if len(keys) > 0 && w.rnd.IntN(2) == 0 { // near another one
			other := keys[w.rnd.IntN(len(keys))].Name
			switch w.rnd.IntN(6) {
			case 0:
				name = other + "/" + name
			case 1:
				name = other + []string{"0", "-", ".x", "=", "_", ".part", ".tmp", "-1", ".a.b"}[w.rnd.IntN(9)]
			case 2:
				name = other[:w.rnd.IntN(len(other))+1]
			case 3:
				name = strings.Repeat("d/", 1+w.rnd.IntN(backend.MaxSegments-2)) + name
			case 4:
				name = strings.Repeat("n", backend.MaxSegment-w.rnd.IntN(60)) + "/" + strings.Repeat("m", w.rnd.IntN(backend.MaxSegment)+1)
			case 5:
				name = other // on another shelf, perhaps
			}
		}
		if key := w.e.key(w.mark+shelf, name); key.Validate() == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// drawText returns a value of any size, mostly a small one.
func (w *world) drawText() string {
	switch w.rnd.IntN(12) {
	case 0:
		return ""
	case 1, 2, 3:
		return w.text(1 + w.rnd.IntN(40))
	case 4:
		return w.text((512<<w.rnd.IntN(9) - 1) + w.rnd.IntN(3)) // around a power of two, up to 128 KiB
	case 5:
		return w.text(w.rnd.IntN(200_000))
	case 6:
		return w.text(1) + strings.Repeat("\r\n", w.rnd.IntN(2000))
	case 7:
		return w.text(1) + strings.Repeat("\x00", w.rnd.IntN(70_000))
	}
	return w.text(w.rnd.IntN(5000))
}

// drawMeta returns none, a little or a lot of metadata.
func (w *world) drawMeta() backend.Meta {
	switch w.rnd.IntN(6) {
	case 0:
		return backend.Meta{}
	case 1:
		return backend.Meta{"codec": "npy", "cost": fmt.Sprint(w.step)}
	case 2:
		odd := oddMeta()
		names := slices.Sorted(maps.Keys(odd)) // the same seed draws the same
		return odd[names[w.step%len(names)]]
	case 3:
		m := backend.Meta{}
		for i := range 1 + w.rnd.IntN(20) {
			value := make([]byte, w.rnd.IntN(60))
			for j := range value {
				value[j] = byte(0x20 + w.rnd.IntN(0x5f))
			}
			m[fmt.Sprintf("k%d_%d", i, w.rnd.IntN(1000))] = strings.TrimSpace(string(value))
		}
		return m
	}
	return nil
}

func matrixAny(ctx context.Context, e *Env) error {
	for range e.pick(10, 60, 1000) {
		w, err := e.newWorld(ctx, 3)
		if err == nil {
			err = w.emptied() // of what the last one left
		}
		if err == nil {
			err = w.anything(e.byTier(60, 100, 100), true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func matrixCrowd(ctx context.Context, e *Env) error {
	const workers = 4
	all, err := e.newWorld(ctx, 2)
	if err != nil {
		return err
	}
	for round := range e.pick(2, 15, 300) {
		err := crowd(workers, func(i int) error {
			w := &world{
				e: e, rnd: e.random(fmt.Sprint(round, i)), mark: fmt.Sprintf("w%d-%d-", round, i),
				kept: map[backend.Key]*kept{}, past: map[backend.Key][]string{}, removed: map[backend.Key]int{},
			}
			for _, p := range all.handles {
				w.handles = append(w.handles, p.with(ctx))
			}
			return w.anything(e.byTier(60, 100, 100), false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// anything does n steps. Alone it may close handles and open others.
func (w *world) anything(n int, alone bool) error {
	keys := w.drawKeys(12)
	var open []*opened
	defer func() {
		for _, o := range open {
			o.close()
		}
	}()
	for range n {
		p, key := w.handles[w.rnd.IntN(len(w.handles))], keys[w.rnd.IntN(len(keys))]
		switch k := w.rnd.IntN(100); {
		case k < 30:
			by := ways[w.rnd.IntN(len(ways))]
			if by.needs == nil || by.needs(w, key) {
				w.store(p, by, key, w.drawText(), w.drawMeta())
			}
		case k < 40:
			w.remove(p, w.rnd.IntN(len(removals)), key)
		case k < 78:
			w.look(p, looks[w.rnd.IntN(len(looks))], key)
		case k < 86:
			if len(open) < 8 && w.kept[key] != nil {
				switch w.rnd.IntN(4) {
				case 0:
					open = append(open, w.openBody(p, key))
				case 1:
					size := len(w.kept[key].text)
					open = append(open, w.openRange(p, key, w.within(size), w.within(size), w.rnd.IntN(2) == 0))
				case 2:
					open = append(open, w.openView(p, key))
				case 3:
					open = append(open, w.openList(p, key))
				}
			}
		case k < 94:
			if len(open) > 0 {
				i := w.rnd.IntN(len(open))
				if o := open[i]; o.read(w, 1+w.rnd.IntN(100_000)) {
					o.close()
					open = append(open[:i], open[i+1:]...)
				}
			}
		case k < 97:
			if i := 1 + w.rnd.IntN(max(1, len(w.handles)-1)); alone && i < len(w.handles) {
				w.reopen(i)
			}
		case k < 98:
			if has[backend.Sweeper](p.b) {
				w.does(p, "Sweep")
				p.sweep(backend.SweepOptions{DryRun: w.rnd.IntN(3) == 0, Grace: shortest})
			}
		default:
			ended, cancel := context.WithCancel(p.ctx)
			cancel()
			w.ended(p, ended, key)
		}
		if err := w.err(); err != nil {
			return err
		}
	}
	for i, key := range keys {
		for k := range 3 {
			w.look(w.handles[(i+k)%len(w.handles)], looks[(i+3*k)%readings], key)
		}
	}
	return w.err()
}

// emptied removes everything.
func (w *world) emptied() error {
	p := w.handles[0]
	w.e.mu.Lock()
	shelves := slices.Collect(maps.Keys(w.e.shelves))
	w.e.mu.Unlock()
	for _, shelf := range shelves {
		if left := p.list(shelf, backend.ListOptions{}); len(left) > 0 {
			p.removeAll(keysOf(shelf, names(left)))
		}
	}
	return p.err
}

// reopen closes a handle and opens another one in its place.
func (w *world) reopen(i int) {
	p := w.handles[i]
	w.does(p, "Close, and Open")
	if err := p.b.Close(); err != nil {
		p.failf("Close: %w", err)
		return
	}
	_, err := p.b.Stat(p.ctx, w.e.key("s", "a"))
	p.fails("Stat after Close", err, backend.ErrClosed)
	if p.err == nil {
		*p = *w.e.open(p.ctx)
	}
}

// ended makes calls whose context has ended, which must do nothing.
func (w *world) ended(p *probe, ctx context.Context, key backend.Key) {
	w.does(p, "calls with an ended context: %s", brief(key))
	text := w.text(2000)
	_, err := p.b.Put(ctx, key, strings.NewReader(text), filled(text, backend.PutOptions{}))
	p.fails("Put with an ended context", err, context.Canceled)
	_, err = backend.PutBatch(ctx, p.b, []backend.Item{item(key, text, backend.PutOptions{})})
	p.fails("PutBatch with an ended context", backend.ItemError(err, 0), context.Canceled)
	p.fails("Delete with an ended context", p.b.Delete(ctx, key), context.Canceled)
	p.fails("DeleteBatch with an ended context", backend.ItemError(backend.DeleteBatch(ctx, p.b, []backend.Key{key}), 0), context.Canceled)
	if k := w.kept[key]; k != nil {
		err := backend.ItemError(backend.DeleteMatch(ctx, p.b, []backend.Seen{{Key: key, Version: k.put.Version}}), 0)
		p.fails("DeleteMatch with an ended context", err, context.Canceled)
	}
	w.look(p, looks[0], key)
	w.look(p, looks[1], key)
}
