package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// What a handle on a place is: opened often, closed at any time.
var handleLaws = []Law{
	{
		Name: "handle/shared", Needs: []Need{SharedPlace}, Fn: shared,
		Rule: "What one handle stores or deletes, every other handle on the place sees at once.",
	},
	{
		Name: "handle/reopen", Needs: []Need{SharedPlace}, Fn: reopen,
		Rule: "Values stay when their handle is closed, and another Open of the place finds them.",
	},
	{
		Name: "handle/last-close", Needs: []Need{LastingPlace}, Fn: lastClose,
		Rule: "After the last handle on a place is closed, one opened anew finds everything unchanged: bodies, Info, Meta, Versions, lists, and epochs that go on.",
	},
	{
		Name: "handle/limits", Fn: steadyLimits,
		Rule: "Limits are the same from every handle and at every time.",
	},
	{
		Name: "handle/close-twice", Fn: closeTwice,
		Rule: "Close may be called again, also by several at once, and succeeds again.",
	},
	{
		Name: "handle/closed", Fn: closed,
		Rule: "A method called after Close returns ErrClosed, and does nothing, also where the handle knew the answer; so does what List returned before.",
	},
	{
		Name: "handle/close-others", Needs: []Need{SharedPlace}, Fn: closeOthers,
		Rule: "Closing one handle, even twice, or opening one leaves the others on the place as they are, and what they are about to store.",
	},
	{
		Name: "handle/close-busy", Needs: []Need{SharedPlace}, Fn: closeBusy,
		Rule: "Close waits for calls in progress or makes them fail: what was acknowledged is there, the rest wholly or not at all.",
	},
	{
		Name: "handle/close-put", Needs: []Need{SharedPlace}, Fn: closeInPut,
		Rule: "A Put whose handle is closed while it waits for its body succeeds and is there, or fails, and then it is there wholly or not at all.",
	},
	{
		Name: "handle/close-list", Fn: closeInList,
		Rule: "A List, or a Scan, whose handle is closed meanwhile comes to its end or says ErrClosed; it never stops as if there were no more.",
	},
	{
		Name: "handle/close-body", Fn: closeWithBody,
		Rule: "A body that is open when its handle is closed can be read whole, or reading fails.",
	},
}

func shared(ctx context.Context, e *Env) error {
	key := e.key("s", "a")
	p, q := e.handle(ctx), e.open(ctx)
	if q.err != nil {
		return q.err
	}
	for i, big := range []int{10, 200_000, 10} {
		text := noise(big, uint64(i))
		p.put(key, text)
		q.with(ctx).holds(key, text)
		q.lists(key.Shelf, backend.ListOptions{}, "a")
		q.holds(key, text)
		q.put(key, "from the other handle")
		p.holds(key, "from the other handle")
	}
	p.remove(key)
	q.absent(key)
	q.lists(key.Shelf, backend.ListOptions{})
	q.put(key, "again")
	p.holds(key, "again")
	// One handle stores and deletes, the other does nothing but look.
	for _, n := range someSizes {
		beside := e.key("s", fmt.Sprint("b-", n))
		for i := range 3 {
			info := p.put(beside, noise(n, uint64(i)))
			q.lists(key.Shelf, backend.ListOptions{}, "a", beside.Name)
			q.holds(beside, noise(n, uint64(i)))
			if got := q.stat(beside); p.err == nil && q.err == nil && got.Version != info.Version {
				q.failf("another handle's Stat has Version %q, and Put had %q", got.Version, info.Version)
			}
			p.remove(beside)
			q.absent(beside)
			q.lists(key.Shelf, backend.ListOptions{}, "a")
		}
	}
	p.put(e.key("t", "a"), "1")
	q.shelf(e.Shelf("t"), true)
	p.remove(e.key("t", "a"))
	q.shelf(e.Shelf("t"), false)
	return errors.Join(p.err, q.err)
}

func reopen(ctx context.Context, e *Env) error {
	small, big := e.key("s", "small"), e.key("s", "big")
	gone, changed := e.key("s", "gone"), e.key("other", "changed")
	p := e.open(ctx)
	p.putWith(small, "kept", backend.PutOptions{Meta: backend.Meta{"codec": "raw"}})
	p.put(big, noise(300_000, 1))
	p.put(gone, "gone")
	p.remove(gone)
	p.put(changed, "old")
	p.put(changed, "new")
	p.close()
	q := e.open(ctx)
	if p.err != nil {
		return p.err
	}
	if info := q.holds(small, "kept"); info.Meta["codec"] != "raw" {
		q.failf("after Close and Open the Meta of %q is %v, want codec=raw", small, info.Meta)
	}
	q.holds(big, noise(300_000, 1))
	q.holds(changed, "new")
	q.absent(gone)
	q.lists(small.Shelf, backend.ListOptions{}, "big", "small")
	return q.err
}

