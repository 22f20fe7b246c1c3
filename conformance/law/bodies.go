package law

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing/iotest"
	"time"

	"github.com/larder-store/larder/backend"
)

// What Put does with the body that it is given.
var bodyLaws = []Law{
	{
		Name: "body/rewound", Fn: rewound,
		Rule: "Put stores the body from offset 0, wherever it stands.",
	},
	{
		Name: "body/types", Fn: bodyTypes,
		Rule: "Put reads the body from offset 0 to its end whatever its type: a file, a section, bytes, text.",
	},
	{
		Name: "body/short", Fn: shortBody,
		Rule: "A body that ends before Size is io.ErrUnexpectedEOF, and leaves what was there.",
	},
	{
		Name: "body/long", Fn: longBody,
		Rule: "A body that goes on after Size is ErrTooLong, and leaves what was there.",
	},
	{
		Name: "body/fails", Fn: failingBody,
		Rule: "A body that fails while it is read or rewound makes Put fail, and leaves what was there.",
	},
	{
		Name: "body/reader", Fn: oddReaders,
		Rule: "A body may give its bytes one by one, with empty reads between, or the last ones together with io.EOF.",
	},
	{
		Name: "body/left-open", Fn: leftOpen,
		Rule: "Put neither closes the body nor uses it after it returned.",
	},
	{
		Name: "body/memory", Fn: reusedMemory,
		Rule: "The caller may overwrite the memory behind a body when Put has returned; the value stays.",
	},
	{
		Name: "body/unfinished", Fn: unfinished,
		Rule: "Nothing of a Put is seen before it is done, neither by Get and Stat nor in a list.",
	},
	{
		Name: "body/other-keys", Fn: slowBody,
		Rule: "A Put that waits for its body keeps no other call from using other keys.",
	},
	{
		Name: "body/many-wait", Fn: manyWait,
		Rule: "However many Puts wait for their bodies, they delay no other call: no Put of the same key, of another or of a batch, no Get, List or Delete.",
	},
}

// someSizes are one that every engine keeps inline and one that many keep in a file.
var someSizes = []int{1000, 80_000}

func rewound(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		text := noise(n, 1)
		for _, at := range []int64{1, int64(n) / 2, int64(n)} {
			key := e.key("s", fmt.Sprintf("%d-%d", n, at))
			body := strings.NewReader(text)
			body.Seek(at, io.SeekStart)
			if _, err := p.b.Put(ctx, key, body, filled(text, backend.PutOptions{})); err != nil {
				p.failf("Put of a body that stands at offset %d of %d: %w", at, n, err)
			}
			p.holds(key, text)
		}
	}
	return p.err
}

// spoiled wants a Put to fail as it should and to leave both an absent key and an old
// value as they were.
func (e *Env) spoiled(p *probe, body func(text string) io.ReadSeeker, want error) {
	for _, n := range someSizes {
		text := noise(n, 1)
		absent, old := e.key("s", fmt.Sprintf("absent-%d", n)), e.key("s", fmt.Sprintf("old-%d", n))
		p.put(old, "old")
		for _, key := range []backend.Key{absent, old} {
			_, err := p.b.Put(p.ctx, key, body(text), filled(text, backend.PutOptions{}))
			switch {
			case err == nil:
				p.failf("Put(%q) of a spoiled body of %d bytes succeeds", key, n)
			case want != nil:
				p.fails(fmt.Sprintf("Put(%q) of a spoiled body of %d bytes", key, n), err, want)
			}
		}
		p.absent(absent)
		p.holds(old, "old")
		p.lists(old.Shelf, backend.ListOptions{Prefix: "absent"})
	}
}

func shortBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, cut := range []func(string) string{
		func(text string) string { return text[:len(text)-1] },
		func(text string) string { return text[:len(text)/2] },
		func(string) string { return "" },
	} {
		e.spoiled(p, func(text string) io.ReadSeeker { return strings.NewReader(cut(text)) }, io.ErrUnexpectedEOF)
	}
	// Whoever fills up the last block or part of a large value must not do so here.
	for _, n := range e.bounds() {
		key, text := e.key("s", fmt.Sprint(n)), noise(n+1, 1)
		_, err := p.b.Put(ctx, key, strings.NewReader(text[:n]), filled(text, backend.PutOptions{}))
		p.fails(fmt.Sprintf("Put of %d bytes as %d", n, n+1), err, io.ErrUnexpectedEOF)
		p.absent(key)
	}
	return p.err
}

func longBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, more := range []string{"x", noise(100_000, 2)} {
		e.spoiled(p, func(text string) io.ReadSeeker { return strings.NewReader(text + more) }, backend.ErrTooLong)
	}
	// Whoever reads by pages or parts is at the end of one, and must look further.
	for _, n := range append([]int{512, 4096, 32 << 10}, e.bounds()...) {
		key, text := e.key("s", fmt.Sprint(n)), noise(n+1, 1)
		_, err := p.b.Put(ctx, key, strings.NewReader(text), filled(text[:n], backend.PutOptions{}))
		p.fails(fmt.Sprintf("Put of %d bytes as %d", n+1, n), err, backend.ErrTooLong)
		p.absent(key)
	}
	key := e.key("s", "empty")
	_, err := p.b.Put(ctx, key, strings.NewReader("x"), filled("", backend.PutOptions{}))
	p.fails("Put of one byte with Size 0", err, backend.ErrTooLong)
	p.absent(key)
	return p.err
}

func failingBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, at := range []func(n int) int64{
		func(int) int64 { return 0 },
		func(n int) int64 { return int64(n) / 2 },
		func(n int) int64 { return int64(n) - 1 },
		func(n int) int64 { return int64(n) }, // instead of io.EOF
	} {
		e.spoiled(p, func(text string) io.ReadSeeker { return failing(text, at(len(text))) }, nil)
	}
	e.spoiled(p, func(text string) io.ReadSeeker { return unseekable{strings.NewReader(text)} }, nil)
	return p.err
}

// unseekable fails to be rewound.
type unseekable struct{ io.Reader }

func (unseekable) Seek(int64, int) (int64, error) { return 0, errBody }

func oddReaders(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for name, odd := range map[string]func(io.Reader) io.Reader{
		"one-byte":  iotest.OneByteReader,
		"half":      iotest.HalfReader,
		"data-eof":  iotest.DataErrReader,
		"stuttered": func(r io.Reader) io.Reader { return &stutter{r: r} },
	} {
		for _, n := range []int{0, 1, 1000, 100_000} {
			key, text := e.key("s", fmt.Sprintf("%s-%d", name, n)), noise(n, 1)
			body := &oddBody{make: odd, text: text}
			if _, err := p.b.Put(ctx, key, body, filled(text, backend.PutOptions{})); err != nil {
				p.failf("Put of %d bytes by a %s reader: %w", n, name, err)
			}
			p.holds(key, text)
		}
	}
	return p.err
}

// oddBody reads as told, anew after each rewind.
type oddBody struct {
	make func(io.Reader) io.Reader
	text string
	io.Reader
}

func (o *oddBody) Seek(off int64, whence int) (int64, error) {
	r := strings.NewReader(o.text)
	n, err := r.Seek(off, whence)
	o.Reader = o.make(r)
	return n, err
}

func (o *oddBody) Read(b []byte) (int, error) {
	if o.Reader == nil {
		o.Reader = o.make(strings.NewReader(o.text))
	}
	return o.Reader.Read(b)
}

// stutter reads nothing every other time, which io.Reader allows.
type stutter struct {
	r    io.Reader
	next bool
}

func (s *stutter) Read(b []byte) (int, error) {
	if s.next = !s.next; s.next {
		return 0, nil
	}
	return s.r.Read(b)
}

