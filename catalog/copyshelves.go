package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// What the shelf of a session holds, beside items; see package session.
const (
	sessionMeta  = "m"  // says what the session is, and whether it was closed
	sessionPacks = "p/" // begins the names of packs, which are merged while the session is in use

	sessionMetaMost = 2*64<<10 + 4096 // bytes; package session reads no more of what a session is
)

// copiedSession is a session whose items are copied. What it is comes last: it must not look closed at the destination before all of it
// is there. So it is read first, before the items are listed: one that was closed then gets no more of them.
type copiedSession struct {
	shelf  string
	meta   *job            // nil: none
	closed bool            // as meta says
	packs  map[string]bool // that were listed
}

// shelves copies sessions, and without a condition all shelves that travel. It returns the sessions, which are left to seal.
func (c *copier) shelves(ctx context.Context) (sessions []*copiedSession, err error) {
	opts := backend.ListOptions{}
	if !all(c.Where) {
		opts.Prefix = sessionShelves
	}
	for shelf, err := range c.from.Shelves(ctx, opts) {
		if err != nil {
			return nil, err
		}
		if !travels(shelf) || shelf == backend.ShelfCache || shelf == backend.ShelfComponents {
			continue
		}
		var hold func(backend.Info) bool
		if strings.HasPrefix(shelf, sessionShelves) {
			s, err := c.session(ctx, shelf)
			if err != nil {
				return nil, err
			}
			sessions = append(sessions, s)
			hold = func(info backend.Info) bool {
				s.see(info.Key.Name)
				return info.Key.Name == sessionMeta
			}
		}
		if err := c.shelf(ctx, shelf, backend.ListOptions{}, hold); err != nil {
			return nil, err
		}
	}
	return sessions, nil
}

// session reads what a session is.
func (c *copier) session(ctx context.Context, shelf string) (*copiedSession, error) {
	s := &copiedSession{shelf: shelf, packs: map[string]bool{}}
	body := &sourceBody{ctx: ctx, b: c.from, info: backend.Info{Key: backend.Key{Shelf: shelf, Name: sessionMeta}}}
	defer body.Close()
	err := body.open()
	if errors.Is(err, larder.ErrNotFound) {
		return s, nil
	}
	var text []byte
	if err == nil && body.info.Size <= sessionMetaMost { // else it is something else
		text, err = io.ReadAll(body)
	}
	if err != nil {
		return s, c.unreadable(body.info.Key, err)
	}
	s.meta = &job{theirs: body.info, unsure: true}
	if int64(len(text)) == body.info.Size {
		s.meta.from = &pinned{c.from, text, body.info}
	}
	var said struct{ Closed bool }
	s.closed = json.Unmarshal(text, &said) != nil || said.Closed
	return s, nil
}

// settled returns what a session is, once its items are copied; nil if that cannot be said. One that was closed when it was read first may have
// been deleted meanwhile, or opened again, and then the copy lacks some of its items. It must not look closed.
func (c *copier) settled(ctx context.Context, s *copiedSession) (*job, error) {
	if s.meta == nil || !s.closed {
		return s.meta, nil
	}
	now, err := c.session(ctx, s.shelf)
	switch {
	case err != nil:
		return nil, err
	case now.meta != nil && same(now.meta.theirs, s.meta.theirs):
		return s.meta, nil
	case now.meta != nil && !now.closed:
		s.meta, s.closed = now.meta, false
		return s.meta, nil
	}
	c.count(func(r *CopyReport) { r.Gone++ })
	return nil, nil
}

// see reports whether a name is that of a pack that was not listed before.
func (s *copiedSession) see(name string) bool {
	if !strings.HasPrefix(name, sessionPacks) || s.packs[name] {
		return false
	}
	s.packs[name] = true
	return true
}

// pinned is a source as it was when one entry was read.
type pinned struct {
	backend.Backend
	text []byte
	info backend.Info
}

// Get implements [backend.Backend] for that entry.
func (p *pinned) Get(context.Context, backend.Key) (io.ReadCloser, backend.Info, error) {
	return backend.NewBody(bytes.Clone(p.text)), p.info, nil
}

// relists bounds how often a session that changes is listed anew.
const relists = 10

