package backend

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/larder-store/larder/component"
)

// ShelfCache and ShelfComponents are the shelves of a Store: values of results,
// named <component key>/<attribute>, and what each component is, named by its key.
const (
	ShelfCache      = "cache"
	ShelfComponents = "components"
	ShelfStore      = "larder.store" // what a Store says of itself
)

// OwnShelves begins the names of shelves that hold no results, but what Larder itself needs to know.
const OwnShelves = "larder."

// NearOf is where a store that is near to another one, as package tier has it, says to which: by that store's place and a line end. What
// is in such a store means something to package tier alone.
var NearOf = Key{Shelf: OwnShelves + "tier", Name: "source"}

// NearTo returns the place of the store that b is near to, empty if it is near to none or cannot say. It costs a request.
func NearTo(ctx context.Context, b Backend) string {
	place, _, err := GetVerified(ctx, b, NearOf)
	if errors.Is(err, ErrCorrupt) {
		return "a store whose place can no longer be read"
	}
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(place))
}

// A Finder searches descriptions by an index instead of reading them all.
type Finder interface {
	// Find yields the descriptions on the shelf [ShelfComponents] that fulfil q, in
	// byte order of Key, under the rules of List. When a description was stored is what
	// [component.FieldStored] means here. Comparisons of values (attribute, size, cost) and of
	// [component.FieldFrom] do not occur: the caller replaces them
	// ([component.Condition.OfDescriptions], [component.Condition.Reach]).
	Find(ctx context.Context, q component.Query) iter.Seq2[component.Description, error]
}

// A Planner says how its [Finder] will answer a query, in words for people: by which index, or by looking at what.
type Planner interface {
	Plan(q component.Query) string
}

// A Reacher knows which components are computed from which, at any distance.
type Reacher interface {
	// Reach yields the keys of all components that are computed, at any distance, from one whose key fulfils where,
	// a comparison of [component.FieldKey]. The keys are in no order, each yielded once.
	Reach(ctx context.Context, where component.Condition) iter.Seq2[string, error]
}

// maxDescription is keying.MaxPreimage, which this package must not know.
const maxDescription = 16 << 20

// Find is [Finder] for any backend: without the ability it reads every description
// and decodes it (keying.Decode, which this package must not know, is what a caller
// passes), one at a time. A description that decode refuses is yielded as an error that ends nothing.
func Find(ctx context.Context, b Backend, q component.Query, decode func(key string, preimage []byte) (component.Description, error)) iter.Seq2[component.Description, error] {
	if f, ok := As[Finder](b); ok {
		return f.Find(ctx, q)
	}
	return func(yield func(component.Description, error) bool) {
		var opts ListOptions
		if prefix, ok := q.Where.Fixed(component.FieldKey, component.HasPrefix); ok {
			opts.Prefix, _ = prefix.(string)
		}
		if opts.Validate(ShelfComponents) != nil {
			return // no key begins like that
		}
		opts.After = q.After
		for opts.Validate(ShelfComponents) != nil { // no key is like that, but some may be greater
			opts.After = opts.After[:len(opts.After)-1]
		}
		n := 0
		for e, err := range Scan(ctx, b, ShelfComponents, opts) {
			if err != nil {
				yield(component.Description{}, err)
				return
			}
			if e.Key.Name <= q.After {
				continue
			}
			preimage, err := io.ReadAll(io.LimitReader(e.Body, maxDescription+1)) // one that is longer decode refuses
			if err != nil {
				yield(component.Description{}, err)
				return
			}
			d, err := decode(e.Key.Name, preimage)
			if err != nil {
				if !yield(component.Description{}, Wrap("find", "backend", e.Key, err)) {
					return
				}
				continue
			}
			d.Key, d.Stored = e.Key.Name, e.ModTime
			if !q.Match(d, nil) {
				continue
			}
			if n++; !yield(d, nil) || n == q.Limit {
				return
			}
		}
	}
}
