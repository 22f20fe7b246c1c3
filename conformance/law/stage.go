package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What a Stager of a backend's own does with bodies that are written ahead.
var stageLaws = []Law{
	{
		Name: "stage/draft", Needs: []Need{Stages}, Fn: stageDraft,
		Rule: "A draft is seen by nobody before its Put, and the value that it became stays as it is, whatever is done with the draft: read, put again, by another handle too, written to, closed, and others written after it.",
	},
	{
		Name: "stage/any", Needs: []Need{Stages}, Fn: stageAny,
		Rule: "Drafts of any handle, written, read, sought, put and closed in any order, hold what was written to each, and so do the values that they became.",
	},
	{
		Name: "stage/batch", Needs: []Need{Stages, BatchPuts}, Fn: stageBatch,
		Rule: "A draft is the body of an item of a batch as of a Put: it can be read after it, and put again, and closing it takes nothing from the values.",
	},
	{
		Name: "stage/apart", Needs: []Need{Stages}, Fn: stageApart,
		Rule: "Drafts that are open at once have nothing to do with one another.",
	},
	{
		Name: "stage/places", Needs: []Need{Stages}, Fn: stagePlaces,
		Rule: "Write appends, wherever Read and Seek stand, and the end is behind all that was written; ReadAt moves neither, and says where the end cuts it short; Put takes all of a draft wherever it stands.",
	},
	{
		Name: "stage/unseen", Needs: []Need{Stages, FreshPlace}, Fn: stageUnseen,
		Rule: "A draft is no entry: no shelf comes with it, whether it is open, written or closed.",
	},
	{
		Name: "stage/refused", Needs: []Need{Stages}, Fn: stageRefused,
		Rule: "A draft of a Put that was refused is as it was, and can be written on and put again; held to its size like any body.",
	},
	{
		Name: "stage/sweep", Needs: []Need{Stages, Sweeps}, Fn: stageSweep,
		Rule: "A sweep beside a draft that is being written takes nothing from it, however thorough it is; nor does a dry run.",
	},
}

// stages reports whether a backend's own Stager makes drafts here.
func stages(ctx context.Context, b backend.Backend) (bool, error) {
	s, ok := backend.As[backend.Stager](b)
	if !ok {
		return false, nil
	}
	var d backend.Draft
	err := patiently(ctx, func() (err error) {
		d, err = s.Stage(ctx)
		return err
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, d.Close()
}

// stage writes text to a new draft in pieces of odd sizes.
func (p *probe) stage(text string) backend.Draft {
	if p.err != nil {
		return nil
	}
	d, err := backend.Stage(p.ctx, p.b, "")
	if err != nil {
		p.failf("Stage: %w", err)
		return nil
	}
	for n := 1; len(text) > 0; n = 3*n + 1 {
		piece := text[:min(n, len(text))]
		if _, err := io.WriteString(d, piece); err != nil {
			p.failf("writing %d bytes to a draft: %w", len(piece), err)
			break
		}
		text = text[len(piece):]
	}
	return d
}

// reread wants a draft to be read from its start, by Read and by ReadAt.
func (p *probe) reread(what string, d backend.Draft, text string) {
	if p.err != nil {
		return
	}
	if _, err := d.Seek(0, io.SeekStart); err != nil {
		p.failf("rewinding %s: %w", what, err)
	}
	got, err := io.ReadAll(d)
	if err != nil {
		p.failf("reading %s: %w", what, err)
	}
	p.same(what, string(got), text)
	half := make([]byte, len(text)-len(text)/2)
	if n, err := d.ReadAt(half, int64(len(text)/2)); n < len(half) || err != nil && err != io.EOF {
		p.failf("ReadAt of %s = %d bytes, %v", what, n, err)
	}
	p.same("the second half of "+what, string(half), text[len(text)/2:])
}

func stageBatch(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{1}, someSizes...) {
		text := noise(n, 1)
		d := p.stage(text)
		if d == nil {
			return p.err
		}
		key, beside, again := e.key("s", fmt.Sprint(n)), e.key("s", fmt.Sprint("beside-", n)), e.key("s", fmt.Sprint("again-", n))
		it := item(key, text, backend.PutOptions{})
		it.Body = d
		p.putAll([]backend.Item{item(beside, "beside", backend.PutOptions{}), it})
		p.reread("a draft that a batch took", d, text)
		it.Key = again
		p.putAll([]backend.Item{it})
		if err := d.Close(); err != nil {
			p.failf("closing a draft that a batch took: %w", err)
		}
		if next := p.stage(noise(n, 2)); next != nil {
			if err := next.Close(); err != nil {
				p.failf("closing a draft: %w", err)
			}
		}
		p.holds(key, text)
		p.holds(again, text)
		p.holds(beside, "beside")
		p.remove(again)
		p.holds(key, text)
	}
	return p.err
}

func stageApart(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		texts := []string{noise(n, 1), noise(n+1, 2), noise(n, 3)}
		var drafts []backend.Draft
		for _, text := range texts {
			d := p.stage(text[:n/2])
			if d == nil {
				return p.err
			}
			defer d.Close()
			drafts = append(drafts, d)
		}
		for i, d := range drafts {
			if _, err := io.WriteString(d, texts[i][n/2:]); err != nil {
				p.failf("writing on to one of several drafts: %w", err)
			}
		}
		if err := drafts[0].Close(); err != nil {
			p.failf("closing a draft: %w", err)
		}
		for i, d := range drafts[1:] {
			key, text := e.key("s", fmt.Sprint(n, "-", i)), texts[i+1]
			if _, err := p.b.Put(ctx, key, d, filled(text, backend.PutOptions{})); err != nil {
				p.failf("Put of one of several drafts: %w", err)
			}
			p.holds(key, text)
		}
	}
	return p.err
}

