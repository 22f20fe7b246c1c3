package law

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing/iotest"

	"github.com/larder-store/larder/backend"
)

// What Get and Stat answer.
var getLaws = []Law{
	{
		Name: "get/absent", Fn: absentKeys,
		Rule: "Get and Stat of a key that holds nothing are ErrNotFound, which is fs.ErrNotExist, whatever holds something near by.",
	},
	{
		Name: "get/reader", Fn: bodyIsReader,
		Rule: "A body is a well-behaved io.Reader, whatever the sizes of the reads; its last bytes may come together with io.EOF.",
	},
	{
		Name: "get/rest", Fn: restOfBody,
		Rule: "After a body was read in part, io.Copy and WriteTo deliver the rest of it, and then nothing.",
	},
	{
		Name: "get/closed-early", Fn: closedEarly,
		Rule: "A body that was read in part, or not at all, and closed, holds nothing back: neither a connection nor a lock.",
	},
	{
		Name: "get/close-twice", Fn: bodyClosedTwice,
		Rule: "Closing a body twice does no harm to other bodies and calls.",
	},
	{
		Name: "get/many-open", Fn: manyOpen,
		Rule: "Several bodies may be open at once, beside other calls, in one goroutine.",
	},
	{
		Name: "get/owned", Fn: ownedBytes,
		Rule: "The bytes that a body delivers belong to the caller: changing them changes no value and no other body.",
	},
	{
		Name: "get/snapshot-overwrite", Fn: snapshotOverwrite,
		Rule: "A body that is open while its key is overwritten is read whole as it was, or reading fails: never a mix.",
	},
	{
		Name: "get/snapshot-delete", Fn: snapshotDelete,
		Rule: "A body that is open while its key is deleted is read whole as it was, or reading fails: never a part that looks whole.",
	},
}

func absentKeys(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "a/b"), "1")
	p.put(e.key("s", "ab"), "2")
	p.put(e.key("t", "x"), "3")
	for _, key := range []backend.Key{
		e.key("s", "a"), e.key("s", "a/b/c"), e.key("s", "a/bc"), e.key("s", "b"), e.key("s", "x"), e.key("s", "abc"),
		e.key("none", "a"), e.key("none", "a/b"), e.key("t", "a/b"),
	} {
		p.absent(key)
		if _, err := p.b.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			p.failf("Stat(%q) = error %s, want one that matches fs.ErrNotExist", key, quoted(err))
		}
	}
	return p.err
}

func bodyIsReader(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{0, 1}, someSizes...) {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		p.put(key, text)
		for name, odd := range map[string]func(io.Reader) io.Reader{
			"byte by byte": iotest.OneByteReader,
			"in halves":    iotest.HalfReader,
		} {
			body := p.body(key)
			got, err := io.ReadAll(odd(body))
			if err != nil {
				p.failf("read the body %s: %w", name, err)
			}
			p.same("the body read "+name, string(got), text)
			if n, err := body.Read(make([]byte, 1)); p.err == nil && (n != 0 || err != io.EOF) {
				p.failf("a Read at the body's end = %d, %v, want 0, EOF", n, err)
			}
			body.Close()
		}
		body := p.body(key)
		if got, err := body.Read(nil); got != 0 || err != nil && (err != io.EOF || n > 0) {
			p.failf("a Read of nothing, ahead of %d bytes, = %d, %v, want 0 and no error", n, got, err)
		}
		p.same("the body after a Read of nothing", p.readAll(body), text)
		var copied bytes.Buffer
		body = p.body(key)
		if _, err := io.Copy(&copied, body); err != nil {
			p.failf("io.Copy of the body: %w", err)
		}
		p.same("io.Copy of the body", copied.String(), text)
		body.Close()
	}
	return p.err
}

func closedEarly(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		p.put(key, text)
		// More often than any pool has connections.
		for i := range e.pick(100, 300, 3000) {
			body := p.body(key)
			if i%2 == 1 {
				if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
					p.failf("read the first bytes: %w", err)
				}
			}
			if err := body.Close(); err != nil {
				p.failf("close a body that was not read to its end: %w", err)
			}
		}
		p.holds(key, text)
		p.put(key, "new")
		p.holds(key, "new")
	}
	return p.err
}

