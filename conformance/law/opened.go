package law

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// opened is what is read bit by bit while other things happen.
type opened struct {
	what   string
	p      *probe
	handle backend.Backend // that opened it
	read   func(w *world, n int) (done bool)
	close  func()
}

// disturbed reports whether reading may fail: what was there when it was opened is gone, or its handle is closed.
func (o *opened) disturbed(w *world, key backend.Key, step int) bool {
	k := w.kept[key]
	return k == nil || k.step != step || o.p.b != o.handle
}

// reading is opened for a body.
func (w *world) reading(p *probe, what string, key backend.Key, body io.ReadCloser, want string, err error) *opened {
	o := &opened{what: what, p: p, handle: p.b, close: func() {}, read: func(*world, int) bool { return true }}
	w.does(p, "open: %s", what)
	if err != nil {
		p.failf("%s: %w", what, err)
		return o
	}
	step, at, closed := w.kept[key].step, 0, false
	o.close = func() {
		if !closed {
			closed = true
			body.Close() // what it says about a closed handle is its own affair
		}
	}
	o.read = func(w *world, n int) bool {
		if closed || p.err != nil {
			return true
		}
		w.does(p, "read on: %s", what)
		rest := want[at:]
		buf := make([]byte, min(n, len(rest)+1))
		got, err := io.ReadFull(body, buf)
		p.same(fmt.Sprintf("bytes %d and on of %s", at, what), string(buf[:got]), rest[:min(got, len(rest))])
		at += got
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		switch {
		case ended && at != len(want):
			p.failf("%s ends after %d of %d bytes as if it were whole", what, at, len(want))
		case err != nil && !ended && !o.disturbed(w, key, step):
			p.failf("%s, which nobody changed: %w", what, err)
		}
		return err != nil
	}
	return o
}

func (w *world) openBody(p *probe, key backend.Key) *opened {
	if w.err() != nil || w.kept[key] == nil {
		return &opened{close: func() {}, read: func(*world, int) bool { return true }}
	}
	body, _, err := p.b.Get(p.ctx, key)
	return w.reading(p, fmt.Sprintf("the body of Get(%q)", key), key, body, w.kept[key].text, err)
}

// openRange opens a range of the version that is there, or of whatever is there.
func (w *world) openRange(p *probe, key backend.Key, off, n int64, named bool) *opened {
	if w.err() != nil || w.kept[key] == nil {
		return &opened{close: func() {}, read: func(*world, int) bool { return true }}
	}
	text := w.kept[key].text
	want := text[min(off, int64(len(text))):]
	if n >= 0 {
		want = want[:min(n, int64(len(want)))]
	}
	version := ""
	if named {
		version = w.kept[key].put.Version
	}
	body, _, err := backend.GetRange(p.ctx, p.b, key, version, off, n)
	return w.reading(p, fmt.Sprintf("the body of GetRange(%q, off %d, n %d)", key, off, n), key, body, want, err)
}

// openView keeps a View, which nothing that happens meanwhile may change.
func (w *world) openView(p *probe, key backend.Key) *opened {
	o := &opened{p: p, handle: p.b, close: func() {}, read: func(*world, int) bool { return true }}
	if w.err() != nil || w.kept[key] == nil {
		return o
	}
	v, _ := p.view(key)
	if v == nil {
		return o
	}
	w.does(p, "open: a View of %s", brief(key))
	want, reads := w.kept[key].text, 0
	o.read = func(w *world, n int) bool {
		w.does(p, "look at the View of %s", brief(key))
		p.shows(fmt.Sprintf("a View of %q that was open", key), v, want)
		reads++
		return reads > 2
	}
	o.close = func() { v.Close() }
	return o
}

// openList keeps a List or a Scan in the midst of its loop.
func (w *world) openList(p *probe, key backend.Key) *opened {
	opts := w.options(w.names(key.Shelf), key.Name)
	opts.Limit = 0
	what := fmt.Sprintf("a List(%q, %s) that is left open", key.Shelf, described(opts))
	seq := p.b.List(p.ctx, key.Shelf, opts)
	if w.rnd.IntN(2) == 0 {
		what = strings.Replace(what, "List", "Scan", 1)
		scan := backend.Scan(p.ctx, p.b, key.Shelf, opts)
		seq = func(yield func(backend.Info, error) bool) {
			for entry, err := range scan {
				if !yield(entry.Info, err) {
					return
				}
			}
		}
	}
	o := &opened{what: what, p: p, handle: p.b}
	next, stop := iter.Pull2(seq)
	o.close = stop
	since, last := w.does(p, "begin %s", what), ""
	var seen []string
	must := chosen(w.names(key.Shelf), opts)
	o.read = func(w *world, n int) bool {
		w.does(p, "go on with %s", what)
		for range 1 + n%4 {
			info, err, ok := next()
			switch {
			case !ok:
				for _, name := range must {
					k := backend.Key{Shelf: key.Shelf, Name: name}
					if gone := w.removed[k] > since; !gone && !slices.Contains(seen, name) {
						p.failf("%s did not yield %q, which was there all the time", what, name)
					}
				}
				return true
			case err != nil && o.p.b != o.handle:
				p.fails(what+", whose handle was closed,", err, backend.ErrClosed)
				return true
			case err != nil:
				p.failf("%s: %w", what, err)
				return true
			case info.Key.Name <= last || info.Key.Shelf != key.Shelf || !strings.HasPrefix(info.Key.Name, opts.Prefix) || info.Key.Name <= opts.After:
				p.failf("%s yields %q after %q", what, info.Key, last)
				return true
			}
			last = info.Key.Name
			seen = append(seen, last)
		}
		return false
	}
	return o
}
