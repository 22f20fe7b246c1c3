package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// What happens when the caller gives up.
var cancelLaws = []Law{
	{
		Name: "cancel/before", Fn: cancelledBefore,
		Rule: "A call with a context that has ended does nothing, and fails with an error that matches the context's.",
	},
	{
		Name: "cancel/steps", Fn: cancelSteps,
		Rule: "A call cancelled at any of its steps succeeds, or fails with the context's error; a Put took effect wholly or not at all.",
	},
	{
		Name: "cancel/any-time", Fn: cancelAnyTime,
		Rule: "Puts cancelled at any time, large and small, leave the old value or the new one, and a handle that works.",
	},
	{
		Name: "cancel/put", Fn: cancelInBody,
		Rule: "A Put cancelled while its body is read ends soon, with the context's error, took effect wholly or not at all, and does not use the body after it returned.",
	},
	{
		Name: "cancel/batch", Needs: []Need{BatchPuts}, Fn: cancelInBatch,
		Rule: "A batch cancelled while it reads a body ends soon; an item that it did not store has the context's error, and the others are there.",
	},
	{
		Name: "cancel/list", Fn: cancelList,
		Rule: "A list cancelled at any step ends with the context's error or is complete; a long one ends long before.",
	},
	{
		Name: "cancel/body", Fn: cancelReading,
		Rule: "A body whose context ends can be read whole, or reading fails: it never ends early as if it were whole.",
	},
	{
		Name: "cancel/frees", Fn: cancelFrees,
		Rule: "Cancelled calls hold nothing back: neither a connection nor a lock.",
	},
	{
		Name: "cancel/alone", Fn: cancelAlone,
		Rule: "A call that is cancelled ends no other one, as where several that ask for the same share the work.",
	},
}

func cancelledBefore(ctx context.Context, e *Env) error {
	p, key, other := e.handle(ctx), e.key("s", "a"), e.key("s", "b")
	p.put(key, "1")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	why, end := context.WithCancelCause(ctx)
	end(errors.New("why the caller gave up"))
	for _, c := range calls(p.b, key, other) {
		p.fails(c.name+" with a cancelled context", c.do(cancelled), context.Canceled)
		p.fails(c.name+" with a context that was cancelled for a cause", c.do(why), context.Canceled)
		p.fails(c.name+" after its deadline", c.do(late), context.DeadlineExceeded)
		p.holds(key, "1")
		p.absent(other)
	}
	never := e.Shelf("never")
	_, err := collect(p.b.List(cancelled, never, backend.ListOptions{}))
	p.fails("List of an empty shelf with a cancelled context", err, context.Canceled)
	_, err = collect(p.b.Shelves(cancelled, backend.ListOptions{Prefix: never}))
	p.fails("Shelves, of which there are none, with a cancelled context", err, context.Canceled)
	if has[backend.Scanner](p.b) {
		_, err = collect(backend.Scan(cancelled, p.b, never, backend.ListOptions{}))
		p.fails("Scan of an empty shelf with a cancelled context", err, context.Canceled)
	}
	p.put(key, "2")
	p.holds(key, "2")
	return p.err
}

// countdown is a context that ends when it has been asked so many times whether it
// has: so a call is cancelled at each of its steps in turn.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newCountdown(ctx context.Context, steps int) *countdown {
	inner, cancel := context.WithCancel(ctx)
	c := &countdown{Context: inner, cancel: cancel}
	c.left.Store(int64(steps))
	return c
}

func (c *countdown) step() {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
}

// Err implements [context.Context].
func (c *countdown) Err() error {
	c.step()
	return c.Context.Err()
}

// Done implements [context.Context].
func (c *countdown) Done() <-chan struct{} {
	c.step()
	return c.Context.Done()
}