func stageDraft(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	kept := map[backend.Key]string{}
	for _, n := range append([]int{0, 1}, someSizes...) {
		key, again, text := e.key("s", fmt.Sprint("k-", n)), e.key("s", fmt.Sprint("again-", n)), noise(n, 1)
		d := p.stage(text)
		if d == nil {
			return p.err
		}
		p.absent(key)
		p.lists(key.Shelf, backend.ListOptions{Prefix: fmt.Sprint("k-", n)})
		info, err := p.b.Put(ctx, key, d, filled(text, backend.PutOptions{Meta: backend.Meta{"codec": "raw"}}))
		if err != nil {
			p.failf("Put of a draft of %d bytes: %w", n, err)
			return p.err
		}
		p.about("the Info of the Put of a draft", info, key, text)
		p.holds(key, text)
		if _, err := p.b.Put(ctx, again, d, filled(text, backend.PutOptions{})); err != nil {
			p.failf("a second Put of a draft of %d bytes: %w", n, err)
		}
		others := e.key("s", fmt.Sprint("others-", n))
		if _, err := q.b.Put(ctx, others, d, filled(text, backend.PutOptions{})); err != nil {
			q.failf("Put of a draft of %d bytes by another handle than made it: %w", n, err)
		}
		q.holds(others, text)
		p.reread("a draft that was put", d, text)
		if _, err := io.WriteString(d, "more"); err == nil { // which it may refuse
			p.holds(key, text)
		}
		if err := d.Close(); err != nil {
			p.failf("closing a draft that was put: %w", err)
		}
		p.holds(key, text)
		p.holds(again, text)
		p.remove(again)
		p.holds(key, text)
		kept[key], kept[others] = text, text
	}
	// More than a buffer holds, by Writes that end ahead of and behind common sizes.
	key, text := e.key("s", "many-mib"), noise(5<<19, 1)
	if most := e.Limits.MaxValue; most > 0 && most < int64(len(text)) {
		text = text[:most]
	}
	if d := p.stage(""); d != nil {
		at := 0
		for _, to := range []int{1<<20 - 1, 1<<20 + 1, 2<<20 + 1, len(text)} {
			to = min(to, len(text))
			if _, err := io.WriteString(d, text[at:to]); err != nil {
				p.failf("writing %d bytes to a draft at %d: %w", to-at, at, err)
			}
			at = to
		}
		if _, err := p.b.Put(ctx, key, d, filled(text, backend.PutOptions{})); err != nil {
			p.failf("Put of a draft of %d bytes: %w", len(text), err)
		}
		if err := d.Close(); err != nil {
			p.failf("closing a draft that was put: %w", err)
		}
		p.holds(key, text)
		p.remove(key)
	}
	d := p.stage("never put")
	if d == nil {
		return p.err
	}
	for key, text := range kept {
		p.holds(key, text)
	}
	if err := d.Close(); err != nil {
		p.failf("closing a draft that was not put: %w", err)
	}
	return errors.Join(p.err, q.err)
}