func lastClose(ctx context.Context, e *Env) error {
	p := e.handle(ctx) // the only one: all handles on the place are closed below
	texts := map[backend.Key]string{
		e.key("s", "empty"):   "",
		e.key("s", "a"):       "small",
		e.key("s", "a/b/c"):   "nested",
		e.key("s", "big"):     noise(300_000, 3),
		e.key("other", "new"): "new",
	}
	gone := e.key("s", "gone")
	p.put(e.key("other", "new"), "old")
	p.put(gone, "gone")
	p.remove(gone)
	for key, text := range texts {
		p.putWith(key, text, backend.PutOptions{Meta: backend.Meta{"codec": "raw", "n": fmt.Sprint(len(text))}})
	}
	before := map[backend.Key]backend.Info{}
	for key := range texts {
		before[key] = p.stat(key)
	}
	epoch := p.epoch(e.mark + "last-close")
	again := e.key("s", "again")
	version := p.put(again, "the last that was stored").Version
	p.remove(again)
	p.close()
	if p.err != nil {
		return p.err
	}
	if e.Tier >= Full { // until times that are stamped anew would show
		if err := moveOn(ctx); err != nil {
			return err
		}
	}
	q := e.open(ctx)
	for key, text := range texts {
		was := before[key]
		for what, info := range map[string]backend.Info{"Get": q.holds(key, text), "Stat": q.stat(key)} {
			q.sameMeta("after the last Close "+what, info.Meta, was.Meta)
			moved := info.ModTime.Sub(was.ModTime).Abs() >= time.Second // Get may round it to seconds, as that of GCS does
			if q.err == nil && (info.Version != was.Version || info.Digest != was.Digest || info.Sum != was.Sum || moved) {
				q.failf("after the last Close and an Open %s of %q has %+v, want %+v", what, key, info, was)
			}
		}
	}
	for _, shelf := range []string{"s", "other"} {
		for _, info := range q.list(e.Shelf(shelf), backend.ListOptions{}) {
			if moved := info.ModTime.Sub(before[info.Key].ModTime).Abs(); q.err == nil && moved >= time.Second {
				q.failf("after the last Close and an Open List has %q with the ModTime %v, and it was stored at %v", info.Key, info.ModTime, before[info.Key].ModTime)
			}
		}
	}
	q.absent(gone)
	q.absent(again)
	if now := q.put(again, "the first that is stored").Version; q.err == nil && now == version {
		q.failf("a value put before the last Close, and deleted, and another one put after it have the Version %q", now)
	}
	q.remove(again)
	q.lists(gone.Shelf, backend.ListOptions{}, "a", "a/b/c", "big", "empty")
	q.lists(e.Shelf("other"), backend.ListOptions{}, "new")
	if now := q.epoch(e.mark + "last-close"); q.err == nil && epoch > 0 && now <= epoch {
		q.failf("after the last Close and an Open a lease has epoch %d, and had %d before", now, epoch)
	}
	return q.err
}

// epoch takes a lease, gives it up and returns its epoch; 0 where the backend grants none itself.
func (p *probe) epoch(name string) uint64 {
	if !has[backend.Leaser](p.b) || p.err != nil {
		return 0
	}
	l := p.acquire(name, time.Minute)
	if err := l.Release(p.ctx); err != nil {
		p.failf("Release of %q: %w", name, err)
	}
	return l.Epoch()
}

func steadyLimits(ctx context.Context, e *Env) error {
	p, q := e.handle(ctx), e.open(ctx)
	p.put(e.key("s", "a"), "1")
	for _, b := range []backend.Backend{p.b, q.b} {
		if got := backend.LimitsOf(b); got != e.Limits {
			p.failf("Limits = %+v, and were %+v", got, e.Limits)
		}
	}
	if e.Limits.MaxValue < 0 {
		p.failf("MaxValue = %d", e.Limits.MaxValue)
	}
	return errors.Join(p.err, q.err)
}

// close closes the handle.
func (p *probe) close() {
	if p.err != nil {
		return
	}
	if err := p.b.Close(); err != nil {
		p.failf("Close: %w", err)
	}
}

