package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// What a RangeGetter of a backend's own delivers.
var rangeLaws = []Law{
	{
		Name: "range/parts", Needs: []Need{Ranges}, Fn: rangeParts,
		Rule: "A range is the bytes from off on, n of them or as many as there are; none at the end and beyond; n < 0 reads to the end.",
	},
	{
		Name: "range/refused", Needs: []Need{Ranges}, Fn: rangeRefused,
		Rule: "A negative offset is an error, and a range of an absent key ErrNotFound, whatever Version is asked for.",
	},
	{
		Name: "range/version", Needs: []Need{Ranges}, Fn: rangeVersion,
		Rule: "A range asked for by Version is of that Version, or ErrChanged, wherever it begins and though it has no bytes.",
	},
	{
		Name: "range/told", Needs: []Need{Ranges}, Fn: rangeTold,
		Rule: "A range is of the value that is there, though ranges of an earlier one were read: whichever handle overwrote or deleted it, alone or in a batch.",
	},
	{
		Name: "range/body", Needs: []Need{Ranges}, Fn: rangeBody,
		Rule: "The body of a range is like that of Get: a snapshot, the caller's own, whole or an error when its context ends, and closed early it holds nothing back.",
	},
	{
		Name: "range/one-value", Needs: []Need{Ranges}, Fn: rangeOneValue,
		Rule: "Ranges read one by one under one Version while others overwrite are parts of one value.",
	},
}

// part reads a range.
func part(ctx context.Context, b backend.Backend, key backend.Key, version string, off, n int64) (string, backend.Info, error) {
	body, info, err := backend.GetRange(ctx, b, key, version, off, n)
	if err != nil {
		return "", info, err
	}
	text, err := io.ReadAll(body)
	return string(text), info, errors.Join(err, body.Close())
}

func rangeParts(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	borders := []int64{4096, 8192, 32 << 10, 64 << 10} // of pages and buffers
	for _, size := range append([]int{0, 1}, someSizes...) {
		key, text := e.key("s", fmt.Sprint(size)), noise(size, 1)
		put := p.putWith(key, text, backend.PutOptions{Meta: backend.Meta{"codec": "raw"}})
		s := int64(size)
		offs, ns := []int64{0, 1, s / 2, s - 1, s, s + 1, s + 1000, 1 << 40, 1 << 62, 1<<63 - 1}, []int64{-1, -2, -7, -1 << 63, 0, 1, 2, s / 3, s - 1, s, s + 1, 1 << 40, 1<<63 - 1}
		for _, b := range borders {
			if b < s {
				offs, ns = append(offs, b-1, b, b+1), append(ns, b-1, b)
			}
		}
		for _, off := range offs {
			for _, n := range ns {
				if off < 0 || p.err != nil {
					continue
				}
				want := text[min(off, s):]
				if n >= 0 {
					want = want[:min(n, int64(len(want)))]
				}
				got, info, err := part(ctx, p.b, key, "", off, n)
				what := fmt.Sprintf("GetRange(%q, off %d, n %d)", key, off, n)
				if err != nil {
					p.failf("%s of %d bytes: %w", what, size, err)
				}
				p.same(what, got, want)
				p.about("the Info of "+what, info, key, text)
				p.sameMeta(what, info.Meta, put.Meta)
				if p.err == nil && info.Version != put.Version {
					p.failf("%s returns Version %q, and Put returned %q", what, info.Version, put.Version)
				}
			}
		}
	}
	return p.err
}

func rangeRefused(ctx context.Context, e *Env) error {
	p, key := e.handle(ctx), e.key("s", "a")
	version := p.put(key, "value").Version
	if _, _, err := part(ctx, p.b, key, "", -1, 2); err == nil {
		p.failf("GetRange with offset -1 succeeds")
	}
	_, _, err := part(ctx, p.b, e.key("s", "absent"), "", 0, 1)
	p.fails("GetRange of an absent key", err, backend.ErrNotFound)
	p.remove(key)
	_, _, err = part(ctx, p.b, key, "", 0, 1)
	p.fails("GetRange of a deleted key", err, backend.ErrNotFound)
	_, _, err = part(ctx, p.b, key, version, 0, 1)
	p.fails("GetRange of a deleted key by its last Version", err, backend.ErrNotFound)
	return p.err
}

func rangeVersion(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key("s", fmt.Sprint(n))
		old := p.put(key, noise(n, 1)).Version
		text, _, err := part(ctx, p.b, key, old, 5, 10)
		if err != nil {
			p.failf("GetRange of the present Version: %w", err)
		}
		p.same("GetRange of the present Version", text, noise(n, 1)[5:15])
		now := p.put(key, noise(n, 2)).Version
		_, _, err = part(ctx, p.b, key, old, 5, 10)
		p.fails("GetRange of an earlier Version", err, backend.ErrChanged)
		for _, off := range []int64{0, int64(n) - 1, int64(n), int64(n) + 7} {
			_, _, err = part(ctx, p.b, key, old, off, 10)
			p.fails(fmt.Sprintf("GetRange of an earlier Version from byte %d of %d", off, n), err, backend.ErrChanged)
		}
		_, _, err = part(ctx, p.b, key, old, 5, 0)
		p.fails("GetRange of no bytes of an earlier Version", err, backend.ErrChanged)
		_, _, err = part(ctx, p.b, key, now+"x", 5, 10)
		p.fails("GetRange of another Version", err, backend.ErrChanged)
		text, _, err = part(ctx, p.b, key, now, 5, 10)
		if err != nil {
			p.failf("GetRange of the present Version: %w", err)
		}
		p.same("GetRange of the present Version", text, noise(n, 2)[5:15])
	}
	return p.err
}

func rangeOneValue(ctx context.Context, e *Env) error {
	p, key := e.handle(ctx), e.key("s", "a")
	const size, piece = 100_000, 30_000
	texts := make([]string, 8)
	of := map[[32]byte]string{}
	for i := range texts {
		texts[i] = noise(size, uint64(i))
		of[filled(texts[i], backend.PutOptions{}).Digest] = texts[i]
	}
	p.put(key, texts[0])
	if p.err != nil {
		return p.err
	}
	var done atomic.Bool
	return crowd(2, func(w int) error {
		q := p.with(ctx)
		if w == 0 {
			for i := 1; !done.Load() && q.err == nil; i++ {
				q.put(key, texts[i%len(texts)])
			}
			return q.err
		}
		defer done.Store(true)
		for range e.pick(50, 300, 3000) {
			info := q.stat(key)
			for off := int64(0); off < size && q.err == nil; off += piece {
				part, _, err := part(ctx, q.b, key, info.Version, off, piece)
				if errors.Is(err, backend.ErrChanged) {
					break // what a reader under a Version is told
				}
				if err != nil {
					q.failf("GetRange beside overwrites: %w", err)
				}
				q.same("a range of one Version beside overwrites", part, of[info.Digest][off:min(off+piece, size)])
			}
		}
		return q.err
	})
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
		for _, n := range []int64{100, int64(size), -1} {
			body := open(ctx, key, 0, n)
			var mine []byte
			if t, ok := body.(taker); ok {
				mine = t.Take()
			} else {
				mine, _ = io.ReadAll(body)
			}
			body.Close()
			clear(mine)
			for _, n := range []int64{int64(size), -1} {
				p.same("a range after the caller changed the bytes of another", p.readAll(open(ctx, key, 0, n)), text)
			}
			p.holds(key, text)
		}
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
