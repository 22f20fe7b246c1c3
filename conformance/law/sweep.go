package law

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// What a Sweeper of a backend's own removes.
var sweepLaws = []Law{
	{
		Name: "sweep/keeps", Needs: []Need{Sweeps}, Fn: sweepKeeps,
		Rule: "A sweep removes nothing that can be read, however thorough it is; a body whose value was overwritten or deleted is read whole, or reading fails.",
	},
	{
		Name: "sweep/spares", Needs: []Need{Sweeps}, Fn: sweepSpares,
		Rule: "A sweep leaves every kind of value as it is: empty and large, nested names, any shelf, with its Meta, Version and ModTime.",
	},
	{
		Name: "sweep/unfinished", Waits: true, Needs: []Need{Sweeps}, Fn: sweepUnfinished,
		Rule: "A sweep beside a Put that waits for its body takes nothing from it, however short its Grace; a sweep that waits for the Put keeps no other call waiting.",
	},
	{
		Name: "sweep/beside", Needs: []Need{Sweeps}, Fn: sweepBeside,
		Rule: "A sweep beside Puts, Gets and Deletes takes nothing from them.",
	},
	{
		Name: "sweep/dry-run", Alone: true, Needs: []Need{Sweeps}, Fn: sweepDryRun,
		Rule: "A dry run removes nothing: the next one finds the same, and no more than the sweep after it.",
	},
	{
		Name: "sweep/twice", Alone: true, Needs: []Need{Sweeps}, Fn: sweepTwice,
		Rule: "What a sweep has removed is gone: the next one finds no more of it.",
	},
}

// shortest is a Grace that spares nothing for its youth.
const shortest = time.Nanosecond

func (p *probe) sweep(opts backend.SweepOptions) backend.SweepReport {
	if p.err != nil {
		return backend.SweepReport{}
	}
	report, err := backend.Sweep(p.ctx, p.b, opts)
	if err != nil {
		p.failf("Sweep(%+v): %w", opts, err)
	}
	if r := report; r.Orphans < 0 || r.OrphanBytes < 0 || r.Kept < 0 || r.Dangling < 0 || r.Compacted < 0 {
		p.failf("Sweep(%+v) reports %+v", opts, r)
	}
	return report
}

// litter stores, overwrites, deletes and breaks off, and returns what must be there after it.
func (e *Env) litter(p *probe) map[backend.Key]string {
	kept := map[backend.Key]string{}
	for i := range 12 {
		key := e.key([]string{"cache", "s"}[i%2], fmt.Sprintf("k-%d", i))
		for k, n := range []int{200_000, 100, 200_001} {
			text := noise(n, uint64(10*i+k))
			p.put(key, text)
			kept[key] = text
		}
		broken := e.key("s", fmt.Sprintf("broken-%d", i))
		text := noise(200_000, 1)
		p.b.Put(p.ctx, broken, failing(text, 150_000), filled(text, backend.PutOptions{})) // fails
		if i%3 == 0 {
			p.remove(key)
			delete(kept, key)
		}
	}
	return kept
}

// keeps wants everything to be there, and nothing else.
func (p *probe) keeps(e *Env, kept map[backend.Key]string) {
	n := 0
	for _, shelf := range []string{"cache", "s"} {
		n += len(p.list(e.Shelf(shelf), backend.ListOptions{}))
	}
	if p.err == nil && n != len(kept) {
		p.failf("after a sweep the lists yield %d entries, want %d", n, len(kept))
	}
	for key, text := range kept {
		p.holds(key, text)
	}
}

func sweepKeeps(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	kept := e.litter(p)
	for key, text := range kept {
		body := p.body(key)
		head := make([]byte, 10)
		if _, err := io.ReadFull(body, head); err != nil {
			p.failf("read the first bytes: %w", err)
		}
		p.sweep(backend.SweepOptions{Grace: shortest, Compact: true})
		p.same("a body that is open during a sweep", p.readAll(body), text[10:])
		break
	}
	p.sweptUnder(e)
	for _, opts := range []backend.SweepOptions{{}, {Grace: time.Hour}, {Grace: shortest}, {Grace: shortest, Compact: true}, {Compact: true}} {
		report := p.sweep(opts)
		if p.err == nil && report.Dangling > 0 {
			p.failf("Sweep(%+v) reports %d entries without data, in a place where none were lost", opts, report.Dangling)
		}
		p.keeps(e, kept)
	}
	return p.err
}