func cancelSteps(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, size := range someSizes {
		old, text := noise(size, 1), noise(size+1, 2)
		for i, c := range calls(p.b, e.key("s", "a"), e.key("s", "b")) {
			// Keys of its own: what was cancelled may take effect later.
			key, other := e.key("s", fmt.Sprintf("%d-%d", size, i)), e.key("s", fmt.Sprintf("%d-%d-other", size, i))
			e.cutAtEachStep(p, c.name, func(cut *probe) error {
				p.put(key, old)
				p.remove(other)
				return calls(p.b, key, other)[i].do(cut.ctx)
			}, func(what string, err error) {
				p.settled(what, err, key, old, "")
				p.settled(what, err, other, "", "2")
			})
		}
		key := e.key("s", fmt.Sprintf("%d-overwritten", size))
		e.cutAtEachStep(p, "an overwrite", func(cut *probe) error {
			p.put(key, old)
			_, err := cut.try(key, text, backend.PutOptions{})
			return err
		}, func(what string, err error) { p.settled(what, err, key, old, text) })
	}
	return p.err
}

// cutAtEachStep does something again and again, cancelled at its first step, its second,
// and so on until it is through without being cut, and looks what came of it.
func (e *Env) cutAtEachStep(p *probe, what string, do func(cut *probe) error, look func(what string, err error)) {
	for steps := range e.pick(15, 100, 1000) {
		if p.err != nil {
			return
		}
		c := newCountdown(p.ctx, steps)
		err := do(p.with(c))
		uncut := c.left.Load() >= 0
		look(fmt.Sprintf("%s cancelled at step %d", what, steps), err)
		c.cancel()
		if uncut {
			return
		}
	}
}

// settled wants err to be nil or the context's, and key to hold either of two texts;
// the empty one stands for nothing.
func (p *probe) settled(what string, err error, key backend.Key, old, text string) {
	if p.err != nil {
		return
	}
	if err != nil {
		p.fails(what, err, context.Canceled)
	}
	got, info, gerr := load(p.ctx, p.b, key)
	switch {
	case errors.Is(gerr, backend.ErrNotFound):
		if old != "" && text != "" {
			p.failf("after %s %q holds nothing", what, key)
		}
	case gerr != nil:
		p.failf("after %s Get(%q): %w", what, key, gerr)
	case got != old && got != text:
		p.failf("after %s %q holds %d bytes %s, neither the old value nor the new", what, key, len(got), clip(got))
	default:
		if err := whole(got, info); err != nil {
			p.failf("after %s %q holds %w", what, key, err)
		}
	}
}

func cancelAnyTime(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for round := range e.pick(40, 300, 5000) {
		key := e.key("s", fmt.Sprint(round)) // another one: what was cancelled may take effect later
		old, text := noise(someSizes[round%2], uint64(round)), noise(someSizes[(round+1)%2], uint64(round+1))
		p.put(key, old)
		if p.err != nil {
			return p.err
		}
		limited, cancel := context.WithCancel(ctx)
		// From before the first step to after the last, on engines quick and slow.
		pause := time.Duration(e.Rand.IntN(1 << e.Rand.IntN(23))) // up to 4 ms
		timer := time.AfterFunc(pause, cancel)
		_, err := p.with(limited).try(key, text, backend.PutOptions{})
		p.settled(fmt.Sprintf("a Put cancelled after %v", pause), err, key, old, text)
		if got, _ := p.get(key); err == nil && p.err == nil && got != text {
			p.failf("a Put cancelled after %v succeeded, and %q holds the old value", pause, key)
		}
		timer.Stop()
		cancel()
	}
	return p.err
}

func cancelInBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, size := range someSizes {
		for _, at := range []int{0, 1, size / 2, size} {
			key, old, text := e.key("s", fmt.Sprintf("%d-%d", size, at)), noise(size, 1), noise(size, 2)
			p.put(key, old)
			limited, cancel := context.WithCancel(ctx)
			body := newBody(text)
			body.at, body.hook = int64(at), func() error {
				cancel()
				pause() // whoever does not wait for the body returns now
				return nil
			}
			_, err := p.b.Put(limited, key, body, filled(text, backend.PutOptions{}))
			body.over.Store(true)
			pause()
			if body.usedLate.Load() > 0 {
				p.failf("a Put cancelled at byte %d of %d used the body after it returned", at, size)
			}
			p.settled(fmt.Sprintf("a Put cancelled at byte %d of %d", at, size), err, key, old, text)
			if err == nil && at < size {
				p.failf("a Put cancelled at byte %d of %d, while it read the body, succeeds", at, size)
			}
			cancel()
		}
	}
	return p.err
}

