package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/packname"
)

// What the shelf of a session holds, beside items; see package session.
const (
	sessionMeta  = "m"             // says what the session is, and whether it was closed
	sessionItems = "k"             // begins the names of items
	sessionPacks = packname.Prefix // begins the names of packs, which are merged while the session is in use

	sessionMetaMost = 2*64<<10 + 4096 // bytes; package session reads no more of what a session is
)

// copiedSession is a session whose items are copied. What it is comes last: it must not look closed at the destination before all of it
// is there. So it is read first, before the items are listed: one that was closed then gets no more of them.
type copiedSession struct {
	shelf string
	meta  *job            // nil: none
	is    sessionIs       // as meta says
	packs map[string]bool // that were listed
}

// sessionIs is what copies need to know of what a session says of itself.
type sessionIs struct {
	Layout  string
	Started time.Time // stays as it is when the session is opened again
	Closed  bool
	Nonce   string   // of the opening
	Earlier []string // nonces of those before
}

// from reports whether a session went on from what another one was at its last opening.
func (is sessionIs) from(other sessionIs) bool {
	return is.Started.Equal(other.Started) && (is.Nonce == other.Nonce || slices.Contains(is.Earlier, other.Nonce))
}

// layoutPacks is a Layout.
const layoutPacks = "packs"

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
	if json.Unmarshal(text, &s.is) != nil {
		s.is = sessionIs{Closed: true} // as far as anybody knows
	}
	return s, nil
}

// settled returns what a session is, once its items are copied; nil if that cannot be said. One that was closed when it was read first may have
// been deleted meanwhile, or opened again, and then the copy lacks some of its items. It must not look closed.
func (c *copier) settled(ctx context.Context, s *copiedSession) (*job, error) {
	if s.meta == nil || !s.is.Closed {
		return s.meta, nil
	}
	now, err := c.session(ctx, s.shelf)
	switch {
	case err != nil:
		return nil, err
	case now.meta != nil && same(now.meta.theirs, s.meta.theirs):
		return s.meta, nil
	case now.meta != nil && !now.is.Closed:
		s.meta, s.is = now.meta, now.is
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
