package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// What IfAbsent promises.
var ifAbsentLaws = []Law{
	{
		Name: "if-absent/creates", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentCreates,
		Rule: "IfAbsent stores under a key that holds nothing, also one that was deleted.",
	},
	{
		Name: "if-absent/exists", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentExists,
		Rule: "IfAbsent under a key that holds a value, even an empty one, is ErrExists, and changes neither bytes nor Info.",
	},
	{
		Name: "if-absent/sizes", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentSizes,
		Rule: "IfAbsent holds for values of every size, also above those at which a backend sends parts.",
	},
	{
		Name: "if-absent/names", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentNames,
		Rule: "IfAbsent holds for names and shelves of every length and depth, and with all the Meta that there may be.",
	},
	{
		Name: "if-absent/failed", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentFailed,
		Rule: "A Put with IfAbsent that failed reserves nothing: the next one creates the key. One that was cancelled stored the value, or reserves nothing either.",
	},
	{
		Name: "if-absent/waits", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentWaits,
		Rule: "A Put with IfAbsent that waits for its body reserves nothing: another one creates the key meanwhile, and it is the first that gets ErrExists.",
	},
	{
		Name: "if-absent/seen", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentSeen,
		Rule: "IfAbsent asks the place: a key that the handle found absent before, and another one has created, exists.",
	},
	{
		Name: "if-absent/apart", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentApart,
		Rule: "IfAbsent under different keys succeeds for each, however many come at once, also for one name on many shelves.",
	},
	{
		Name: "if-absent/race", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentRace,
		Rule: "Of 16 writers that race with IfAbsent on one handle exactly one wins, the others get ErrExists, and the winner's value stays.",
	},
	{
		Name: "if-absent/race-handles", Needs: []Need{AtomicIfAbsent, SharedPlace}, Fn: ifAbsentRaceHandles,
		Rule: "Of 16 writers that race with IfAbsent, each on its own handle, exactly one wins, the others get ErrExists, and the winner's value stays.",
	},
	{
		Name: "if-absent/race-delete", Needs: []Need{AtomicIfAbsent}, Fn: ifAbsentRaceDelete,
		Rule: "IfAbsent beside Deletes succeeds at most once between two Deletes.",
	},
	{
		Name: "if-absent/refused", Needs: []Need{NoIfAbsent}, Fn: ifAbsentRefused,
		Rule: "A backend that does not promise an atomic IfAbsent refuses it with errors.ErrUnsupported, and stores nothing.",
	},
}

var onlyNew = backend.PutOptions{IfAbsent: true}

func ifAbsentCreates(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key("s", fmt.Sprint(n))
		p.putWith(key, noise(n, 1), onlyNew)
		p.holds(key, noise(n, 1))
		for i := range 3 {
			p.remove(key)
			p.putWith(key, noise(n, uint64(i)), onlyNew)
			p.holds(key, noise(n, uint64(i)))
		}
	}
	p.putWith(e.key("s", "near/by"), "1", onlyNew)
	p.putWith(e.key("s", "near"), "2", onlyNew)
	p.putWith(e.key("t", "near"), "3", onlyNew)
	return p.err
}

func ifAbsentExists(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, old := range []string{"", "old", noise(200_000, 1)} {
		for _, text := range []string{old, "other", noise(200_000, 2)} {
			key := e.key("s", fmt.Sprintf("%d-%d", len(old), len(text)))
			before := p.putWith(key, old, backend.PutOptions{Meta: backend.Meta{"codec": "old"}})
			p.refused(key, text, backend.PutOptions{IfAbsent: true, Meta: backend.Meta{"codec": "new"}}, backend.ErrExists)
			p.unchanged(key, old, before)
		}
	}
	return p.err
}

// unchanged wants text under key, with the Info that its Put returned.
func (p *probe) unchanged(key backend.Key, text string, before backend.Info) {
	for what, info := range map[string]backend.Info{"Get": p.holds(key, text), "Stat": p.stat(key)} {
		if info.Version != before.Version {
			p.failf("after a refused Put %s(%q) has Version %q, and before it was %q", what, key, info.Version, before.Version)
		}
		p.sameMeta(what+" after a refused Put", info.Meta, before.Meta)
	}
}