func cancelInBatch(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	const many, at = 6, 2
	for _, size := range someSizes {
		limited, cancel := context.WithCancel(ctx)
		var items []backend.Item
		for i, key := range e.keys(fmt.Sprintf("s-%d", size), many) {
			items = append(items, item(key, noise(size, uint64(i)), backend.PutOptions{}))
		}
		body := newBody(noise(size, at))
		body.at, body.hook = int64(size)/2, func() error { cancel(); return nil }
		items[at].Body = body
		_, err := backend.PutBatch(limited, p.b, items)
		cancel()
		for i, it := range items {
			what := fmt.Sprintf("item %d of a batch that was cancelled at item %d", i, at)
			failed := backend.ItemError(err, i)
			p.settled(what, failed, it.Key, "", noise(size, uint64(i)))
			if failed == nil && p.err == nil {
				p.holds(it.Key, noise(size, uint64(i)))
			}
		}
	}
	return p.err
}

func cancelList(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	few, many := e.keys("few", 10), e.keys("many", e.aPageAndMore())
	p.fill(few)
	p.fill(many)
	p.cancelShelves(e)
	if p.err != nil {
		return p.err
	}
	lists := map[string]func(ctx context.Context, shelf string) iter.Seq2[backend.Info, error]{
		"List": func(ctx context.Context, shelf string) iter.Seq2[backend.Info, error] {
			return p.b.List(ctx, shelf, backend.ListOptions{})
		},
		"Scan": func(ctx context.Context, shelf string) iter.Seq2[backend.Info, error] {
			return func(yield func(backend.Info, error) bool) {
				for entry, err := range backend.Scan(ctx, p.b, shelf, backend.ListOptions{}) {
					if !yield(entry.Info, err) {
						return
					}
				}
			}
		},
	}
	for _, keys := range [][]backend.Key{few, many} {
		for _, at := range []int{1, 2, len(keys) / 2, len(keys)} {
			for name, list := range lists {
				p.cancelled(fmt.Sprintf("%s of %d entries", name, len(keys)), len(keys), at, func(ctx context.Context) iter.Seq2[backend.Info, error] {
					return list(ctx, keys[0].Shelf)
				})
			}
		}
	}
	return p.err
}

// cancelled goes through n entries, and ends the context at number at. What pages is not to go on to the last of many.
func (p *probe) cancelled(what string, n, at int, list func(ctx context.Context) iter.Seq2[backend.Info, error]) {
	if p.err != nil {
		return
	}
	limited, cancel := context.WithCancel(p.ctx)
	defer cancel()
	there, err := 0, error(nil)
	for _, err = range list(limited) {
		if err != nil {
			break
		}
		if there++; there == at {
			cancel()
		}
	}
	what = fmt.Sprintf("%s, cancelled at number %d,", what, at)
	switch {
	case err != nil:
		p.fails(what, err, context.Canceled)
	case there != n:
		p.failf("%s stops without an error after %d", what, there)
	case at == 1 && n > 2000:
		p.failf("%s goes on to the last one", what)
	}
}

func cancelReading(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, size := range append([]int{e.bulk()}, someSizes...) {
		for _, head := range []int{0, 1, size / 2} {
			key, text := e.key("s", fmt.Sprint(size)), noise(size, 1)
			p.put(key, text)
			limited, cancel := context.WithCancel(ctx)
			p.cut(limited, cancel, key, text, head)
			late := &expiring{Context: ctx, done: make(chan struct{})}
			p.cut(late, late.expire, key, text, head)
		}
	}
	return p.err
}