func stageRefused(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		taken, free, text := e.key("s", fmt.Sprint("taken-", n)), e.key("s", fmt.Sprint("free-", n)), noise(n, 1)
		p.put(taken, "old")
		d := p.stage(text)
		if d == nil {
			return p.err
		}
		refused := func(what string, key backend.Key, opts backend.PutOptions, want error) {
			_, err := p.b.Put(ctx, key, d, opts)
			p.fails("Put of a draft "+what, err, want)
		}
		right := filled(text, backend.PutOptions{})
		long, short := right, right
		long.Size, short.Size = right.Size+1, right.Size-1
		refused("with a size that is too large", free, long, io.ErrUnexpectedEOF)
		refused("with a size that is too small", free, short, backend.ErrTooLong)
		if e.Limits.AtomicIfAbsent {
			refused("with IfAbsent over a value", taken, filled(text, backend.PutOptions{IfAbsent: true}), backend.ErrExists)
		}
		if e.Limits.AtomicIfMatch {
			refused("with IfMatch on an absent key", free, filled(text, backend.PutOptions{IfMatch: "other"}), backend.ErrChanged)
		}
		p.holds(taken, "old")
		p.absent(free)
		if _, err := d.Seek(0, io.SeekStart); err != nil {
			p.failf("rewinding a draft that was refused: %w", err)
		}
		var read strings.Builder
		if _, err := io.Copy(&read, d); err != nil {
			p.failf("reading a draft that was refused: %w", err)
		}
		p.same("a draft that was refused", read.String(), text)
		if _, err := io.WriteString(d, "more"); err != nil {
			p.failf("writing on to a draft that was refused: %w", err)
		}
		text += "more"
		right = filled(text, backend.PutOptions{})
		if _, err := p.b.Put(ctx, free, d, right); err != nil {
			p.failf("Put of a draft that was refused before: %w", err)
		}
		p.holds(free, text)
		if err := d.Close(); err != nil {
			p.failf("closing a draft: %w", err)
		}
		p.holds(free, text)
	}
	return p.err
}

func stageSweep(ctx context.Context, e *Env) error {
	p, key, text := e.handle(ctx), e.key("s", "a"), noise(200_000, 1)
	d := p.stage(text[:100_000])
	if d == nil {
		return p.err
	}
	other := e.open(ctx)
	p.sweep(backend.SweepOptions{Grace: shortest})
	other.sweep(backend.SweepOptions{Grace: shortest})
	if _, err := io.WriteString(d, text[100_000:]); err != nil {
		p.failf("writing to a draft after a sweep: %w", err)
	}
	p.sweep(backend.SweepOptions{Grace: shortest})
	p.sweep(backend.SweepOptions{DryRun: true, Grace: shortest})
	if _, err := p.b.Put(ctx, key, d, filled(text, backend.PutOptions{})); err != nil {
		p.failf("Put of a draft after sweeps: %w", err)
	}
	p.sweep(backend.SweepOptions{Grace: shortest})
	p.holds(key, text)
	if err := d.Close(); err != nil {
		p.failf("closing a draft: %w", err)
	}
	p.holds(key, text)
	return errors.Join(p.err, other.err)
}

func stagePlaces(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		head, tail := noise(n, 1), noise(n, 2)
		key, d := e.key("s", fmt.Sprint(n)), p.stage(head)
		if d == nil {
			return p.err
		}
		defer d.Close()
		// read wants the next bytes of the draft to be those from off on.
		read := func(off, many int) {
			b := make([]byte, many)
			if _, err := io.ReadFull(d, b); err != nil {
				p.failf("reading a draft: %w", err)
			}
			p.same(fmt.Sprintf("%d bytes at offset %d of a draft", many, off), string(b), (head + tail)[off:off+many])
		}
		if end, err := d.Seek(0, io.SeekEnd); err != nil || end != int64(n) {
			p.failf("the end of a draft of %d bytes is at %d, %v", n, end, err)
		}
		if _, err := d.Seek(int64(n/3), io.SeekStart); err != nil {
			p.failf("Seek in a draft: %w", err)
		}
		read(n/3, 10)
		half := tail[:n/2]
		if _, err := io.WriteString(d, half); err != nil {
			p.failf("writing to a draft that was read: %w", err)
		}
		read(n/3+10, 10)
		b := make([]byte, 10)
		if _, err := d.ReadAt(b, int64(n)); err != nil {
			p.failf("ReadAt of a draft: %w", err)
		}
		p.same("ReadAt of a draft", string(b), tail[:10])
		if end := n + len(half); p.err == nil {
			if got, err := d.ReadAt(make([]byte, 20), int64(end-10)); got != 10 || err == nil {
				p.failf("ReadAt of 20 bytes, 10 ahead of the end of a draft = %d, %v, want 10 and an error", got, err)
			}
		}
		read(n/3+20, 10)
		if _, err := io.WriteString(d, tail[n/2:]); err != nil {
			p.failf("writing to a draft after ReadAt: %w", err)
		}
		read(n/3+30, 10)
		if _, err := p.b.Put(ctx, key, d, filled(head+tail, backend.PutOptions{})); err != nil {
			p.failf("Put of a draft that stands in its midst: %w", err)
		}
		p.holds(key, head+tail)
	}
	return p.err
}

func stageUnseen(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{0}, someSizes...) {
		d := p.stage(noise(n, 1))
		if d == nil {
			return p.err
		}
		p.noShelf("beside a draft")
		if err := d.Close(); err != nil {
			p.failf("closing a draft: %w", err)
		}
		p.noShelf("after a draft was closed")
	}
	return p.err
}