func ifAbsentWaits(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	for _, n := range someSizes {
		for i, h := range []*probe{p, q} {
			key := e.key("s", fmt.Sprintf("%d-%d", n, i))
			end := p.waitingWith([]backend.Key{key}, func(int) string { return noise(n, 1) }, onlyNew)
			h.putWith(key, noise(n, 2), onlyNew)
			p.fails("Put with IfAbsent, of a key that another one created while it waited for its body,", end(), backend.ErrExists)
			h.holds(key, noise(n, 2))
		}
	}
	return errors.Join(p.err, q.err)
}

func ifAbsentSeen(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	for _, n := range someSizes {
		key := e.key("s", fmt.Sprint(n))
		p.absent(key)
		p.asked([]backend.Key{key})
		q.put(key, "created by another")
		p.refused(key, noise(n, 1), onlyNew, backend.ErrExists)
		p.holds(key, "created by another")
		p.remove(key) // and what it found there may be gone
		p.putWith(key, noise(n, 2), onlyNew)
		q.remove(key)
		p.putWith(key, noise(n, 3), onlyNew)
		p.holds(key, noise(n, 3))
	}
	return errors.Join(p.err, q.err)
}

const racers = 16

func ifAbsentRace(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	if p.err != nil {
		return p.err
	}
	handles := make([]*probe, racers)
	for i := range handles {
		handles[i] = p
	}
	return e.raceToCreate(ctx, handles)
}

func ifAbsentRaceHandles(ctx context.Context, e *Env) error {
	handles, err := e.several(ctx, racers)
	if err != nil {
		return err
	}
	return e.raceToCreate(ctx, handles)
}

// several opens n handles.
func (e *Env) several(ctx context.Context, n int) ([]*probe, error) {
	handles := make([]*probe, n)
	for i := range handles {
		if handles[i] = e.open(ctx); handles[i].err != nil {
			return nil, handles[i].err
		}
	}
	return handles, nil
}

// rounds is how many races are run: a backend that checks first and writes later loses
// some in a hundred.
func (e *Env) rounds() int {
	return e.pick(10, 100, 3000)
}

// raceToCreate lets the handles race for a key in many rounds.
func (e *Env) raceToCreate(ctx context.Context, handles []*probe) error {
	for round := range e.rounds() {
		key := e.key("race", fmt.Sprintf("%04d", round))
		n := someSizes[round%2] / 10
		errs := make([]error, len(handles))
		if err := crowd(len(handles), func(i int) error {
			q := handles[i].with(ctx)
			put := q.try
			if round%4 > 1 {
				put = q.dawdle
			}
			_, errs[i] = put(key, noise(n, uint64(i)), onlyNew)
			return nil
		}); err != nil {
			return err
		}
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				return fmt.Errorf("round %d: two of %d writers created %q, number %d and number %d", round, len(handles), key, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, backend.ErrExists):
				return fmt.Errorf("round %d: writer %d of %d on %q got %w, want success or ErrExists", round, i, len(handles), key, err)
			}
		}
		if winner < 0 {
			return fmt.Errorf("round %d: none of %d writers created %q", round, len(handles), key)
		}
		last := handles[len(handles)-1].with(ctx)
		last.holds(key, noise(n, uint64(winner)))
		if last.err != nil {
			return fmt.Errorf("round %d, won by writer %d: %w", round, winner, last.err)
		}
	}
	last := handles[len(handles)-1].with(ctx)
	if got := last.list(e.Shelf("race"), backend.ListOptions{}); last.err == nil && len(got) != e.rounds() {
		last.failf("after %d races List yields %d entries", e.rounds(), len(got))
	}
	return last.err
}

