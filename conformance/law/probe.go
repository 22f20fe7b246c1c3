package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// A probe is a handle with the checks that experiments are made of. The first thing
// that goes wrong sticks in err, and what is asked later does nothing: an experiment
// reads as a list of steps and returns err at its end. It is for one goroutine.
type probe struct {
	ctx context.Context
	b   backend.Backend
	err error
}

// failf records how the law is broken, unless something went wrong already.
func (p *probe) failf(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// with returns a probe of the same handle for another goroutine or context.
func (p *probe) with(ctx context.Context) *probe { return &probe{ctx: ctx, b: p.b, err: p.err} }

// put stores text.
func (p *probe) put(key backend.Key, text string) backend.Info {
	return p.putWith(key, text, backend.PutOptions{})
}

// putWith stores text under the conditions and metadata of opts.
func (p *probe) putWith(key backend.Key, text string, opts backend.PutOptions) backend.Info {
	if p.err != nil {
		return backend.Info{}
	}
	info, err := p.try(key, text, opts)
	if err != nil {
		p.failf("Put(%q) of %d bytes: %w", key, len(text), err)
	}
	return info
}

// try stores text and returns what Put says.
func (p *probe) try(key backend.Key, text string, opts backend.PutOptions) (backend.Info, error) {
	return p.b.Put(p.ctx, key, strings.NewReader(text), filled(text, opts))
}

// refused wants a Put to fail with an error that matches want, whatever else it is.
func (p *probe) refused(key backend.Key, text string, opts backend.PutOptions, want error) {
	if p.err != nil {
		return
	}
	_, err := p.try(key, text, opts)
	p.fails(fmt.Sprintf("Put(%q, %s)", key, conditions(opts)), err, want)
}

// fails wants err, which what returned, to match one of the errors.
func (p *probe) fails(what string, err error, want ...error) {
	for _, w := range want {
		if errors.Is(err, w) {
			return
		}
	}
	var texts []string
	for _, w := range want {
		texts = append(texts, fmt.Sprintf("%q", w))
	}
	p.failf("%s = error %s, want one that matches %s", what, quoted(err), strings.Join(texts, " or "))
}

func quoted(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", err)
}

func conditions(opts backend.PutOptions) string {
	switch {
	case opts.IfAbsent && opts.IfMatch != "":
		return "IfAbsent and IfMatch"
	case opts.IfAbsent:
		return "IfAbsent"
	case opts.IfMatch != "":
		return fmt.Sprintf("IfMatch %q", opts.IfMatch)
	}
	return "unconditional"
}

// get returns the whole value of key.
func (p *probe) get(key backend.Key) (string, backend.Info) {
	if p.err != nil {
		return "", backend.Info{}
	}
	text, info, err := load(p.ctx, p.b, key)
	if err != nil {
		p.failf("Get(%q): %w", key, err)
	}
	return text, info
}

// load reads the whole value of key.
func load(ctx context.Context, b backend.Backend, key backend.Key) (text string, info backend.Info, err error) {
	err = patiently(ctx, func() error {
		text, info, err = loadOnce(ctx, b, key)
		return err
	})
	return text, info, err
}

func loadOnce(ctx context.Context, b backend.Backend, key backend.Key) (string, backend.Info, error) {
	body, info, err := b.Get(ctx, key)
	if err != nil {
		return "", info, err
	}
	var text strings.Builder
	text.Grow(int(min(max(info.Size, 0), 1<<20)))
	if _, err = io.Copy(&text, body); err != nil {
		err = fmt.Errorf("%w: %w", errReading, err)
	}
	return text.String(), info, errors.Join(err, body.Close())
}

// errReading is that a body was opened and could not be read to its end.
var errReading = errors.New("read the body")

// current returns the value of key while others overwrite it. Reading a body whose key was
// overwritten meanwhile may fail, and then the next one is read.
func (p *probe) current(key backend.Key) (string, backend.Info) {
	for p.err == nil {
		text, info, err := load(p.ctx, p.b, key)
		if err == nil {
			return text, info
		}
		if !errors.Is(err, errReading) || p.ctx.Err() != nil {
			p.failf("Get(%q) while others overwrite it: %w", key, err)
		}
		time.Sleep(time.Millisecond) // others are to get on
	}
	return "", backend.Info{}
}

// body opens the value of key. The caller closes it.
func (p *probe) body(key backend.Key) io.ReadCloser {
	if p.err != nil {
		return io.NopCloser(strings.NewReader(""))
	}
	body, _, err := p.b.Get(p.ctx, key)
	if err != nil {
		p.failf("Get(%q): %w", key, err)
		return io.NopCloser(strings.NewReader(""))
	}
	return body
}

// holds wants exactly text under key, and an Info that belongs to it.
func (p *probe) holds(key backend.Key, text string) backend.Info {
	got, info := p.get(key)
	if p.err == nil {
		p.same(fmt.Sprintf("the body of Get(%q)", key), got, text)
		p.about(fmt.Sprintf("the Info of Get(%q)", key), info, key, text)
	}
	return info
}

// same wants got to be want, byte for byte.
func (p *probe) same(what, got, want string) {
	if got != want {
		p.failf("%s has %d bytes %s, want %d bytes %s%s", what, len(got), clip(got), len(want), clip(want), differ(got, want))
	}
}

func differ(got, want string) string {
	n := min(len(got), len(want))
	for i := range n {
		if got[i] != want[i] {
			return fmt.Sprintf("; they differ from byte %d on", i)
		}
	}
	return fmt.Sprintf("; they differ from byte %d on", n)
}

// clip shows the beginning of a text.
func clip(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%+q…", s[:40])
	}
	return fmt.Sprintf("%+q", s)
}

