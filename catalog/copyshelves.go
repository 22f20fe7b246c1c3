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
			what, err := c.mixed(ctx, s)
			if err != nil {
				return nil, err
			}
			if what == Kept || what == Conflict {
				continue
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
