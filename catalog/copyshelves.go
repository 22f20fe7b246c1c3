package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
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
