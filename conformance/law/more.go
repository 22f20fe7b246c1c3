package law

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/larder-store/larder/backend"
)

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
	return nil
}

func rangeBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	open := func(ctx context.Context, key backend.Key, off, n int64) io.ReadCloser {
		if p.err == nil {
			body, _, err := backend.GetRange(ctx, p.b, key, "", off, n)
			if err == nil {
				return body
			}
			p.failf("GetRange(%q): %w", key, err)
		}
		return io.NopCloser(strings.NewReader(""))
	}
	for _, size := range append([]int{e.bulk()}, someSizes...) {
		text := noise(size, 1)
		want := text[100 : size-100]
		for i, change := range []func(key backend.Key){
			func(key backend.Key) { p.put(key, noise(size, 2)) },
			func(key backend.Key) { p.remove(key) },
			func(backend.Key) {}, // the context ends
		} {
			key := e.key("s", fmt.Sprintf("%d-%d", size, i))
			p.put(key, text)
			limited, cancel := context.WithCancel(ctx)
			body := open(limited, key, 100, int64(len(want)))
			head := make([]byte, 10)
			if _, err := io.ReadFull(body, head); err != nil {
				p.failf("read the first bytes of a range: %w", err)
			}
			if change(key); i == 2 {
				cancel()
			}
			rest, err := io.ReadAll(body)
			if err == nil {
				p.same("a range whose key changed, or whose context ended, after 10 bytes", string(head)+string(rest), want)
			}
			body.Close()
			cancel()
		}
		// What it delivered is the caller's, and what is closed early is free.
		key := e.key("s", fmt.Sprint(size))
		p.put(key, text)
		body := open(ctx, key, 0, -1)
		var mine []byte
		if t, ok := body.(taker); ok {
			mine = t.Take()
		} else {
			mine, _ = io.ReadAll(body)
		}
		body.Close()
		clear(mine)
		p.same("a range after the caller changed the bytes of another", p.readAll(open(ctx, key, 0, -1)), text)
		p.holds(key, text)
		for i := range e.pick(60, 200, 3000) {
			body := open(ctx, key, int64(i), 50)
			if i%2 == 1 {
				body.Read(make([]byte, 10))
			}
			if err := body.Close(); err != nil {
				p.failf("close a range that was not read to its end: %w", err)
			}
		}
		p.put(key, "new")
		p.holds(key, "new")
		if p.err != nil {
			return p.err
		}
	}
	return p.err
}

func batchPutBodies(ctx context.Context, e *Env) error {
	p := e.open(ctx)
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
		// While the batch waits for one body, nobody else waits.
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
		if fussy.closed.Load() > 0 {
			p.failf("PutBatch closed a body")
		}
		if fussy.usedLate.Load() > 0 {
			p.failf("PutBatch used a body after it returned")
		}
		if err := done(); err != nil {
			p.failf("PutBatch left a file that cannot be closed: %w", err)
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
	beside := p.acquire(e.leaseName("b"), longLease)
	beside.Release(ctx)
	p.sweep(backend.SweepOptions{})
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
