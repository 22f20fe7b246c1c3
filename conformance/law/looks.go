package law

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// A look is one of the ways to see what is there, or to be refused because of it. None changes anything.
type look struct {
	name string
	look func(w *world, p *probe, key backend.Key)
}

// is wants info to be what is known of key.
func (w *world) is(p *probe, what string, info backend.Info, key backend.Key) {
	k := w.kept[key]
	if k == nil {
		p.failf("%s: there is something", what)
	}
	if p.err != nil {
		return
	}
	p.about(what, info, key, k.text)
	p.sameMeta(what, info.Meta, k.put.Meta)
	if p.err == nil && info.Version != k.put.Version {
		p.failf("%s has Version %q, and the Put returned %q", what, info.Version, k.put.Version)
	}
	w.dated(p, what, info, k)
}

// dated wants one ModTime from all that say it, and from Put if it says one.
func (w *world) dated(p *probe, what string, info backend.Info, k *kept) {
	if k.at.IsZero() {
		k.at = info.ModTime
	}
	for _, at := range []time.Time{k.at, k.put.ModTime} {
		if apart := info.ModTime.Sub(at).Abs(); p.err == nil && !at.IsZero() && apart > time.Second {
			p.failf("%s has ModTime %v, and it was %v", what, info.ModTime, at)
		}
	}
	if p.err == nil && info.ModTime.IsZero() {
		p.failf("%s has no ModTime", what)
	}
}

