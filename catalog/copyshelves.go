package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

// sessionMeta is the entry that says what a session is, and whether it was closed; see package session.
const sessionMeta = "m"

// shelves copies sessions, and without a condition all shelves that travel. It returns what must come last: a session must not
// look closed at the destination before all of it is there.
func (c *copier) shelves(ctx context.Context) (sealed []job, err error) {
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
			hold = func(info backend.Info) bool {
				if info.Key.Name != sessionMeta {
					return false
				}
				sealed = append(sealed, job{theirs: info, unsure: true})
				return true
			}
		}
		if err := c.shelf(ctx, shelf, backend.ListOptions{}, hold); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

// relists bounds how often a session that changes is listed anew.
const relists = 10

// seal copies what comes last. The packs of a session in use may have been merged between being listed and being read: then
// what took their place is copied first.
func (c *copier) seal(ctx context.Context, sealed []job) error {
	for range relists {
		c.mu.Lock()
		gone := c.gone
		c.gone = map[string]bool{}
		c.mu.Unlock()
		again := false
		for shelf := range gone {
			if !strings.HasPrefix(shelf, sessionShelves) {
				continue
			}
			again = true
			if err := c.shelfAnew(ctx, shelf); err != nil {
				return err
			}
		}
		if !again {
			break
		}
	}
	for batch := range slices.Chunk(sealed, c.most) {
		if err := c.batch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// shelfAnew copies what is new on a shelf, in this goroutine.
func (c *copier) shelfAnew(ctx context.Context, shelf string) error {
	for info, err := range c.from.List(ctx, shelf, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		if info.Key.Name == sessionMeta {
			continue
		}
		if _, err := c.to.Stat(ctx, info.Key); !errors.Is(err, larder.ErrNotFound) {
			continue // it was compared before
		}
		if err := c.batch(ctx, []job{{theirs: info, unsure: true}}); err != nil {
			return err
		}
	}
	return nil
}

// provenance copies the descriptions of components and of all that they were computed from. It remembers their keys: some 100
// bytes each.
type provenance struct {
	c      *copier
	costly bool // what stages left is not looked for one by one
	seen   map[string]bool
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
		inputs, info, ok, err := p.describe(ctx, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		jobs = append(jobs, job{theirs: info, unsure: true})
		if !all(p.c.Where) && !p.costly { // else the notes come with their shelf
			for note, err := range p.c.from.List(ctx, ShelfOutputs, backend.ListOptions{Prefix: id + "/"}) {
				if err != nil {
					return nil, err
				}
				jobs = append(jobs, job{theirs: note, unsure: true})
			}
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

// describe returns the inputs of a component, and what there is to copy of its description.
func (p *provenance) describe(ctx context.Context, id string) (inputs []string, info backend.Info, ok bool, err error) {
	key := backend.Key{Shelf: backend.ShelfComponents, Name: id}
	if key.Validate() != nil {
		return nil, info, false, nil
	}
	body := &sourceBody{ctx: ctx, b: p.c.from, info: backend.Info{Key: key}}
	text, err := body.all(keying.MaxPreimage)
	if err != nil {
		if errors.Is(err, larder.ErrNotFound) { // a value that was stored by other means has none
			return nil, info, false, nil
		}
		return nil, info, false, p.c.unreadable(key, err)
	}
	d, err := keying.Decode(text)
	if err == nil {
		inputs = d.Inputs
	}
	return inputs, body.info, true, nil
}