func closeTwice(ctx context.Context, e *Env) error {
	p := e.open(ctx)
	p.put(e.key("s", "a"), "1")
	for range 3 {
		p.close()
	}
	for range e.pick(4, 20, 200) { // and by several at once
		q := e.open(ctx)
		if err := errors.Join(p.err, q.err); err != nil {
			return err
		}
		if err := crowd(4, func(int) error { return q.b.Close() }); err != nil {
			return fmt.Errorf("Close by several at once: %w", err)
		}
	}
	return p.err
}

func closed(ctx context.Context, e *Env) error {
	key, other := e.key("s", "a"), e.key("s", "b")
	p, q := e.handle(ctx), e.open(ctx)
	q.put(key, "1")
	q.absent(other)
	for _, c := range calls(q.b, key, other) { // so that the handle knows what it could answer from memory
		if c.reads() {
			if err := c.do(ctx); err != nil {
				q.failf("%s: %w", c.name, err)
			}
		}
	}
	seq := q.b.List(ctx, key.Shelf, backend.ListOptions{})
	q.close()
	if q.err != nil {
		return q.err
	}
	for _, c := range calls(q.b, key, other) {
		q.fails(c.name+" after Close", c.do(ctx), backend.ErrClosed)
	}
	_, err := collect(seq)
	q.fails("ranging after Close over what List returned before", err, backend.ErrClosed)
	never := e.Shelf("never")
	_, err = collect(q.b.List(ctx, never, backend.ListOptions{}))
	q.fails("List of an empty shelf after Close", err, backend.ErrClosed)
	_, err = collect(q.b.Shelves(ctx, backend.ListOptions{Prefix: never}))
	q.fails("Shelves, of which there are none, after Close", err, backend.ErrClosed)
	if has[backend.Scanner](q.b) {
		_, err = collect(backend.Scan(ctx, q.b, never, backend.ListOptions{}))
		q.fails("Scan of an empty shelf after Close", err, backend.ErrClosed)
	}
	_, err = q.b.Stat(ctx, other)
	q.fails("Stat of an absent key after Close", err, backend.ErrClosed)
	_, _, err = load(ctx, q.b, other)
	q.fails("Get of an absent key after Close", err, backend.ErrClosed)
	if ok, err := e.meets(ctx, SharedPlace); ok {
		p.holds(key, "1")
		p.absent(other)
	} else if err != nil {
		return err
	}
	return errors.Join(p.err, q.err)
}

func closeOthers(ctx context.Context, e *Env) error {
	key := e.key("s", "a")
	p, q := e.open(ctx), e.open(ctx)
	p.put(key, "1")
	q.holds(key, "1")
	for range 4 { // counts once
		p.close()
	}
	q.holds(key, "1")
	for _, c := range calls(q.b, key, e.key("s", "other")) {
		if !c.reads() {
			continue
		}
		if err := c.do(ctx); err != nil {
			q.failf("%s of a handle, after another one was closed: %w", c.name, err)
		}
	}
	q.put(key, "2")
	r := e.open(ctx)
	r.holds(key, "2")
	r.close()
	q.put(key, "3")
	q.holds(key, "3")
	// What others have begun goes on too.
	s, slow, text := e.open(ctx), e.key("s", "slow"), noise(100_000, 1)
	q.put(e.key("s", "z"), text)
	reading := q.body(e.key("s", "z"))
	if err := errors.Join(p.err, q.err, r.err, s.err); err != nil {
		return err
	}
	end := q.waiting([]backend.Key{slow}, func(int) string { return text })
	s.close()
	t := e.open(ctx) // and opening does not tidy up what others write
	if err := end(); err != nil {
		q.failf("a Put of one handle in whose midst another was closed, and a third one opened: %w", err)
	}
	t.holds(slow, text)
	q.holds(slow, text)
	q.same("a body of one handle, read after another was closed", q.readAll(reading), text)
	return errors.Join(q.err, s.err, t.err)
}

