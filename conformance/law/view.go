package law

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// What a Mapper of a backend's own shows. A value that it refuses to show is read.
var viewLaws = []Law{
	{
		Name: "view/bytes", Needs: []Need{Maps}, Fn: viewBytes,
		Rule: "A View shows the value as Get reads it, with its Info; an absent key is ErrNotFound.",
	},
	{
		Name: "view/snapshot", Needs: []Need{Maps}, Fn: viewSnapshot,
		Rule: "A View stays as it is while its key is overwritten or deleted, by whichever call, swept, another View of it closed, and its handle closed, and a later one shows what is there by then; Close may be called again.",
	},
	{
		Name: "view/whole", Needs: []Need{Maps}, Fn: viewWhole,
		Rule: "While others overwrite, a View comes with the Info that belongs to its bytes.",
	},
}

// tryView maps a value, patiently. Without the ability it is [errors.ErrUnsupported].
func (p *probe) tryView(key backend.Key) (v *backend.View, info backend.Info, err error) {
	m, ok := backend.As[backend.Mapper](bare(p.b))
	if !ok {
		return nil, info, errors.ErrUnsupported
	}
	err = patiently(p.ctx, func() error {
		v, info, err = m.Map(p.ctx, key)
		return err
	})
	return v, info, err
}

// view shows a value; nil where it cannot be shown.
func (p *probe) view(key backend.Key) (*backend.View, backend.Info) {
	if p.err != nil {
		return nil, backend.Info{}
	}
	v, info, err := p.tryView(key)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, info
	}
	if err != nil {
		p.failf("Map(%q): %w", key, err)
		return nil, info
	}
	return v, info
}

// shows reports what a View shows.
func (p *probe) shows(what string, v *backend.View, want string) {
	err := v.Use(func(b []byte) error {
		p.same(what, string(b), want)
		return nil
	})
	if err != nil {
		p.failf("%s: %w", what, err)
	}
}

func viewBytes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{0, 1}, someSizes...) {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		put := p.putWith(key, text, backend.PutOptions{Meta: backend.Meta{"codec": "raw"}})
		v, info := p.view(key)
		if v == nil {
			continue
		}
		p.shows(fmt.Sprintf("the View of %d bytes", n), v, text)
		p.about("the Info of a View", info, key, text)
		p.sameMeta("the Info of a View", info.Meta, put.Meta)
		if info.Version != put.Version {
			p.failf("a View has Version %q, and Put returned %q", info.Version, put.Version)
		}
		if err := v.Close(); err != nil {
			p.failf("closing a View: %w", err)
		}
	}
	_, _, err := p.tryView(e.key("s", "absent"))
	if !errors.Is(err, errors.ErrUnsupported) { // a near store does not know what is far
		p.fails("Map of an absent key", err, backend.ErrNotFound)
		p.typed("Map of an absent key", e.key("s", "absent"), err)
	}
	return p.err
}

func viewSnapshot(ctx context.Context, e *Env) error {
	p, q := e.handle(ctx), e.open(ctx)
	for _, n := range append([]int{1}, someSizes...) {
		over, gone := e.key("s", fmt.Sprint("over-", n)), e.key("s", fmt.Sprint("gone-", n))
		p.put(over, noise(n, 1))
		p.put(gone, noise(n, 2))
		first, _ := q.view(over)
		second, _ := q.view(gone)
		if first == nil || second == nil {
			continue
		}
		p.put(over, noise(n, 3))
		if again, info := q.view(over); again != nil { // of the same size
			p.shows("a View of what took the place of an overwritten value", again, noise(n, 3))
			p.about("its Info", info, over, noise(n, 3))
			again.Close()
		}
		p.put(over, noise(n/2, 4))
		p.remove(gone)
		if can[backend.Sweeper](e) {
			p.sweep(backend.SweepOptions{Grace: shortest})
		}
		p.shows("a View of what was overwritten", first, noise(n, 1))
		p.shows("a View of what was deleted", second, noise(n, 2))
		for range 2 {
			if err := errors.Join(first.Close(), second.Close()); err != nil {
				p.failf("closing a View: %w", err)
			}
		}
	}
	for _, n := range someSizes {
		for call, gone := range map[string]func(key backend.Key){
			"DeleteBatch": func(key backend.Key) { p.removeAll([]backend.Key{key}) },
			"DeleteMatch": func(key backend.Key) { p.removeSeenAs(key, p.stat(key).Version) },
			"PutBatch":    func(key backend.Key) { p.putAll([]backend.Item{item(key, noise(n, 7), backend.PutOptions{})}) },
		} {
			key := e.key("s", fmt.Sprint(strings.ToLower(call), "-", n))
			p.put(key, noise(n, 6))
			first, _ := q.view(key)
			second, _ := q.view(key)
			if first == nil || second == nil {
				continue
			}
			if err := first.Close(); err != nil {
				p.failf("closing a View: %w", err)
			}
			p.shows("a View of which another was closed", second, noise(n, 6))
			gone(key)
			p.shows("a View of a value that "+call+" took away", second, noise(n, 6))
			if err := second.Close(); err != nil {
				p.failf("closing a View: %w", err)
			}
		}
	}
	key, text := e.key("s", "last"), noise(someSizes[len(someSizes)-1], 5)
	p.put(key, text)
	v, _ := q.view(key)
	if err := q.b.Close(); err != nil {
		p.failf("closing the handle of a View: %w", err)
	}
	if v != nil {
		p.shows("a View whose handle was closed", v, text)
		v.Close()
	}
	return errors.Join(p.err, q.err)
}

func viewWhole(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	p.put(key, noise(someSizes[1], 0))
	if p.err != nil {
		return p.err
	}
	var done atomic.Bool
	return crowd(2, func(w int) error {
		q := p.with(ctx)
		if w == 0 {
			for i := 0; !done.Load() && q.err == nil; i++ {
				q.put(key, noise(someSizes[1]+i%97, uint64(i)))
			}
			return q.err
		}
		defer done.Store(true)
		for range e.pick(100, 500, 5000) {
			v, info := q.view(key)
			if v == nil {
				continue // as it may, and then fails where that is an error
			}
			err := v.Use(func(b []byte) error { return whole(string(b), info) })
			if err := errors.Join(err, v.Close()); err != nil {
				q.failf("beside overwrites Map shows %w", err)
			}
		}
		return q.err
	})
}