// about wants info to say what is true of text under key.
func (p *probe) about(what string, info backend.Info, key backend.Key, text string) {
	want := filled(text, backend.PutOptions{})
	switch {
	case info.Key != key:
		p.failf("%s names the key %q, want %q", what, info.Key, key)
	case info.Size != want.Size:
		p.failf("%s has Size %d, want %d", what, info.Size, want.Size)
	case info.Digest != want.Digest:
		p.failf("%s has Digest %x, want %x", what, info.Digest, want.Digest)
	case info.Sum != want.Sum:
		p.failf("%s has Sum %08x, want %08x", what, info.Sum, want.Sum)
	}
}

// stat returns what Stat says about key.
func (p *probe) stat(key backend.Key) backend.Info {
	if p.err != nil {
		return backend.Info{}
	}
	info, err := p.b.Stat(p.ctx, key)
	if err != nil {
		p.failf("Stat(%q): %w", key, err)
	}
	return info
}

// absent wants nothing under key.
func (p *probe) absent(key backend.Key) {
	if p.err != nil {
		return
	}
	_, _, err := load(p.ctx, p.b, key)
	p.fails(fmt.Sprintf("Get(%q)", key), err, backend.ErrNotFound)
	_, err = p.b.Stat(p.ctx, key)
	p.fails(fmt.Sprintf("Stat(%q)", key), err, backend.ErrNotFound)
}

// remove deletes key.
func (p *probe) remove(key backend.Key) {
	if p.err != nil {
		return
	}
	if err := p.b.Delete(p.ctx, key); err != nil {
		p.failf("Delete(%q): %w", key, err)
	}
}

// fill puts a text under each key: the key's name. It is for what an experiment needs
// before it begins, and so takes batches where the backend has them.
func (p *probe) fill(keys []backend.Key) {
	if p.err != nil {
		return
	}
	if has[backend.BatchPutter](p.b) {
		for chunk := range slices.Chunk(keys, 500) {
			var items []backend.Item
			for _, key := range chunk {
				items = append(items, item(key, key.Name, backend.PutOptions{}))
			}
			p.putAll(items)
		}
		return
	}
	const workers = 8
	err := crowd(workers, func(w int) error {
		q := p.with(p.ctx)
		for i := w; i < len(keys) && q.err == nil; i += workers {
			q.put(keys[i], keys[i].Name)
		}
		return q.err
	})
	if err != nil {
		p.failf("%w", err)
	}
}

// list returns the entries of a shelf.
func (p *probe) list(shelf string, opts backend.ListOptions) []backend.Info {
	if p.err != nil {
		return nil
	}
	infos, err := collect(p.b.List(p.ctx, shelf, opts))
	if err != nil {
		p.failf("List(%q, %s): %w", shelf, described(opts), err)
	}
	return infos
}

// lists wants a List to yield exactly these names.
func (p *probe) lists(shelf string, opts backend.ListOptions, want ...string) {
	got := names(p.list(shelf, opts))
	if p.err == nil && !slices.Equal(got, want) {
		p.failf("List(%q, %s) yields %s, want %s", shelf, described(opts), few(got), few(want))
	}
}

// noShelf wants the place to be empty.
func (p *probe) noShelf(when string) {
	if p.err != nil {
		return
	}
	shelves, err := collect(p.b.Shelves(p.ctx, backend.ListOptions{}))
	if err != nil {
		p.failf("Shelves: %w", err)
	}
	if len(shelves) > 0 {
		p.failf("%s Shelves yields %q, and nothing was put", when, shelves)
	}
}

func described(opts backend.ListOptions) string {
	return fmt.Sprintf("prefix %q, after %q, limit %d", opts.Prefix, opts.After, opts.Limit)
}

func names(infos []backend.Info) []string {
	var names []string
	for _, info := range infos {
		names = append(names, info.Key.Name)
	}
	return names
}

// few shows a list, shortened.
func few(s []string) string {
	if len(s) > 12 {
		return fmt.Sprintf("%d names, from %q to %q", len(s), s[:3], s[len(s)-3:])
	}
	return fmt.Sprintf("%q", s)
}

// collect is all that seq yields, up to its error. Steps after an error, and more than
// a law ever asks for, are errors too.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	const tooMany = 1_000_000
	var all []T
	var failed error
	for v, err := range seq {
		switch {
		case failed != nil:
			return all, fmt.Errorf("it went on after its error %q", failed)
		case len(all) == tooMany:
			return all, errors.New("it does not end")
		case err != nil:
			failed = err
		default:
			all = append(all, v)
		}
	}
	return all, failed
}

// readAll reads what is left of body and closes it.
func (p *probe) readAll(body io.ReadCloser) string {
	text, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		p.failf("read the body: %w", err)
	}
	return string(text)
}
