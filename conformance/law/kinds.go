package law

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/larder-store/larder/backend"
)

func asGiven(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{0}, someSizes...) {
		for i, spoil := range []func(*backend.PutOptions){
			func(o *backend.PutOptions) { o.Digest[0] ^= 0xff; o.Sum ^= 0xffff },
			func(o *backend.PutOptions) { o.Sum++ },
			func(o *backend.PutOptions) { o.Digest, o.Sum = [32]byte{}, 0 },
		} {
			key, text := e.key("s", fmt.Sprintf("%d-%d", n, i)), noise(n, 1)
			opts := filled(text, backend.PutOptions{})
			spoil(&opts)
			put, err := p.b.Put(ctx, key, strings.NewReader(text), opts)
			if e.Limits.Shared || e.Limits.CostlyRequests { // a service may check what arrives
				_, _, gerr := load(ctx, p.b, key)
				_, serr := p.b.Stat(ctx, key)
				if err != nil && errors.Is(gerr, backend.ErrNotFound) || errors.Is(errors.Join(gerr, serr), backend.ErrCorrupt) {
					continue
				}
			}
			if err != nil {
				p.failf("Put of %d bytes with a false Digest or Sum: %w", n, err)
			}
			if i == 0 && n > 0 { // other bytes that claim to be the same
				twin := noise(n, 2)
				if _, err := p.b.Put(ctx, key, strings.NewReader(twin), opts); err != nil {
					p.failf("Put of other bytes with the same false Digest: %w", err)
				}
				body, _ := p.get(key)
				p.same("the body of the second value with a false Digest", body, twin)
				put, err = p.b.Put(ctx, key, strings.NewReader(text), opts)
				if err != nil {
					p.failf("Put of the first bytes again: %w", err)
				}
			}
			body, got := p.get(key)
			p.same("the body of a value with a false Digest or Sum", body, text)
			for what, info := range map[string]backend.Info{"Put": put, "Get": got, "Stat": p.stat(key)} {
				if p.err == nil && (info.Digest != opts.Digest || info.Sum != opts.Sum) {
					p.failf("%s returns Digest %x and Sum %08x, want %x and %08x, as they were given", what, info.Digest, info.Sum, opts.Digest, opts.Sum)
				}
			}
		}
	}
	return p.err
}

// bodiesOf returns readers of many types over text, by name, and what closes them.
func bodiesOf(text string) (bodies map[string]io.ReadSeeker, done func() error, err error) {
	f, err := os.CreateTemp("", "larder-body-*")
	if err != nil {
		return nil, nil, err
	}
	done = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	if _, err := f.WriteString(text); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return map[string]io.ReadSeeker{
		"*os.File":          f,
		"*bytes.Reader":     bytes.NewReader([]byte(text)),
		"*strings.Reader":   strings.NewReader(text),
		"*io.SectionReader": io.NewSectionReader(strings.NewReader("before"+text+"after"), int64(len("before")), int64(len(text))),
		"io.ReadSeeker":     struct{ io.ReadSeeker }{strings.NewReader(text)},
	}, done, nil
}

func bodyTypes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		text := noise(n, 1)
		bodies, done, err := bodiesOf(text)
		if err != nil {
			return err
		}
		for kind, body := range bodies {
			for i, at := range []int64{0, 1, int64(n) / 2, int64(n), int64(n) + 10} {
				key := e.key("s", fmt.Sprintf("%s-%d-%d", strings.ToLower(strings.Trim(kind, "*")), n, i))
				body.Seek(at, io.SeekStart)
				if _, err := p.b.Put(ctx, key, body, filled(text, backend.PutOptions{})); err != nil {
					p.failf("Put of a %s of %d bytes that stands at %d: %w", kind, n, at, err)
				}
				p.holds(key, text)
			}
			for said, want := range map[string]error{text[:n-1]: backend.ErrTooLong, text + "x": io.ErrUnexpectedEOF} {
				key := e.key("s", "refused")
				_, err := p.b.Put(ctx, key, body, filled(said, backend.PutOptions{}))
				p.fails(fmt.Sprintf("Put of a %s of %d bytes as %d", kind, n, len(said)), err, want)
				p.absent(key)
			}
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				p.failf("Put left a %s that cannot be used again: %w", kind, err)
			}
		}
		if err := done(); err != nil {
			return errors.Join(p.err, err)
		}
	}
	return p.err
}

func restOfBody(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{1}, someSizes...) {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		p.put(key, text)
		for _, head := range []int{0, 1, n / 2, n - 1, n} {
			body := p.body(key)
			if _, err := io.ReadFull(body, make([]byte, head)); err != nil {
				p.failf("read the first %d bytes: %w", head, err)
			}
			var rest bytes.Buffer
			if _, err := io.Copy(&rest, body); err != nil {
				p.failf("io.Copy after %d bytes were read: %w", head, err)
			}
			p.same(fmt.Sprintf("io.Copy after %d of %d bytes were read", head, n), rest.String(), text[head:])
			more, err := io.Copy(&rest, body)
			if p.err == nil && (more != 0 || err != nil) {
				p.failf("io.Copy at the end of a body = %d, %v, want nothing", more, err)
			}
			if k, err := body.Read(make([]byte, 1)); p.err == nil && (k != 0 || err != io.EOF) {
				p.failf("a Read after io.Copy = %d, %v, want 0, EOF", k, err)
			}
			body.Close()
		}
	}
	return p.err
}
