package law

import (
	"context"
	"fmt"
	"iter"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// repeated wants a list of n, the first of which change takes away, to begin anew each time that it is ranged over.
func repeated[T any](what string, seq iter.Seq2[T, error], n int, change func()) error {
	for _, err := range seq { // left early
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		break
	}
	for _, want := range []int{n, n, n - 1} {
		if want < n {
			change()
		}
		got, err := collect(seq)
		if err != nil {
			return fmt.Errorf("%s, ranged over again: %w", what, err)
		}
		if len(got) != want {
			return fmt.Errorf("%s, ranged over again, yields %d, want %d", what, len(got), want)
		}
	}
	return nil
}

func scanTwice(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 20)
	p.fill(keys)
	if p.err != nil {
		return p.err
	}
	err := repeated("Scan", backend.Scan(ctx, p.b, e.Shelf("s"), backend.ListOptions{}), len(keys), func() { p.remove(keys[0]) })
	if err == nil { // of ten with the Prefix
		few := backend.Scan(ctx, p.b, e.Shelf("s"), backend.ListOptions{Prefix: "00001", Limit: 7})
		err = repeated("Scan with a Limit", few, 7, func() { p.removeAll(keys[10:14]) })
	}
	if p.err != nil {
		return p.err
	}
	return err
}

func shelvesTwice(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var keys []backend.Key
	for i := range 5 {
		keys = append(keys, e.key(fmt.Sprint("twice-", i), "a"))
	}
	p.fill(keys)
	if p.err != nil {
		return p.err
	}
	seq := p.b.Shelves(ctx, backend.ListOptions{Prefix: e.mark + "twice-"})
	err := repeated("Shelves", seq, len(keys), func() { p.remove(keys[0]) })
	if err == nil { // of four that are left
		few := p.b.Shelves(ctx, backend.ListOptions{Prefix: e.mark + "twice-", Limit: 3})
		err = repeated("Shelves with a Limit", few, 3, func() { p.removeAll(keys[1:3]) })
	}
	if p.err != nil {
		return p.err
	}
	return err
}

func findTwice(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.describe(e)
	if p.err != nil {
		return p.err
	}
	finder, _ := backend.As[backend.Finder](p.b)
	err := repeated("Find", finder.Find(ctx, component.Query{}), len(components()), func() {
		p.remove(backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: components()[0].says.Key})
	})
	if p.err != nil {
		return p.err
	}
	return err
}
