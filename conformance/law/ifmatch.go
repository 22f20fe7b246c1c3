package law

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What IfMatch promises.
var ifMatchLaws = []Law{
	{
		Name: "if-match/right", Needs: []Need{AtomicIfMatch}, Fn: ifMatchRight,
		Rule: "IfMatch with the present Version stores, whether Put, Get or Stat returned it, and the new Version serves the next one.",
	},
	{
		Name: "if-match/wrong", Needs: []Need{AtomicIfMatch}, Fn: ifMatchWrong,
		Rule: "IfMatch with anything but the present Version, however it looks, is ErrChanged, and changes neither bytes nor Info.",
	},
	{
		Name: "if-match/stale", Needs: []Need{AtomicIfMatch}, Fn: ifMatchStale,
		Rule: "IfMatch with the Version of an earlier value of other bytes is ErrChanged, also when the key was deleted in between.",
	},
	{
		Name: "if-match/equal-bytes", Needs: []Need{AtomicIfMatch}, Fn: ifMatchEqualBytes,
		Rule: "Where two Puts of the same bytes have different Versions, the older one is ErrChanged.",
	},
	{
		Name: "if-match/sizes", Needs: []Need{AtomicIfMatch}, Fn: ifMatchSizes,
		Rule: "IfMatch holds for values of every size, also above those at which a backend sends parts.",
	},
	{
		Name: "if-match/names", Needs: []Need{AtomicIfMatch}, Fn: ifMatchNames,
		Rule: "IfMatch holds for names and shelves of every length and depth, and with all the Meta that there may be.",
	},
	{
		Name: "if-match/absent", Needs: []Need{AtomicIfMatch}, Fn: ifMatchAbsent,
		Rule: "IfMatch under a key that holds nothing, or no longer does, is ErrChanged, and creates nothing.",
	},
	{
		Name: "if-match/race", Needs: []Need{AtomicIfMatch}, Fn: ifMatchRace,
		Rule: "Of 16 writers that race with one Version on one handle exactly one wins, the others get ErrChanged, and the winner's value stays.",
	},
	{
		Name: "if-match/race-handles", Needs: []Need{AtomicIfMatch, SharedPlace}, Fn: ifMatchRaceHandles,
		Rule: "Of 16 writers that race with one Version, each on its own handle, exactly one wins, the others get ErrChanged, and the winner's value stays.",
	},
	{
		Name: "if-match/counter", Needs: []Need{AtomicIfMatch, SharedPlace}, Fn: ifMatchCounter,
		Rule: "A counter that several handles raise by reading it and storing IfMatch loses no step.",
	},
	{
		Name: "if-match/race-delete", Needs: []Need{AtomicIfMatch}, Fn: ifMatchRaceDelete,
		Rule: "IfMatch that races a Delete never brings the value back: it comes first, or it is ErrChanged.",
	},
	{
		Name: "if-match/refused", Needs: []Need{NoIfMatch}, Fn: ifMatchRefused,
		Rule: "A backend that does not promise an atomic IfMatch refuses it with errors.ErrUnsupported, and stores nothing.",
	},
}

func matching(version string) backend.PutOptions { return backend.PutOptions{IfMatch: version} }

func ifMatchRight(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key("s", fmt.Sprint(n))
		version := p.put(key, noise(n, 0)).Version
		for i := range 9 {
			text := noise(n+i%3, uint64(i+1))
			put := p.putWith(key, text, backend.PutOptions{IfMatch: version, Meta: backend.Meta{"i": fmt.Sprint(i)}})
			got := p.holds(key, text)
			p.sameMeta("Get after a Put that matched", got.Meta, backend.Meta{"i": fmt.Sprint(i)})
			if put.Version == version {
				p.failf("a Put of other bytes kept the Version %q", version)
			}
			version = []string{put.Version, got.Version, p.stat(key).Version}[i%3]
		}
	}
	return p.err
}

func ifMatchWrong(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key, other := e.key("s", fmt.Sprint(n)), e.key("s", fmt.Sprintf("%d-other", n))
		for i := range 12 { // a Version that is a number has two digits then
			p.put(other, fmt.Sprintf("another value, %d", i))
		}
		before := p.putWith(key, noise(n, 1), backend.PutOptions{Meta: backend.Meta{"codec": "old"}})
		now := before.Version
		for _, version := range []string{"*", "0", "-1", "none", `""`, `"*"`, "W/" + now, now + "x", now + " ", " " + now, `"` + now + `"`, now + "," + now, now + ", none", "none, " + now,
			now[:max(0, len(now)-1)], now[min(1, len(now)):], "0" + now, now + ".0", "+" + now, strings.ToUpper(now), strings.ToLower(now), now[:min(1, len(now))] + strings.ToUpper(now[min(1, len(now)):]), p.stat(other).Version} {
			if version == now || version == "" {
				continue
			}
			p.refused(key, "new", backend.PutOptions{IfMatch: version, Meta: backend.Meta{"codec": "new"}}, backend.ErrChanged)
			p.unchanged(key, noise(n, 1), before)
		}
	}
	return p.err
}

func ifMatchStale(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key("s", fmt.Sprint(n))
		var old []string
		for i := range 4 {
			if i == 2 {
				p.remove(key)
			}
			now := p.put(key, noise(n, uint64(i)))
			for _, version := range old {
				p.refused(key, "new", matching(version), backend.ErrChanged)
			}
			p.unchanged(key, noise(n, uint64(i)), now)
			old = append(old, now.Version)
		}
	}
	return p.err
}

