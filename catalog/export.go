package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/sums"
)

// An Archive takes the entries of a store one by one, in byte order of shelves and names, as the Writer of package backend/tar
// does. An entry whose body fails leaves it as it was.
type Archive interface {
	Add(info backend.Info, body io.Reader) error
}

// Export is [Copy] to an archive. What the stores hold goes into it as one: base, which may be nil, is what it held before, the
// destination as far as [CopyOptions] speak of one, and travels as a whole. Where and Sessions choose from src.
//
// The order is fixed and each entry has the time at which it was first stored, so that the same contents give the same archive. Entries are
// verified on the way, and nothing is done in parallel. After an error the archive is of no use.
func Export(ctx context.Context, to Archive, base, src *larder.Store, opts CopyOptions) (CopyReport, error) {
	if base == nil {
		base = larder.New(empty{}, nil)
	}
	c := newCopier(base, src, opts)
	c.DryRun = true // of what base is concerned
	if err := c.ready(ctx); err != nil {
		return CopyReport{}, err
	}
	c.DryRun, c.anew = opts.DryRun, true
	e := &exporter{copier: c, archive: to}
	err := e.run(ctx)
	if err == nil {
		err = c.sourceThere(ctx)
	}
	return c.report, err
}

type exporter struct {
	*copier
	archive Archive
	session *copiedSession // whose entries were added last
}

func (e *exporter) run(ctx context.Context) error {
	shelves, err := e.shelfNames(ctx)
	if err != nil {
		return err
	}
	needed := &provenance{c: e.copier, seen: map[string]bool{}}
	for _, shelf := range shelves {
		ours, theirs := e.to.List(ctx, shelf, backend.ListOptions{}), nothing
		switch {
		case shelf == backend.ShelfStore:
			if err := e.addRecord(ctx); err != nil {
				return err
			}
			continue
		case strings.HasPrefix(shelf, sessionShelves) && (e.Sessions || all(e.Where)):
			s, err := e.copier.session(ctx, shelf)
			if err != nil {
				return err
			}
			what, err := e.mixed(ctx, s)
			if err != nil {
				return err
			}
			if what == Replaced {
				ours = nothing
			}
			if what == Replaced || what == "" {
				theirs = e.inSession(ctx, s)
			}
		case all(e.Where):
			theirs = e.from.List(ctx, shelf, backend.ListOptions{})
		case shelf == backend.ShelfCache:
			theirs = e.chosen(ctx, needed)
		case shelf == backend.ShelfComponents:
			theirs = e.described(ctx, needed)
		case shelf == ShelfOutputs: // which comes after the others, in order
			theirs = e.noted(ctx, needed)
		}
		if err := e.merge(ctx, ours, theirs); err != nil {
			return err
		}
	}
	return nil
}

// nothing is an empty list.
func nothing(func(backend.Info, error) bool) {}

// shelfNames returns the shelves of both stores that travel, and that of the record, in order.
func (e *exporter) shelfNames(ctx context.Context) ([]string, error) {
	names := map[string]bool{backend.ShelfStore: true}
	for _, b := range []backend.Backend{e.to, e.from} {
		for shelf, err := range b.Shelves(ctx, backend.ListOptions{}) {
			if err != nil {
				return nil, err
			}
			if travels(shelf) {
				names[shelf] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// chosen yields the values that fulfil the condition, and notes their descriptions.
func (e *exporter) chosen(ctx context.Context, needed *provenance) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for v, err := range Find(ctx, e.src, component.Query{Where: e.Where}) {
			if err == nil {
				_, err = needed.of(ctx, v.ID)
			}
			if !yield(v.Info, err) || err != nil {
				return
			}
		}
	}
}

// described yields the descriptions that were noted.
func (e *exporter) described(ctx context.Context, needed *provenance) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(needed.seen)) {
			info, err := e.from.Stat(ctx, backend.Key{Shelf: backend.ShelfComponents, Name: id})
			if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) || errors.Is(err, backend.ErrInvalidKey) {
				continue
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

// inSession yields what a session holds: what it is as it was before its items were listed, and of packs all that come to
// be while others are added, since those that they were merged from may be gone. A pack comes after those that were merged into it, and
// packs after all else.
func (e *exporter) inSession(ctx context.Context, s *copiedSession) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		shelf := s.shelf
		e.session = s
		var told *job // what the session is, if it was added
		opts := backend.ListOptions{}
		for n := 0; n < relists; n++ {
			e.lost(shelf)
			fresh := false
			for info, err := range e.from.List(ctx, shelf, opts) {
				if err == nil && info.Key.Name == sessionMeta {
					if s.meta, err = e.settled(ctx, s); err == nil && s.meta == nil {
						continue
					}
					if told = s.meta; told != nil {
						info = told.theirs
					}
				}
				if s.see(info.Key.Name) {
					fresh, opts.After = true, info.Key.Name
				}
				if !yield(info, err) || err != nil {
					return
				}
			}
			if opts.Prefix = sessionPacks; n > 0 && !fresh && !e.lost(shelf) {
				break
			}
		}
		if told == nil {
			return
		}
		if meta, err := e.settled(ctx, s); err != nil || meta != told {
			yield(backend.Info{}, cmp.Or(err, fmt.Errorf("the session %q was deleted, or opened again, while it was exported: try again", shelf)))
		}
	}
}