// seal copies what comes last.
func (c *copier) seal(ctx context.Context, sessions []*copiedSession) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, s := range sessions {
		g.Go(func() error { return c.sealOne(ctx, s) })
	}
	return g.Wait()
}

// sealOne copies what a session is, after the packs that are left. Those of a session in use may have been merged between being listed
// and being read, or while they were listed, so that the list lacks them and what took their place. So packs are looked for until none is
// new and none is gone.
func (c *copier) sealOne(ctx context.Context, s *copiedSession) error {
	for n, changed := 0, true; changed && n < relists; n++ {
		var err error
		if changed, err = c.packsAnew(ctx, s); err != nil {
			return err
		}
	}
	meta, err := c.settled(ctx, s)
	if err != nil || meta == nil {
		return err
	}
	return c.batch(ctx, []job{*meta})
}

// packsAnew copies the packs that were not listed before, in this goroutine. It reports whether there were any, or one was gone.
func (c *copier) packsAnew(ctx context.Context, s *copiedSession) (changed bool, err error) {
	c.lost(s.shelf)
	for info, err := range c.from.List(ctx, s.shelf, backend.ListOptions{Prefix: sessionPacks}) {
		if err != nil {
			return false, err
		}
		if !s.see(info.Key.Name) {
			continue
		}
		changed = true
		if err := c.batch(ctx, []job{{theirs: info, unsure: true}}); err != nil {
			return false, err
		}
	}
	return c.lost(s.shelf) || changed, nil
}

// lost reports whether an entry of a shelf was gone when it was read, since it was last called.
func (c *copier) lost(shelf string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := c.gone[shelf]
	delete(c.gone, shelf)
	return gone
}

// provenance copies the descriptions of components and of all that they were computed from. It remembers their keys: some 100
// bytes each.
type provenance struct {
	c    *copier
	seen map[string]bool
	left *contents // what stages left, once a file was met
}

// add copies the descriptions of a component and what it was computed from, unless it did so before.
func (p *provenance) add(ctx context.Context, id string) error {
	jobs, err := p.of(ctx, id)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(jobs, p.c.most) {
		if err := p.c.send(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// of returns the descriptions of a component and of all that it was computed from, but for those that it returned before.
func (p *provenance) of(ctx context.Context, id string) (jobs []job, err error) {
	if p.seen[id] {
		return nil, nil
	}
	p.seen[id] = true
	for todo := []string{id}; len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		inputs, file, info, ok, err := p.describe(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok {
			jobs = append(jobs, job{theirs: info, unsure: true})
		}
		if file || !ok { // buckets are not told of files what they are
			makers, err := p.makers(ctx, id)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, makers...)
		}
		for _, input := range inputs {
			if !p.seen[input] {
				p.seen[input] = true
				todo = append(todo, input)
			}
		}
	}
	return jobs, nil
}

// unneeded reports whether an entry of ShelfOutputs is not about a component that add met.
func (p *provenance) unneeded(note backend.Info) bool {
	maker, _, _ := strings.Cut(note.Key.Name, "/")
	return !p.seen[maker]
}

// makers returns the components that left a file, or have a value of its contents.
func (p *provenance) makers(ctx context.Context, file string) (ids []string, err error) {
	if p.left == nil {
		if p.left, err = readContents(ctx, p.c.src, nil); err != nil {
			return nil, err
		}
	}
	for _, m := range p.left.makers[file] {
		ids = append(ids, m.id)
	}
	return ids, nil
}

// describe returns the inputs of a component, whether it is a file, and what there is to copy of its description.
func (p *provenance) describe(ctx context.Context, id string) (inputs []string, file bool, info backend.Info, ok bool, err error) {
	key := backend.Key{Shelf: backend.ShelfComponents, Name: id}
	if key.Validate() != nil {
		return nil, false, info, false, nil
	}
	body := &sourceBody{ctx: ctx, b: p.c.from, info: backend.Info{Key: key}}
	text, err := body.all(keying.MaxPreimage)
	if err != nil {
		if errors.Is(err, larder.ErrNotFound) { // a value that was stored by other means has none
			return nil, false, info, false, nil
		}
		return nil, false, info, false, p.c.unreadable(key, err)
	}
	d, err := keying.Decode(text)
	if err == nil {
		inputs, file = d.Inputs, d.Type == component.FileType
	}
	return inputs, file, body.info, true, nil
}