func ifMatchAbsent(ctx context.Context, e *Env) error {
	p, key, never := e.handle(ctx), e.key("s", "a"), e.key("s", "never")
	version := p.put(key, "old").Version
	p.remove(key)
	for _, v := range []string{version, "none", "0", "*"} {
		p.refused(key, "old", matching(v), backend.ErrChanged)
		p.refused(never, "new", matching(v), backend.ErrChanged)
	}
	p.absent(key)
	p.absent(never)
	p.lists(key.Shelf, backend.ListOptions{})
	return p.err
}

func ifMatchRace(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	handles := make([]*probe, racers)
	for i := range handles {
		handles[i] = p
	}
	return e.raceToChange(ctx, handles)
}

func ifMatchRaceHandles(ctx context.Context, e *Env) error {
	handles, err := e.several(ctx, racers)
	if err != nil {
		return err
	}
	return e.raceToChange(ctx, handles)
}

// raceToChange lets the handles race from version to version of one key.
func (e *Env) raceToChange(ctx context.Context, handles []*probe) error {
	key := e.key("s", "a")
	first := handles[0].with(ctx)
	version := first.put(key, "first").Version
	if first.err != nil {
		return first.err
	}
	for round := range e.rounds() {
		n := someSizes[round%2] / 10
		text := func(i int) string { return fmt.Sprintf("%04d %02d ", round, i) + noise(n, 1) }
		errs := make([]error, len(handles))
		infos := make([]backend.Info, len(handles))
		if err := crowd(len(handles), func(i int) error {
			q := handles[i].with(ctx)
			put := q.try
			if round%4 > 1 {
				put = q.dawdle
			}
			infos[i], errs[i] = put(key, text(i), matching(version))
			return nil
		}); err != nil {
			return err
		}
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				return fmt.Errorf("round %d: writers %d and %d both replaced the Version %q", round, winner, i, version)
			case err == nil:
				winner = i
			case !errors.Is(err, backend.ErrChanged):
				return fmt.Errorf("round %d: writer %d got %w, want success or ErrChanged", round, i, err)
			}
		}
		if winner < 0 {
			return fmt.Errorf("round %d: none of %d writers replaced the Version %q", round, len(handles), version)
		}
		last := handles[len(handles)-1].with(ctx)
		got := last.holds(key, text(winner))
		if last.err != nil {
			return fmt.Errorf("round %d, won by writer %d: %w", round, winner, last.err)
		}
		if version = infos[winner].Version; got.Version != version {
			return fmt.Errorf("round %d: Get returns Version %q, and the winning Put returned %q", round, got.Version, version)
		}
	}
	return nil
}

func ifMatchCounter(ctx context.Context, e *Env) error {
	const workers = 8
	steps := e.pick(8, 40, 500)
	key := e.key("s", "counter")
	handles, err := e.several(ctx, workers)
	if err != nil {
		return err
	}
	p := e.handle(ctx)
	p.put(key, "0 nobody")
	if p.err != nil {
		return p.err
	}
	if err := crowd(workers, func(w int) error {
		q := handles[w].with(ctx)
		for step := range steps {
			if err := raise(q, key, fmt.Sprintf("%d.%d", w, step)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	text, _ := p.get(key)
	want, unknown := workers*steps, int(e.unknown.Load())
	if got, _ := count(text); p.err == nil && (got < want || got > want+unknown) {
		p.failf("%d handles raised a counter %d times each, and it says %d, want %d", workers, steps, got, workers*steps)
	}
	return p.err
}

// raise adds one to the counter under key, as often as it takes. The nonce makes the
// bytes those of nobody else, as a Version asks for.
func raise(p *probe, key backend.Key, nonce string) error {
	for p.err == nil {
		text, info := p.current(key)
		n, err := count(text)
		runtime.Gosched() // let others come in between
		if err != nil {
			p.failf("the counter holds %s: %w", clip(text), err)
			break
		}
		_, err = p.try(key, fmt.Sprintf("%d %s", n+1, nonce), matching(info.Version))
		if err == nil {
			return nil
		}
		p.fails("Put of a counter", err, backend.ErrChanged)
		pause() // another was quicker, and is to get on
	}
	return p.err
}

// count reads the number at the beginning of a counter.
func count(text string) (int, error) {
	for i := range len(text) {
		if text[i] == ' ' {
			return strconv.Atoi(text[:i])
		}
	}
	return 0, errors.New("no number")
}

func ifMatchRaceDelete(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for round := range e.rounds() {
		key := e.key("s", fmt.Sprintf("%04d", round))
		version := p.put(key, "old").Version
		if p.err != nil {
			return p.err
		}
		var put, deleted error
		if err := crowd(2, func(i int) error {
			q := p.with(ctx)
			if i == 0 {
				deleted = q.b.Delete(ctx, key)
			} else {
				_, put = q.try(key, "new", matching(version))
			}
			return nil
		}); err != nil {
			return err
		}
		if deleted != nil {
			p.failf("Delete(%q) beside a Put: %w", key, deleted)
		}
		if put != nil {
			p.fails("Put(IfMatch) beside a Delete", put, backend.ErrChanged)
		}
		p.absent(key) // the Delete came last, or the Put had nothing to match
	}
	return p.err
}

func ifMatchRefused(ctx context.Context, e *Env) error {
	p, absent, old := e.handle(ctx), e.key("s", "absent"), e.key("s", "old")
	before := p.put(old, "old")
	for _, version := range []string{before.Version, "none"} {
		p.refused(absent, "new", matching(version), errors.ErrUnsupported)
		p.refused(old, "new", matching(version), errors.ErrUnsupported)
	}
	p.absent(absent)
	p.unchanged(old, "old", before)
	p.lists(old.Shelf, backend.ListOptions{}, "old")
	return p.err
}
