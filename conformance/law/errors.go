package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// What errors look like.
var errorLaws = []Law{
	{
		Name: "error/typed", Fn: typedErrors,
		Rule: "Every error is a *backend.Error, made once, with the method, the backend and the key that was asked for.",
	},
}

func typedErrors(ctx context.Context, e *Env) error {
	key, absent := e.key("s", "a"), e.key("s", "absent")
	bad := backend.Key{Shelf: key.Shelf, Name: "Not/Valid"}
	badShelf := backend.Key{Shelf: "Not-Valid"}
	p, q := e.handle(ctx), e.open(ctx)
	p.put(key, "1")
	q.close()
	if err := errors.Join(p.err, q.err); err != nil {
		return err
	}
	p.typed("Get of an absent key", absent, func() error { _, _, err := p.b.Get(ctx, absent); return err }())
	p.typed("Stat of an absent key", absent, func() error { _, err := p.b.Stat(ctx, absent); return err }())
	for _, c := range calls(p.b, bad, bad) {
		if c.single() {
			p.typed(c.name+" of an invalid key", bad, c.do(ctx))
		}
	}
	_, err := collect(p.b.List(ctx, badShelf.Shelf, backend.ListOptions{}))
	p.typed("List of an invalid shelf", badShelf, err)
	_, err = p.b.Put(ctx, key, strings.NewReader("12"), filled("1", backend.PutOptions{}))
	p.typed("Put of a long body", key, err)
	_, err = p.b.Put(ctx, key, failing("1", 0), filled("1", backend.PutOptions{}))
	p.typed("Put of a failing body", key, err)
	_, err = p.try(key, "2", backend.PutOptions{IfAbsent: true})
	p.typed("Put if absent", key, err)
	_, err = p.try(key, "2", backend.PutOptions{IfMatch: "none"})
	p.typed("Put if another version matches", key, err)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range calls(p.b, key, e.key("s", "b")) {
		p.typed(c.name+" with a cancelled context", c.key, c.do(cancelled))
	}
	for _, c := range calls(q.b, key, e.key("s", "b")) {
		p.typed(c.name+" after Close", c.key, c.do(ctx))
	}
	return p.err
}

// opNames are what errors call methods.
var opNames = []string{
	"open", "get", "stat", "put", "delete", "list", "shelves", "close", "get range", "map", "stage", "scan", "put batch", "delete batch", "find", "acquire", "renew", "release", "sweep", "salvage",
}

// typed wants err to be one *backend.Error that names key.
func (p *probe) typed(what string, key backend.Key, err error) {
	var outer, inner *backend.Error
	switch {
	case err == nil:
		p.failf("%s succeeds, want an error", what)
	case !errors.As(err, &outer):
		p.failf("%s = %T %q, want a *backend.Error", what, err, err)
	case outer.Op == "" || outer.Backend == "" || outer.Err == nil:
		p.failf("%s = %#v, want an error that names the method, the backend and the cause", what, outer)
	case !slices.Contains(opNames, outer.Op):
		p.failf("%s = an error with the Op %q, want a method in lower case, one of %q", what, outer.Op, opNames)
	case errors.As(outer.Err, &inner):
		p.failf("%s = %q, an error wrapped twice", what, err)
	case outer.Key == backend.Key{} && (key.Name == "" || strings.Contains(what, "Batch")):
		// A list and a batch need not name a key.
	case outer.Key != key:
		p.failf("%s = an error with the key %q, want %q", what, outer.Key, key)
	}
	if method, _, _ := strings.Cut(what, " "); opOf(method) != "" {
		p.op(what, err, opOf(method))
	}
}

// op wants err to say that it is of the method op. The methods of [backend.Backend] and the items of batches
// have no choice; other abilities may fail as the methods that they are made of.
func (p *probe) op(what string, err error, op string) {
	var e *backend.Error
	if errors.As(err, &e) && e.Op != op {
		p.failf("%s = %q, an error with the Op %q, want %q", what, err, e.Op, op)
	}
}

// opOf is what the errors of a method of [backend.Backend] call it; empty for those of abilities.
func opOf(method string) string {
	switch method {
	case "Get", "Stat", "Put", "Delete", "List", "Shelves":
		return strings.ToLower(method)
	}
	return ""
}

// call is one method with arguments that suit a backend with a value under key and none
// under other. It stores "2" under other if it stores anything.
type call struct {
	name string
	key  backend.Key // the key of its error, if that names one
	do   func(ctx context.Context) error
}

// single reports whether the method is about one key.
func (c call) single() bool {
	return !slices.Contains([]string{"List", "Scan", "Shelves", "Acquire", "Stage", "Sweep", "Find"}, c.name)
}

// reads reports whether the method leaves all as it is.
func (c call) reads() bool {
	return slices.Contains([]string{"Get", "Stat", "List", "Shelves", "GetRange", "GetRange of nothing", "Scan", "Map"}, c.name)
}

