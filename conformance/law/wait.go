package law

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// waiting starts Puts under the keys, each of which waits in the midst of its body, and returns when
// all do. End lets them go on and returns the first error.
func (p *probe) waiting(keys []backend.Key, text func(i int) string) (end func() error) {
	return p.waitingWith(keys, text, backend.PutOptions{})
}

// waitingWith is waiting for Puts with options, each with a Meta of its own.
func (p *probe) waitingWith(keys []backend.Key, text func(i int) string, opts backend.PutOptions) (end func() error) {
	ctx, cancel := context.WithCancel(p.ctx)
	gate := make(chan struct{})
	errs := make([]error, len(keys))
	var all, midst sync.WaitGroup
	midst.Add(len(keys))
	for i, key := range keys {
		body := newBody(text(i))
		there := sync.OnceFunc(midst.Done)
		body.at, body.hook = int64(len(text(i))/2), func() error {
			there()
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		all.Go(func() {
			defer there()
			mine := opts
			mine.Meta = waitingMeta(i)
			_, errs[i] = p.b.Put(ctx, key, body, filled(text(i), mine))
		})
	}
	midst.Wait()
	return func() error {
		close(gate)
		all.Wait()
		cancel()
		return errors.Join(errs...)
	}
}

// waitingMeta is the Meta of the i-th Put of waiting.
func waitingMeta(i int) backend.Meta { return backend.Meta{"i": fmt.Sprint(i)} }

func manyWait(ctx context.Context, e *Env) error {
	waiters := e.byTier(24, 48, 200)
	p := e.handle(ctx)
	for _, n := range someSizes {
		text := func(i int) string { return fmt.Sprintf("%d ", i) + noise(n, 1) }
		same, other := e.key(fmt.Sprintf("s-%d", n), "same"), e.key(fmt.Sprintf("s-%d", n), "other")
		var keys []backend.Key
		for i := range waiters {
			keys = append(keys, e.key(same.Shelf[len(e.mark):], fmt.Sprintf("w-%03d", i)))
			if i%4 == 0 {
				keys[i] = same
			}
		}
		p.put(same, "old")
		if p.err != nil {
			return p.err
		}
		end := p.waiting(keys, text)
		for _, key := range []backend.Key{same, other} {
			p.put(key, "small")
			p.holds(key, "small")
			p.put(key, noise(n, 2))
			p.holds(key, noise(n, 2))
			p.stat(key)
			p.putAll([]backend.Item{item(key, "in a batch", backend.PutOptions{}), item(e.key("t", "a"), noise(n, 3), backend.PutOptions{})})
			p.holds(key, "in a batch")
		}
		p.lists(same.Shelf, backend.ListOptions{}, "other", "same")
		p.shelf(same.Shelf, true)
		p.remove(same)
		p.absent(same)
		p.put(same, "seen")
		p.removeSeenAs(same, p.stat(same).Version)
		p.absent(same)
		p.removeAll([]backend.Key{other})
		if err := end(); err != nil {
			p.failf("a Put that waited for its body: %w", err)
		}
		for i, key := range keys {
			if key != same {
				p.sameMeta("Get of a value that was put beside others", p.holds(key, text(i)).Meta, waitingMeta(i))
			}
		}
		got, info := p.get(same)
		if err := whole(got, info); p.err == nil && err != nil {
			p.failf("the key of several Puts that waited holds %w", err)
		}
	}
	return p.err
}

func sweepSpares(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	kept, infos := map[backend.Key]string{}, map[backend.Key]backend.Info{}
	for i, shelf := range []string{"cache", "components", "s", "t-0", "session-1"} {
		for k, name := range []string{"a", "a/b", "a/b/c", "x/y/z/result", fmt.Sprintf("%064x/result", i)} {
			for _, n := range []int{0, 1, 1000, 80_000} {
				key := e.key(shelf, fmt.Sprintf("%s-%d", name, n))
				text := noise(n, uint64(100*i+10*k))
				p.put(key, "old")
				meta := backend.Meta{"n": fmt.Sprint(n)}
				if k%2 == 1 {
					meta = manyMeta()
				}
				p.putWith(key, text, backend.PutOptions{Meta: meta})
				kept[key], infos[key] = text, p.stat(key)
			}
		}
	}
	var odd []backend.Key
	for _, name := range near { // as somebody's temporary files are called, too
		odd = append(odd, e.key("near", name))
	}
	p.fill(odd)
	for _, key := range odd {
		kept[key], infos[key] = key.Name, p.stat(key)
	}
	if e.Tier >= Full { // until times that are stamped anew would show
		if err := moveOn(ctx); err != nil {
			return errors.Join(p.err, err)
		}
	}
	for _, opts := range []backend.SweepOptions{{DryRun: true}, {DryRun: true, Grace: shortest, Compact: true}, {}, {Grace: shortest}, {Grace: shortest, Compact: true}} {
		p.sweep(opts)
		for key, text := range kept {
			p.unchanged(key, text, infos[key])
			if now := p.stat(key); p.err == nil && now.ModTime.Sub(infos[key].ModTime).Abs() >= time.Second {
				p.failf("after Sweep(%+v) %q has the ModTime %v, and before %v", opts, key, now.ModTime, infos[key].ModTime)
			}
		}
		for _, shelf := range []string{"cache", "components", "s", "t-0", "session-1"} {
			if got := p.list(e.Shelf(shelf), backend.ListOptions{}); p.err == nil && len(got) != 20 {
				p.failf("after Sweep(%+v) the shelf %q lists %d entries, want 20", opts, shelf, len(got))
			}
		}
	}
	return p.err
}

func sweepUnfinished(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	for _, n := range someSizes {
		old, absent := e.key("s", fmt.Sprintf("%d-old", n)), e.key("s", fmt.Sprintf("%d-absent", n))
		text := func(i int) string { return fmt.Sprintf("%d ", i) + noise(n, 1) }
		p.put(old, noise(n, 2))
		if p.err != nil {
			return p.err
		}
		end := p.waiting([]backend.Key{old, absent}, text)
		swept := make(chan error, 1)
		sweepers := []*probe{p.with(ctx), q.with(ctx)}
		go func() {
			swept <- crowd(2, func(i int) error {
				sweepers[i].sweep(backend.SweepOptions{Grace: []time.Duration{0, shortest}[i]})
				return sweepers[i].err
			})
		}()
		var serr error
		select {
		case serr = <-swept:
			close(swept)
		case <-time.After(100 * time.Millisecond): // it may wait for the Puts, and delays no other call
		}
		p.holds(old, noise(n, 2))
		p.put(e.key("s", "beside"), noise(n, 3))
		p.holds(e.key("s", "beside"), noise(n, 3))
		if err := end(); err != nil {
			p.failf("a Put that waited for its body during a sweep: %w", err)
		}
		if err := errors.Join(serr, <-swept); err != nil {
			p.failf("a sweep beside Puts that wait for their bodies: %w", err)
		}
		for i, key := range []backend.Key{old, absent} {
			p.holds(key, text(i))
			q.holds(key, text(i))
		}
		p.sweep(backend.SweepOptions{})
		for i, key := range []backend.Key{old, absent} {
			p.holds(key, text(i))
		}
	}
	return errors.Join(p.err, q.err)
}