func closeBusy(ctx context.Context, e *Env) error {
	const workers, most = 4, 300
	for round := range e.pick(3, 20, 200) {
		q := e.open(ctx)
		if q.err != nil {
			return q.err
		}
		keys := e.keys(fmt.Sprintf("round-%d", round), workers*most)
		acked := make([]atomic.Bool, len(keys))
		atWork := make(chan struct{})
		var begun atomic.Int32
		err := crowd(workers+1, func(w int) error {
			if w == workers { // the one that closes, when the others are at work
				select {
				case <-atWork:
				case <-ctx.Done():
				}
				return q.b.Close()
			}
			for i := w; i < len(keys); i += workers {
				if begun.Add(1) == 3*workers {
					close(atWork)
				}
				if _, err := q.with(ctx).try(keys[i], noise(5000, uint64(i)), backend.PutOptions{}); err != nil {
					break // as it may, now that the handle is closed
				}
				acked[i].Store(true)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("Close beside Puts: %w", err)
		}
		p := e.open(ctx)
		there := map[string]bool{}
		for _, info := range p.list(keys[0].Shelf, backend.ListOptions{}) {
			there[info.Key.Name] = true
		}
		for i, key := range keys {
			switch {
			case there[key.Name]:
				p.holds(key, noise(5000, uint64(i)))
			case acked[i].Load():
				p.failf("the Put of %q succeeded while its handle was being closed, and another handle does not list it", key)
			}
		}
		p.close()
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func closeInPut(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		for _, old := range []string{"", "old"} {
			key, text := e.key("s", fmt.Sprint(n, "-", len(old))), noise(n, 1)
			if old != "" {
				p.put(key, old)
			}
			q := e.open(ctx)
			if err := errors.Join(p.err, q.err); err != nil {
				return err
			}
			end := q.waiting([]backend.Key{key}, func(int) string { return text })
			closed := make(chan error, 1)
			go func() { closed <- q.b.Close() }()
			select {
			case err := <-closed:
				closed <- err
			case <-time.After(100 * time.Millisecond): // it may wait for the Put, and keeps nobody else waiting
				if _, err := q.b.Stat(ctx, e.key("s", "absent")); !errors.Is(err, backend.ErrClosed) && !errors.Is(err, backend.ErrNotFound) {
					p.failf("Stat of an absent key, while Close waits for a Put, = %w", err)
				}
			}
			err := end()
			if cerr := <-closed; cerr != nil {
				return fmt.Errorf("Close beside a Put that waits for its body: %w", cerr)
			}
			if err == nil {
				p.holds(key, text)
				continue
			}
			got, info, gerr := load(ctx, p.b, key)
			switch {
			case errors.Is(gerr, backend.ErrNotFound) && old == "":
			case gerr != nil:
				p.failf("after a Put whose handle was closed Get(%q): %w", key, gerr)
			case got != old && got != text:
				p.failf("after a Put whose handle was closed %q holds %d bytes %s, neither the old value nor the new", key, len(got), clip(got))
			default:
				if err := whole(got, info); err != nil {
					p.failf("after a Put whose handle was closed %q holds %w", key, err)
				}
			}
		}
	}
	return p.err
}

func closeInList(ctx context.Context, e *Env) error {
	keys := e.keys("s", e.byTier(300, 2501, 2501))
	shelf := keys[0].Shelf
	for what, list := range map[string]func(b backend.Backend, step func(error) bool){
		"List": func(b backend.Backend, step func(error) bool) {
			b.List(ctx, shelf, backend.ListOptions{})(func(_ backend.Info, err error) bool { return step(err) })
		},
		"Scan": func(b backend.Backend, step func(error) bool) {
			backend.Scan(ctx, b, shelf, backend.ListOptions{})(func(_ backend.Entry, err error) bool { return step(err) })
		},
	} {
		p := e.open(ctx)
		p.fill(keys)
		if p.err != nil {
			return p.err
		}
		n, failed := 0, error(nil)
		list(p.b, func(err error) bool {
			if failed = err; err != nil {
				return false
			}
			if n++; n == 1 {
				p.close()
			}
			return true
		})
		switch {
		case failed != nil:
			p.fails(what+", its handle closed at the first step,", failed, backend.ErrClosed)
		case n != len(keys):
			p.failf("%s, its handle closed at the first step, stopped without an error after %d of %d entries", what, n, len(keys))
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func closeWithBody(ctx context.Context, e *Env) error {
	key, text := e.key("s", "a"), noise(300_000, 1)
	e.handle(ctx).put(key, text)
	for _, open := range []func(b backend.Backend) (io.ReadCloser, backend.Info, error){
		func(b backend.Backend) (io.ReadCloser, backend.Info, error) { return b.Get(ctx, key) },
		func(b backend.Backend) (io.ReadCloser, backend.Info, error) {
			return backend.GetRange(ctx, b, key, "", 0, -1)
		},
	} {
		p := e.open(ctx)
		p.put(key, text)
		if p.err != nil {
			return p.err
		}
		body, _, err := open(p.b)
		if err != nil {
			return fmt.Errorf("open the body of %q: %w", key, err)
		}
		head := make([]byte, 100)
		if _, err := io.ReadFull(body, head); err != nil {
			p.failf("read the first bytes: %w", err)
		}
		p.close()
		rest, err := io.ReadAll(body)
		body.Close() // what it says about a closed handle is its own affair
		if err == nil {
			p.same("a body read across a Close", string(head)+string(rest), text)
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}