// sweptUnder sweeps while values are read that were overwritten and deleted meanwhile: of them nothing need be left.
func (p *probe) sweptUnder(e *Env) {
	for _, n := range someSizes {
		for what, change := range map[string]func(key backend.Key){
			"overwritten": func(key backend.Key) { p.put(key, noise(n, 2)) },
			"deleted":     p.remove,
		} {
			key := e.key("swept-under", what)
			p.put(key, noise(n, 1))
			body := p.body(key)
			head := make([]byte, 10)
			if _, err := io.ReadFull(body, head); err != nil {
				p.failf("read the first bytes: %w", err)
			}
			change(key)
			p.sweep(backend.SweepOptions{Grace: shortest})
			rest, err := io.ReadAll(body)
			if err == nil {
				p.same("a body whose value was "+what+", and swept,", string(head)+string(rest), noise(n, 1))
			}
			body.Close()
		}
	}
}

func sweepBeside(ctx context.Context, e *Env) error {
	const workers = 4
	crew, err := e.crew(ctx, workers+1)
	if err != nil {
		return err
	}
	key := func(w, i int) backend.Key { return e.key("s", fmt.Sprintf("w-%d/%04d", w, i)) }
	text := func(i int) string { return fmt.Sprintf("%d ", i) + noise(someSizes[i%2], uint64(i%2)) }
	var busy, sweeps atomic.Int32
	var made [workers]int
	busy.Store(workers)
	steps := e.pick(15, 80, 2000)
	const atLeast = 3                           // sweeps beside which all of them work
	const alive = 5                             // so many live on until they are looked at again
	crew[workers].sweep(backend.SweepOptions{}) // where nothing is stored yet, which beside writers is a matter of luck
	err = crowd(workers+1, func(w int) error {
		p := crew[w]
		if w == workers {
			defer sweeps.Add(atLeast) // no one waits for one that failed
			for i := 0; busy.Load() > 0 && p.err == nil; i++ {
				p.sweep(backend.SweepOptions{Grace: []time.Duration{0, time.Minute}[i%2], Compact: i%3 == 0})
				sweeps.Add(1)
			}
			return p.err
		}
		defer busy.Add(-1)
		for i := 0; p.err == nil && (i < steps || sweeps.Load() < atLeast); i++ {
			made[w]++
			p.put(key(w, i), text(i))
			p.holds(key(w, i), text(i))
			if i >= alive {
				p.holds(key(w, i-alive), text(i-alive))
				p.remove(key(w, i-alive))
				p.absent(key(w, i-alive))
			}
		}
		return p.err
	})
	if err != nil {
		return err
	}
	p := crew[0]
	for w, n := range made {
		for i := max(0, n-alive); i < n; i++ {
			p.holds(key(w, i), text(i))
		}
	}
	return p.err
}

func sweepDryRun(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	kept := e.litter(p)
	dry := backend.SweepOptions{DryRun: true, Grace: shortest}
	first, second := p.sweep(dry), p.sweep(dry)
	if a, b := first.Orphans+first.Kept, second.Orphans+second.Kept; p.err == nil && a != b {
		p.failf("a dry run finds %+v, and the next one %+v", first, second)
	}
	if first.Compacted > 0 || second.Compacted > 0 {
		p.failf("a dry run without Compact reports %+v", first)
	}
	p.keeps(e, kept)
	swept := p.sweep(backend.SweepOptions{Grace: shortest})
	if said, did := second.Orphans, swept.Orphans+swept.Kept; p.err == nil && said > did {
		p.failf("a dry run finds %+v, and the sweep after it %+v", second, swept)
	}
	p.keeps(e, kept)
	return p.err
}

func sweepTwice(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	kept := e.litter(p)
	p.sweep(backend.SweepOptions{Grace: shortest})
	if report := p.sweep(backend.SweepOptions{Grace: shortest}); p.err == nil && report.Orphans > 0 {
		p.failf("a second sweep finds %+v", report)
	}
	p.keeps(e, kept)
	// And there is room for more.
	key := e.key("s", "more")
	p.put(key, strings.Repeat("more", 50_000))
	p.holds(key, strings.Repeat("more", 50_000))
	return p.err
}