// noted yields what is noted of the components that are described.
func (e *exporter) noted(ctx context.Context, needed *provenance) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range e.from.List(ctx, ShelfOutputs, backend.ListOptions{}) {
			if err == nil && needed.unneeded(info) {
				continue
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

// cursor is the present step of a list.
type cursor struct {
	next func() (backend.Info, error, bool)
	info backend.Info
	err  error
	ok   bool // there is a present step
}

func (c *cursor) step() { c.info, c.err, c.ok = c.next() }

// before reports whether the present entry of c comes before that of d.
func (c *cursor) before(d *cursor) bool {
	return c.ok && (!d.ok || c.info.Key.Name < d.info.Key.Name)
}

// merge adds the entries of one shelf of both stores.
func (e *exporter) merge(ctx context.Context, ours, theirs iter.Seq2[backend.Info, error]) error {
	var a, b cursor
	var stop func()
	a.next, stop = iter.Pull2(ours)
	defer stop()
	b.next, stop = iter.Pull2(theirs)
	defer stop()
	a.step()
	b.step()
	for a.ok || b.ok {
		err := errors.Join(a.err, b.err, context.Cause(ctx))
		if err != nil {
			return err
		}
		switch {
		case a.before(&b):
			err = e.add(ctx, e.to, a.info, false)
			a.step()
		case b.before(&a):
			err = e.add(ctx, e.from, b.info, true)
			b.step()
		default:
			err = e.both(ctx, a.info, b.info)
			a.step()
			b.step()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// both adds one of two entries under one key.
func (e *exporter) both(ctx context.Context, ours, theirs backend.Info) error {
	j := &job{theirs: theirs, ours: ours, there: true}
	_, copied, err := e.decide(ctx, j)
	if err != nil {
		return err
	}
	if !copied {
		return e.add(ctx, e.to, ours, false)
	}
	e.found(CopyFinding{Key: theirs.Key, What: Replaced, Theirs: j.theirs, Ours: ours})
	return e.add(ctx, e.from, theirs, true)
}

// add verifies an entry, and adds it. It is counted as copied if it is new.
func (e *exporter) add(ctx context.Context, from backend.Backend, info backend.Info, isNew bool) error {
	if e.DryRun {
		if isNew {
			e.copied(job{theirs: info})
		}
		return nil
	}
	if s := e.session; isNew && s != nil && s.meta != nil && s.meta.from != nil && info.Key == s.meta.theirs.Key {
		from = s.meta.from
	}
	body := &sourceBody{ctx: ctx, b: from, info: backend.Info{Key: info.Key}}
	defer body.Close()
	err := body.open()
	if err == nil {
		err = named(body.info)
	}
	if err != nil {
		return e.unreadable(info.Key, err)
	}
	info = body.info
	info.ModTime = larder.Stored(info)
	info.Meta = maps.Clone(info.Meta)
	delete(info.Meta, larder.MetaStored) // the archive has a place of its own for it
	if err := e.archive.Add(info, body); err != nil && body.err != nil {
		return e.unreadable(info.Key, body.err)
	} else if err != nil {
		return err
	}
	if isNew {
		e.copied(job{theirs: info})
	}
	return nil
}

// addRecord adds what the archive says of itself, as a store: nothing of when and by whom, or the same contents would give
// another archive.
func (e *exporter) addRecord(ctx context.Context) error {
	if e.DryRun {
		return nil
	}
	r := larder.Record{Format: recordFormat, Made: time.Unix(0, 0).UTC()}
	for _, s := range []*larder.Store{e.dst, e.src} {
		name, err := s.KeysName(ctx)
		if err != nil {
			return err
		}
		r.Keys = cmp.Or(r.Keys, name)
	}
	if r.Keys == "" {
		return nil // nothing is in it that has a key
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	info := backend.Info{Key: recordKey, Size: int64(len(text)), ModTime: r.Made, Meta: backend.Meta{codec.MetaKey: codec.Raw}}
	info.Digest, info.Sum = sums.Of(text)
	return e.archive.Add(info, bytes.NewReader(text))
}

// recordFormat is the format of stores that an archive has.
const recordFormat = 1