func bodyClosedTwice(ctx context.Context, e *Env) error {
	key, other, p := e.key("s", "a"), e.key("s", "b"), e.handle(ctx)
	text, different := noise(200_000, 1), noise(200_000, 2)
	p.put(key, text)
	p.put(other, different)
	for range 10 {
		first := p.body(key)
		first.Close()
		second := p.body(key)
		first.Close() // what it returns is its own affair
		third := p.body(other)
		got, err := io.ReadAll(third)
		if err != nil {
			p.failf("read a body beside one that was closed twice: %w", err)
		}
		p.same("a body opened after another was closed twice", string(got), different)
		p.same("a body that was open while another was closed twice", p.readAll(second), text)
		third.Close()
	}
	return p.err
}

func manyOpen(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	const n = 5 // more than the connections of the smallest pool
	var bodies []io.ReadCloser
	for i := range n {
		key := e.key("s", fmt.Sprint(i))
		p.put(key, noise(200_000, uint64(i)))
		body := p.body(key)
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
			p.failf("read the first byte: %w", err)
		}
		bodies = append(bodies, body)
	}
	p.put(e.key("s", "beside"), "1")
	p.remove(e.key("s", "beside"))
	p.lists(e.Shelf("s"), backend.ListOptions{}, "0", "1", "2", "3", "4")
	for i, body := range bodies {
		p.same("a body that stayed open", p.readAll(body), noise(200_000, uint64(i))[1:])
	}
	return p.err
}

// taker is what gives its bytes without a copy, as [backend.Body] does.
type taker interface{ Take() []byte }

func ownedBytes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		p.put(key, text)
		p.put(e.key("s", "others"), noise(n, 2))
		for range 2 {
			beside := p.body(key)
			body := p.body(key)
			var mine []byte
			if t, ok := body.(taker); ok {
				mine = t.Take()
			} else {
				mine, _ = io.ReadAll(body)
			}
			p.same("the body", string(mine), text)
			body.Close()
			for range e.pick(40, 140, 1000) { // however many buffers take turns
				p.holds(e.key("s", "others"), noise(n, 2))
			}
			p.same("the bytes that a body delivered, after others were read", string(mine), text)
			clear(mine)
			p.same("a body that was open while the caller changed the bytes of another", p.readAll(beside), text)
			p.holds(key, text)
		}
	}
	return p.err
}

func snapshotOverwrite(ctx context.Context, e *Env) error {
	return e.snapshot(ctx, func(p *probe, key backend.Key, n int) {
		p.put(key, noise(n, 2))
		p.holds(key, noise(n, 2))
		p.put(key, noise(n/2, 3))
		p.put(key, noise(n, 4))
	})
}

func snapshotDelete(ctx context.Context, e *Env) error {
	return e.snapshot(ctx, func(p *probe, key backend.Key, _ int) {
		p.remove(key)
		p.absent(key)
	})
}

// snapshot opens bodies, changes their key, and reads on.
func (e *Env) snapshot(ctx context.Context, change func(p *probe, key backend.Key, n int)) error {
	p := e.handle(ctx)
	for _, n := range append([]int{e.bulk()}, someSizes...) {
		for _, head := range []int{0, 1, n / 2} {
			key, text := e.key("s", fmt.Sprintf("%d-%d", n, head)), noise(n, 1)
			p.put(key, text)
			body := p.body(key)
			got := make([]byte, head)
			if _, err := io.ReadFull(body, got); err != nil {
				p.failf("read the first bytes: %w", err)
			}
			change(p, key, n)
			rest, err := io.ReadAll(body)
			body.Close()
			if err == nil {
				p.same(fmt.Sprintf("a body of which %d bytes were read before its key changed", head), string(got)+string(rest), text)
			}
		}
	}
	return p.err
}