func ifAbsentRaceDelete(ctx context.Context, e *Env) error {
	const creators = 4
	p, key := e.handle(ctx), e.key("s", "a")
	var created atomic.Int32
	var done atomic.Bool
	deletes := e.rounds()
	if err := crowd(creators+1, func(i int) error {
		q := p.with(ctx)
		if i == creators {
			defer done.Store(true)
			return q.removeSeen(key, deletes)
		}
		for step := 0; !done.Load() && q.err == nil; step++ {
			_, err := q.try(key, fmt.Sprintf("%d %d", i, step), onlyNew)
			switch {
			case err == nil:
				created.Add(1)
			case !errors.Is(err, backend.ErrExists):
				q.failf("Put(%q, IfAbsent) beside Deletes: %w", key, err)
			}
			pause()
		}
		return q.err
	}); err != nil {
		return err
	}
	n, unknown := int(created.Load()), int(e.unknown.Load())
	if p.err == nil && (n+unknown < deletes || n > deletes+1) {
		p.failf("%q was created %d times beside %d Deletes of what was seen there", key, n, deletes)
	}
	return p.err
}

// removeSeen deletes key so many times, each time after it saw a value there and gave
// others a moment to store a second one.
func (p *probe) removeSeen(key backend.Key, times int) error {
	for n := 0; n < times && p.err == nil && p.ctx.Err() == nil; {
		if _, err := p.b.Stat(p.ctx, key); err != nil {
			pause()
			continue
		}
		time.Sleep(2 * time.Millisecond)
		p.remove(key)
		n++
	}
	return errors.Join(p.err, p.ctx.Err())
}

func ifAbsentRefused(ctx context.Context, e *Env) error {
	p, absent, old := e.handle(ctx), e.key("s", "absent"), e.key("s", "old")
	before := p.put(old, "old")
	p.refused(absent, "new", onlyNew, errors.ErrUnsupported)
	p.refused(old, "new", onlyNew, errors.ErrUnsupported)
	p.absent(absent)
	p.unchanged(old, "old", before)
	p.lists(old.Shelf, backend.ListOptions{}, "old")
	return p.err
}

func ifAbsentFailed(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		text := noise(n, 1)
		for name, body := range map[string]func() io.ReadSeeker{
			"short":  func() io.ReadSeeker { return strings.NewReader(text[1:]) },
			"long":   func() io.ReadSeeker { return strings.NewReader(text + "x") },
			"broken": func() io.ReadSeeker { return failing(text, int64(n)/2) },
		} {
			key := e.key("s", fmt.Sprintf("%s-%d", name, n))
			for range 2 {
				if _, err := p.b.Put(ctx, key, body(), filled(text, onlyNew)); err == nil {
					p.failf("Put(IfAbsent) of a %s body succeeds", name)
				}
			}
			p.putWith(key, text, onlyNew)
			p.holds(key, text)
		}
	}
	// One that was cancelled took effect or not: if not, the key is free.
	for _, n := range someSizes {
		key, text := e.key("s", fmt.Sprintf("cancelled-%d", n)), noise(n, 1)
		limited, cancel := context.WithCancel(ctx)
		body := newBody(text)
		body.at, body.hook = int64(n)/2, func() error { cancel(); return nil }
		p.b.Put(limited, key, body, filled(text, onlyNew))
		cancel()
		if _, err := p.try(key, text, onlyNew); err != nil {
			p.fails("Put(IfAbsent) after one that was cancelled", err, backend.ErrExists)
		}
		p.holds(key, text)
	}
	return p.err
}

func ifAbsentApart(ctx context.Context, e *Env) error {
	crew, err := e.crew(ctx, racers)
	if err != nil {
		return err
	}
	for round := range e.rounds() {
		name, n := fmt.Sprintf("a/%04d", round), someSizes[round%2]/10
		if err := crowd(racers, func(i int) error {
			p := crew[i].with(ctx)
			key := e.key(fmt.Sprintf("s-%02d", i), name)
			if i%4 == 3 {
				key = e.key("s-00", fmt.Sprintf("%s/%d", name, i)) // below a name of another
			}
			p.putWith(key, noise(n, uint64(i)), onlyNew)
			p.holds(key, noise(n, uint64(i)))
			return p.err
		}); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	// All at once, for certain: each waits in the midst of its body until all do.
	p, keys := crew[0].with(ctx), e.keys("waiting", racers)
	if err := p.waitingWith(keys, func(i int) string { return noise(1000, uint64(i)) }, onlyNew)(); err != nil {
		return fmt.Errorf("of %d Puts that create different keys at once: %w", racers, err)
	}
	for i, key := range keys {
		p.holds(key, noise(1000, uint64(i)))
	}
	return p.err
}
