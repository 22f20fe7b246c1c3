package law

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

func batchPutBodies(ctx context.Context, e *Env) error {
	p := e.open(ctx)
	var watchers []*fussyBody
	for _, n := range someSizes {
		text := noise(n, 1)
		bodies, done, err := bodiesOf(text)
		if err != nil {
			return err
		}
		var items []backend.Item
		for kind, body := range bodies {
			body.Seek(int64(n)/3, io.SeekStart)
			it := item(e.key("s", fmt.Sprintf("%s-%d", strings.ToLower(strings.Trim(kind, "*")), n)), text, backend.PutOptions{})
			it.Body = body
			items = append(items, it)
		}
		mine := []byte(text)
		reused := item(e.key("s", fmt.Sprintf("reused-%d", n)), text, backend.PutOptions{})
		reused.Body = bytes.NewReader(mine)
		fussy := newBody(text)
		watched := item(e.key("s", fmt.Sprintf("watched-%d", n)), text, backend.PutOptions{})
		watched.Body = fussy
		// While the batch waits for one body, no other call waits.
		fussy.at, fussy.hook = int64(n)/2, func() error {
			q := p.with(ctx)
			q.put(e.key("s", "beside"), text)
			q.holds(e.key("s", "beside"), text)
			q.put(watched.Key, "another")
			q.putAll([]backend.Item{item(e.key("t", "beside"), text, backend.PutOptions{})})
			return q.err
		}
		items = append(items, reused, watched)
		p.putAll(items)
		fussy.over.Store(true)
		clear(mine)
		for _, it := range items {
			p.holds(it.Key, text)
		}
		watchers = append(watchers, fussy)
		if err := done(); err != nil {
			p.failf("PutBatch left a file that cannot be closed: %w", err)
		}
	}
	time.Sleep(20 * time.Millisecond) // what still works in the background gets on,
	p.close()                         // and ends here
	for _, fussy := range watchers {
		if fussy.closed.Load() > 0 {
			p.failf("PutBatch closed a body")
		}
		if fussy.usedLate.Load() > 0 {
			p.failf("PutBatch used a body after it returned")
		}
	}
	return p.err
}

func batchDeleteExact(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	names := []string{"a", "a/b", "a/b/c", "ab", "a-b", "b", "b/a"}
	for _, shelf := range []string{"s", "s-x", "t"} {
		for _, name := range names {
			p.put(e.key(shelf, name), shelf+name)
		}
	}
	p.removeAll([]backend.Key{e.key("s", "a"), e.key("t", "b"), e.key("t", "a/b"), e.key("s-x", "absent")})
	for shelf, want := range map[string][]string{
		"s":   {"a-b", "a/b", "a/b/c", "ab", "b", "b/a"},
		"s-x": {"a", "a-b", "a/b", "a/b/c", "ab", "b", "b/a"},
		"t":   {"a", "a-b", "a/b/c", "ab", "b/a"},
	} {
		p.lists(e.Shelf(shelf), backend.ListOptions{}, want...)
		for _, name := range want {
			p.holds(e.key(shelf, name), shelf+name)
		}
	}
	return p.err
}

func leaseBeside(ctx context.Context, e *Env) error {
	p := e.open(ctx)
	name, key := e.leaseName("a"), e.key("s", "a")
	held := p.acquire(name, longLease)
	q, r := p.with(ctx), p.with(ctx)
	if shared, err := e.sharesPlace(ctx); err != nil {
		return err
	} else if shared {
		r = e.open(ctx)
		q = e.open(ctx)
	}
	for _, n := range someSizes {
		p.put(key, noise(n, 1))
		p.holds(key, noise(n, 1))
		p.body(key).Close()
		p.lists(key.Shelf, backend.ListOptions{}, "a")
		p.remove(key)
		p.absent(key)
	}
	// Calls that are cancelled, as closes the connection of some.
	for _, at := range []int64{0, 500, 1000} {
		limited, cancel := context.WithCancel(ctx)
		body := newBody(noise(1000, 1))
		body.at, body.hook = at, func() error { cancel(); return nil }
		p.b.Put(limited, e.key("s", "cancelled"), body, filled(noise(1000, 1), backend.PutOptions{}))
		p.b.Get(limited, key)
		collect(p.b.List(limited, key.Shelf, backend.ListOptions{}))
		cancel()
	}
	beside := p.acquire(e.leaseName("b"), longLease)
	beside.Release(ctx)
	for _, opts := range []backend.SweepOptions{{}, {Grace: shortest}, {Grace: shortest, Compact: true}} {
		p.sweep(opts)
		q.locked(name)
	}
	if r.b != p.b {
		r.close()
	}
	q.locked(name)
	if err := held.Renew(ctx); err != nil {
		p.failf("Renew, after much else was done: %w", err)
	}
	epoch := held.Epoch()
	held.Release(ctx)
	p.sweep(backend.SweepOptions{Grace: shortest, Compact: true}) // it may remove what no lease needs
	next := q.acquire(name, longLease)
	if p.err == nil && q.err == nil && next.Epoch() <= epoch {
		q.failf("after a sweep the epoch is %d, and before it was %d", next.Epoch(), epoch)
	}
	next.Release(ctx)
	return errors.Join(p.err, q.err, r.err)
}