func leftOpen(ctx context.Context, e *Env) error {
	p := e.open(ctx)
	var bodies []*fussyBody
	put := func(body *fussyBody, n int, opts backend.PutOptions) {
		text := noise(n, 1)
		p.b.Put(ctx, e.key("s", fmt.Sprintf("%d", len(bodies))), body, filled(text, opts)) // may fail
		body.over.Store(true)
		bodies = append(bodies, body)
	}
	over := func(n int, opts backend.PutOptions) { // what can be refused before the body was read
		p.put(e.key("s", fmt.Sprintf("%d", len(bodies))), "old")
		put(newBody(noise(n, 1)), n, opts)
	}
	if p.err != nil {
		return p.err
	}
	for _, n := range someSizes {
		put(newBody(noise(n, 1)), n, backend.PutOptions{})
		over(n, onlyNew)
		over(n, matching("none"))
		put(newBody(noise(n-1, 1)), n, backend.PutOptions{})
		put(failing(noise(n, 1), int64(n)/2), n, backend.PutOptions{})
		put(newBody(noise(n, 1)), n, backend.PutOptions{IfMatch: "none"})
	}
	for _, n := range e.bounds() { // beyond which an engine may work in the background
		put(newBody(noise(n+1, 1)), n+1, backend.PutOptions{})
	}
	time.Sleep(20 * time.Millisecond) // what still works in the background gets on,
	p.close()                         // and ends here
	for i, b := range bodies {
		if b.closed.Load() > 0 {
			p.failf("Put number %d closed its body", i)
		}
		if b.usedLate.Load() > 0 {
			p.failf("Put number %d used its body after it returned", i)
		}
	}
	return p.err
}

func reusedMemory(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		mine := []byte(text)
		if _, err := p.b.Put(ctx, key, bytes.NewReader(mine), filled(text, backend.PutOptions{})); err != nil {
			p.failf("Put(%q): %w", key, err)
		}
		for i := range mine {
			mine[i] = 'x'
		}
		p.holds(key, text)
	}
	return p.err
}

func unfinished(ctx context.Context, e *Env) error {
	sizes := someSizes
	if e.Tier >= Full {
		sizes = append(slices.Clone(sizes), e.bulk())
	}
	for _, n := range sizes {
		absent, old := e.key(fmt.Sprintf("s-%d", n), "absent"), e.key(fmt.Sprintf("s-%d", n), "old")
		p := e.handle(ctx)
		look := func() error {
			q := p.with(ctx)
			q.absent(absent)
			q.holds(old, "old")
			q.about("Stat of a key that is being overwritten", q.stat(old), old, "old")
			q.lists(old.Shelf, backend.ListOptions{}, "old")
			for _, info := range q.list(old.Shelf, backend.ListOptions{}) {
				if info.Key != old || info.Size != int64(len("old")) {
					q.failf("while a Put is under way List yields %q of %d bytes, want only %q of %d", info.Key, info.Size, old, len("old"))
				}
			}
			return q.err
		}
		p.put(old, "old")
		for _, key := range []backend.Key{absent, old} {
			for _, at := range []int{1, n / 2, n - 1} {
				body := newBody(noise(n, 1))
				body.at, body.hook = int64(at), look
				if _, err := p.b.Put(ctx, key, body, filled(noise(n, 1), backend.PutOptions{})); err != nil {
					p.failf("while a Put of %q has read %d of %d bytes: %w", key, at, n, err)
				}
				p.holds(key, noise(n, 1))
				p.remove(absent)
				p.put(old, "old")
			}
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func slowBody(ctx context.Context, e *Env) error {
	const n = 200_000
	slow, text := e.key("s", "slow"), noise(n, 1)
	p := e.handle(ctx)
	body := newBody(text)
	body.at, body.hook = n/2, func() error {
		q := p.with(ctx)
		for _, size := range someSizes {
			key := e.key("s", fmt.Sprint(size))
			q.put(key, noise(size, 2))
			q.holds(key, noise(size, 2))
			q.remove(key)
		}
		q.put(e.key("t", "b"), "other shelf")
		return q.err
	}
	_, err := p.b.Put(ctx, slow, body, filled(text, backend.PutOptions{}))
	if err != nil {
		p.failf("while a Put waits for its body: %w", err)
	}
	p.holds(slow, text)
	return p.err
}