// cut reads the first bytes of a body of Get under ctx, ends ctx, and reads on.
func (p *probe) cut(ctx context.Context, end func(), key backend.Key, text string, head int) {
	body := p.with(ctx).body(key)
	got := make([]byte, head)
	if _, err := io.ReadFull(body, got); err != nil {
		p.failf("read the first bytes: %w", err)
	}
	end()
	rest, err := io.ReadAll(body)
	body.Close()
	if err == nil {
		p.same(fmt.Sprintf("a body whose context ended (%v) after %d bytes", ctx.Err(), head), string(got)+string(rest), text)
	}
}

// expiring is a context whose deadline passes when it is told so.
type expiring struct {
	context.Context
	done chan struct{}
	over atomic.Bool
}

func (c *expiring) expire() {
	c.over.Store(true)
	close(c.done)
}

// Done implements [context.Context].
func (c *expiring) Done() <-chan struct{} { return c.done }

// Err implements [context.Context].
func (c *expiring) Err() error {
	if c.over.Load() {
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

func cancelFrees(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 20)
	p.fill(keys)
	for i := range e.pick(120, 240, 3000) {
		c := newCountdown(ctx, i/4%4) // calls of each kind, cut at each of their first steps
		q := p.with(c)
		switch i % 4 {
		case 0:
			q.get(keys[0])
		case 1:
			q.put(keys[1], noise(someSizes[i/4%2], 1))
		case 2:
			q.list(keys[0].Shelf, backend.ListOptions{})
		case 3:
			q.body(keys[0]).Close()
		}
		c.cancel()
	}
	p.put(keys[0], "new")
	p.holds(keys[0], "new")
	if got := p.list(keys[0].Shelf, backend.ListOptions{}); p.err == nil && len(got) != len(keys) {
		p.failf("List yields %d entries, want %d", len(got), len(keys))
	}
	return p.err
}

func cancelAlone(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 2)
	p.fill(keys)
	if p.err != nil {
		return p.err
	}
	const patient, hasty = 3, 3
	pauses := make([]time.Duration, hasty)
	for round := range e.pick(60, 300, 3000) {
		for i := range pauses {
			pauses[i] = time.Duration(e.Rand.IntN(1 << e.Rand.IntN(21))) // up to 1 ms
		}
		if err := crowd(patient+hasty, func(w int) error {
			if w < hasty {
				limited, cancel := context.WithCancel(ctx)
				defer cancel()
				timer := time.AfterFunc(pauses[w], cancel)
				defer timer.Stop()
				q := p.with(limited)
				q.get(keys[0])
				q.stat(keys[0])
				q.list(keys[0].Shelf, backend.ListOptions{})
				if q.err != nil && !errors.Is(q.err, context.Canceled) {
					return fmt.Errorf("a call that was cancelled: %w", q.err)
				}
				return nil
			}
			if round%2 == 1 {
				pause() // so that one that gives up was there first
			}
			q := p.with(ctx)
			q.holds(keys[0], keys[0].Name)
			q.stat(keys[0])
			q.list(keys[0].Shelf, backend.ListOptions{})
			if q.err != nil {
				return fmt.Errorf("beside calls that are cancelled: %w", q.err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return p.err
}

// cancelShelves cancels lists of shelves.
func (p *probe) cancelShelves(e *Env) {
	const n = 12
	prefix := e.Shelf("shelf-")
	for i := range n {
		p.put(e.key(fmt.Sprintf("shelf-%02d", i), "a"), "a")
	}
	for _, at := range []int{1, n / 2, n} {
		p.cancelled(fmt.Sprintf("Shelves of %d names", n), n, at, func(ctx context.Context) iter.Seq2[backend.Info, error] {
			return func(yield func(backend.Info, error) bool) {
				for shelf, err := range p.b.Shelves(ctx, backend.ListOptions{Prefix: prefix}) {
					if !yield(backend.Info{Key: backend.Key{Shelf: shelf}}, err) {
						return
					}
				}
			}
		})
	}
}