var looks = []look{
	{"Get", func(w *world, p *probe, key backend.Key) {
		body, info, err := p.b.Get(p.ctx, key)
		what := fmt.Sprintf("Get(%q)", key)
		if !w.there(p, what, key, err) {
			return
		}
		w.is(p, what, info, key)
		spoil(info.Meta)
		if whole, ok := body.(*backend.Body); ok && w.rnd.IntN(2) == 0 {
			own := whole.Take()
			p.same("the body of "+what, string(own), w.kept[key].text)
			clear(own) // they are the caller's
			return
		}
		p.same("the body of "+what, p.readAll(body), w.kept[key].text)
	}},
	{"Stat", func(w *world, p *probe, key backend.Key) {
		info, err := p.b.Stat(p.ctx, key)
		what := fmt.Sprintf("Stat(%q)", key)
		if w.there(p, what, key, err) {
			w.is(p, what, info, key)
			spoil(info.Meta)
		}
	}},
	{"List", func(w *world, p *probe, key backend.Key) {
		opts := w.options(w.names(key.Shelf), key.Name)
		infos := p.list(key.Shelf, opts)
		w.listed(p, fmt.Sprintf("List(%q, %s)", key.Shelf, described(opts)), key.Shelf, opts, names(infos))
		for _, info := range infos {
			if k := w.kept[info.Key]; p.err == nil {
				p.listed(info, k.put)
				if len(k.put.Meta) == 0 && len(info.Meta) > 0 {
					p.failf("List yields %q with the Meta %v, and it was put without any", info.Key, info.Meta)
				}
				w.dated(p, fmt.Sprintf("%q in a List", info.Key), info, k)
			}
			spoil(info.Meta)
		}
	}},
	{"Scan", func(w *world, p *probe, key backend.Key) {
		opts := w.options(w.names(key.Shelf), key.Name)
		var got []string
		all := p.scan(key.Shelf, opts)
		for _, s := range all {
			got = append(got, s.Key.Name)
		}
		w.listed(p, fmt.Sprintf("Scan(%q, %s)", key.Shelf, described(opts)), key.Shelf, opts, got)
		for _, s := range all {
			if p.err == nil {
				w.is(p, fmt.Sprintf("%q in a Scan", s.Key), s.Info, s.Key)
				p.same(fmt.Sprintf("the body of %q in a Scan", s.Key), s.text, w.kept[s.Key].text)
			}
		}
	}},
	{"Shelves", func(w *world, p *probe, key backend.Key) {
		var all []string
		for k := range w.kept {
			all = append(all, k.Shelf)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		opts := w.options(all, key.Shelf)
		if opts.Prefix, opts.After = strings.ReplaceAll(opts.Prefix, "/", "-"), strings.ReplaceAll(opts.After, "/", "-"); !strings.HasPrefix(opts.Prefix, w.e.mark+w.mark) {
			opts.Prefix = w.e.mark + w.mark // others use the place
		}
		got, err := collect(p.b.Shelves(p.ctx, opts))
		if err != nil {
			p.failf("Shelves(%s): %w", described(opts), err)
		}
		if want := chosen(all, opts); p.err == nil && !slices.Equal(got, want) {
			p.failf("Shelves(%s) yields %s, want %s", described(opts), few(got), few(want))
		}
	}},
	{"GetRange", func(w *world, p *probe, key backend.Key) {
		size, version := 0, ""
		if k := w.kept[key]; k != nil {
			size = len(k.text)
			if w.rnd.IntN(2) == 0 {
				version = k.put.Version
			}
		}
		off, n := w.within(size), w.within(size)
		if w.rnd.IntN(4) == 0 {
			n = -1
		}
		text, info, err := part(p.ctx, p.b, key, version, off, n)
		what := fmt.Sprintf("GetRange(%q, version %q, off %d, n %d)", key, version, off, n)
		if !w.there(p, what, key, err) {
			return
		}
		w.is(p, what, info, key)
		spoil(info.Meta)
		want := w.kept[key].text[min(off, int64(size)):]
		if n >= 0 {
			want = want[:min(n, int64(len(want)))]
		}
		p.same(what, text, want)
	}},
	{"GetRange of another Version", func(w *world, p *probe, key backend.Key) {
		size := 0
		if k := w.kept[key]; k != nil {
			size = len(k.text)
		}
		_, _, err := part(p.ctx, p.b, key, w.stale(key), w.within(size), w.within(size))
		want := backend.ErrChanged
		if w.kept[key] == nil {
			want = backend.ErrNotFound
		}
		p.fails(fmt.Sprintf("GetRange(%q) of another Version", key), err, want)
		if has[backend.RangeGetter](p.b) {
			p.typed("GetRange of another Version", key, err)
		}
	}},
	{"Map", func(w *world, p *probe, key backend.Key) {
		v, info, err := p.tryView(key)
		what := fmt.Sprintf("Map(%q)", key)
		if errors.Is(err, errors.ErrUnsupported) || !w.there(p, what, key, err) {
			return
		}
		w.is(p, what, info, key)
		spoil(info.Meta)
		p.shows(what, v, w.kept[key].text)
		if err := v.Close(); err != nil {
			p.failf("closing a View: %w", err)
		}
	}},
	{"what IfAbsent refuses", func(w *world, p *probe, key backend.Key) {
		if w.kept[key] != nil && w.e.Limits.AtomicIfAbsent {
			w.refused(p, key, backend.PutOptions{IfAbsent: true}, nil, backend.ErrExists)
		}
	}},
	{"what IfMatch refuses", func(w *world, p *probe, key backend.Key) {
		if w.e.Limits.AtomicIfMatch {
			w.refused(p, key, backend.PutOptions{IfMatch: w.stale(key)}, nil, backend.ErrChanged)
		}
	}},
	{"what DeleteMatch refuses", func(w *world, p *probe, key backend.Key) {
		seen := []backend.Seen{{Key: key, Version: w.stale(key)}, {Key: key}}
		if w.rnd.IntN(2) == 0 {
			slices.Reverse(seen)
		}
		for i, err := range w.deleteMatch(p, seen) {
			w.changed(p, seen[i].Key, err)
		}
	}},
	{"a short body", func(w *world, p *probe, key backend.Key) {
		w.refused(p, key, backend.PutOptions{}, func(o *backend.PutOptions) { o.Size++ }, io.ErrUnexpectedEOF)
	}},
	{"a long body", func(w *world, p *probe, key backend.Key) {
		w.refused(p, key, backend.PutOptions{}, func(o *backend.PutOptions) { o.Size-- }, backend.ErrTooLong)
	}},
	{"metadata that cannot be", func(w *world, p *probe, key backend.Key) {
		w.refused(p, key, backend.PutOptions{Meta: backend.Meta{"Bad": "1"}}, nil, backend.ErrInvalidKey)
	}},
	{"too much metadata", func(w *world, p *probe, key backend.Key) {
		w.refused(p, key, backend.PutOptions{Meta: backend.Meta{"k": strings.Repeat("v", backend.MaxMeta)}}, nil, backend.ErrTooLarge)
	}},
	{"a draft that nobody puts", func(w *world, p *probe, key backend.Key) {
		if d := p.stage("a draft " + noise(w.rnd.IntN(3000), 1)); d != nil && d.Close() != nil {
			p.failf("closing a draft that was not put fails")
		}
	}},
}

// look does one look.
func (w *world) look(p *probe, l look, key backend.Key) {
	if p.err == nil {
		w.does(p, "%s: %s", l.name, brief(key))
		l.look(w, p, key)
	}
}

// there reports whether key holds a value, and wants err to say the same.
func (w *world) there(p *probe, what string, key backend.Key, err error) bool {
	if w.kept[key] == nil {
		p.fails(what, err, backend.ErrNotFound)
		p.typed(what, key, err)
		return false
	}
	if err != nil {
		p.failf("%s: %w", what, err)
	}
	return p.err == nil
}

// stale is a Version that key has not: one of its own past, one of another key that no value of its own can have, or nobody's.
func (w *world) stale(key backend.Key) string {
	past := w.past[key]
	if k := w.kept[key]; k != nil {
		past = slices.DeleteFunc(slices.Clone(past), func(v string) bool { return v == k.put.Version })
	}
	if len(past) > 0 && w.rnd.IntN(4) > 0 {
		return past[w.rnd.IntN(len(past))]
	}
	return "none"
}

// refused tries to store what must be refused, by Put or in a batch.
func (w *world) refused(p *probe, key backend.Key, opts backend.PutOptions, change func(*backend.PutOptions), want error) {
	text := fmt.Sprintf("refused %d ", w.step) + noise([]int{10, 3000, 80_000}[w.rnd.IntN(3)], uint64(w.step))
	opts = filled(text, opts)
	if change != nil {
		change(&opts)
	}
	if w.rnd.IntN(2) == 0 {
		_, err := p.b.Put(p.ctx, key, strings.NewReader(text), opts)
		p.fails(fmt.Sprintf("Put(%q, %s)", key, conditions(opts)), err, want)
		p.typed("Put", key, err)
		return
	}
	infos, err := backend.PutBatch(p.ctx, p.b, []backend.Item{{Key: key, Body: strings.NewReader(text), PutOptions: opts}})
	ierr := backend.ItemError(err, 0)
	p.fails(fmt.Sprintf("PutBatch(%q, %s)", key, conditions(opts)), ierr, want)
	p.typed("PutBatch", key, ierr)
	if p.err == nil && len(infos) > 0 && (infos[0].Version != "" || infos[0].Key != backend.Key{}) {
		p.failf("PutBatch returns the Info %+v of an item that failed", infos[0])
	}
}

// listed wants a list of a shelf to be what is there.
func (w *world) listed(p *probe, what, shelf string, opts backend.ListOptions, got []string) {
	if want := chosen(w.names(shelf), opts); p.err == nil && !slices.Equal(got, want) {
		p.failf("%s yields %s, want %s", what, few(got), few(want))
	}
}

// options draws what to ask a list for, near one of the names.
func (w *world) options(names []string, near string) (opts backend.ListOptions) {
	names = append(slices.Clone(names), near)
	draw := func() string {
		name := names[w.rnd.IntN(len(names))]
		switch w.rnd.IntN(5) {
		case 0:
			return name[:w.rnd.IntN(len(name)+1)]
		case 1:
			if len(name) < backend.MaxShelf {
				return name + string("-./0az"[w.rnd.IntN(6)])
			}
		case 2:
			return name[:len(name)-1]
		}
		return name
	}
	if w.rnd.IntN(2) == 0 {
		opts.Prefix = draw()
	}
	if w.rnd.IntN(2) == 0 {
		opts.After = draw()
	}
	if w.rnd.IntN(2) == 0 {
		opts.Limit = 1 + w.rnd.IntN(len(names)+2)
	}
	return opts
}

// within draws a place in a value, or beyond it.
func (w *world) within(size int) int64 {
	switch w.rnd.IntN(6) {
	case 0:
		return 0
	case 1:
		return int64(size)
	case 2:
		return int64(size) + 1 + w.rnd.Int64N(1<<40)
	case 3:
		return min(int64(size), 4096<<w.rnd.IntN(6))
	}
	return w.rnd.Int64N(int64(size) + 1)
}

// readings is how many of the looks come first and only read.
const readings = 8

// sees wants every look to agree with what should be there: on every handle in tier full, else on one or the other, but for
// those that come first.
func (w *world) sees(key backend.Key) {
	one := w.rnd.IntN(len(w.handles))
	for i, p := range w.handles {
		for n, l := range looks {
			if n < 3 || w.e.byTier(0, 1, 1) > 0 && !w.e.Limits.CostlyRequests || (n+one)%len(w.handles) == i {
				w.look(p, l, key)
			}
		}
		w.look(p, looks[0], key) // once more: what was refused changed nothing
	}
}