func calls(b backend.Backend, key, other backend.Key) []call {
	two := func() (*strings.Reader, backend.PutOptions) {
		return strings.NewReader("2"), filled("2", backend.PutOptions{})
	}
	list := backend.ListOptions{}
	all := []call{
		{"Get", key, func(ctx context.Context) error { _, _, err := load(ctx, b, key); return err }},
		{"Stat", key, func(ctx context.Context) error { _, err := b.Stat(ctx, key); return err }},
		{"Put", other, func(ctx context.Context) error {
			body, opts := two()
			_, err := b.Put(ctx, other, body, opts)
			return err
		}},
		{"Delete", key, func(ctx context.Context) error { return b.Delete(ctx, key) }},
		{"List", backend.Key{Shelf: key.Shelf}, func(ctx context.Context) error { _, err := collect(b.List(ctx, key.Shelf, list)); return err }},
		{"Shelves", backend.Key{}, func(ctx context.Context) error { _, err := collect(b.Shelves(ctx, backend.ListOptions{})); return err }},
	}
	if has[backend.RangeGetter](b) {
		all = append(all, call{"GetRange", key, func(ctx context.Context) error {
			body, _, err := backend.GetRange(ctx, b, key, "", 0, 1)
			if err != nil {
				return err
			}
			_, err = io.ReadAll(body)
			return errors.Join(err, body.Close())
		}}, call{"GetRange of nothing", key, func(ctx context.Context) error {
			body, _, err := backend.GetRange(ctx, b, key, "", 0, 0)
			if err != nil {
				return err
			}
			return body.Close()
		}})
	}
	if has[backend.Scanner](b) {
		all = append(all, call{"Scan", backend.Key{Shelf: key.Shelf}, func(ctx context.Context) error {
			_, err := collect(backend.Scan(ctx, b, key.Shelf, list))
			return err
		}})
	}
	if has[backend.BatchPutter](b) {
		all = append(all, call{"PutBatch", other, func(ctx context.Context) error {
			body, opts := two()
			_, err := backend.PutBatch(ctx, b, []backend.Item{{Key: other, Body: body, PutOptions: opts}})
			return backend.ItemError(err, 0)
		}})
	}
	if has[backend.BatchDeleter](b) {
		all = append(all, call{"DeleteBatch", key, func(ctx context.Context) error {
			return backend.ItemError(backend.DeleteBatch(ctx, b, []backend.Key{key}), 0)
		}})
	}
	if has[backend.MatchDeleter](b) {
		all = append(all, call{"DeleteMatch", key, func(ctx context.Context) error {
			seen := backend.Seen{Key: key, Version: "none"}
			if info, err := b.Stat(context.WithoutCancel(ctx), key); err == nil {
				seen.Version = info.Version
			}
			return backend.ItemError(backend.DeleteMatch(ctx, b, []backend.Seen{seen}), 0)
		}})
	}
	if has[backend.Mapper](b) {
		all = append(all, call{"Map", key, func(ctx context.Context) error {
			v, _, err := (&probe{ctx: ctx, b: b}).tryView(key)
			if errors.Is(err, errors.ErrUnsupported) { // and then it is read
				_, err := b.Stat(ctx, key)
				return err
			}
			if err != nil {
				return err
			}
			return v.Close()
		}})
	}
	if has[backend.Stager](b) {
		all = append(all, call{"Stage", backend.Key{}, func(ctx context.Context) error {
			s, _ := backend.As[backend.Stager](bare(b))
			var d backend.Draft
			err := patiently(ctx, func() (err error) {
				d, err = s.Stage(ctx)
				return err
			})
			if errors.Is(err, errors.ErrUnsupported) {
				_, err := collect(b.Shelves(ctx, backend.ListOptions{}))
				return err
			}
			if err != nil {
				return err
			}
			return d.Close()
		}})
	}
	if has[backend.Leaser](b) {
		all = append(all, call{"Acquire", backend.Key{}, func(ctx context.Context) error {
			// Another name each time: whether a cancelled call got it is unknown.
			lease, err := (&probe{ctx: ctx, b: b}).tryAcquire(fmt.Sprintf("law-%08x-calls", randomMark()), time.Minute)
			if err != nil {
				return err
			}
			return lease.Release(context.WithoutCancel(ctx))
		}})
	}
	if has[backend.Sweeper](b) {
		all = append(all, call{"Sweep", backend.Key{}, func(ctx context.Context) error {
			_, err := backend.Sweep(ctx, b, backend.SweepOptions{})
			return err
		}})
	}
	if f, ok := backend.As[backend.Finder](b); ok && has[backend.Finder](b) {
		all = append(all, call{"Find", backend.Key{Shelf: backend.ShelfComponents}, func(ctx context.Context) error {
			_, err := collect(f.Find(ctx, component.Query{}))
			return err
		}})
	}
	return all
}
