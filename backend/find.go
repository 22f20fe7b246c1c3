package backend

import (
	"context"
	"io"
	"iter"
	"reflect"
	"time"
)

// ShelfCache and ShelfComponents are the shelves of a Store: values of results,
// named <component key>/<attribute>, and what each component is, named by its key.
const (
	ShelfCache      = "cache"
	ShelfComponents = "components"
)

// A Finder searches descriptions by an index instead of reading them all.
type Finder interface {
	// Find yields the descriptions on the shelf [ShelfComponents] that match q, in
	// byte order of Key, under the rules of List.
	Find(ctx context.Context, q Query) iter.Seq2[Description, error]
}

// Description says what a component is: its decoded pre-image. It is plain data.
type Description struct {
	Key        string // the component's key: the name on ShelfComponents
	Type       string
	Version    string
	Parameters any      // nil, bool, int64, uint64, *big.Int, float64, string, []byte, time.Time, []any, map[any]any
	Inputs     []string // keys
	AsOf       time.Time
	Stored     time.Time // when the description was stored
}

// Query chooses descriptions: all conditions that are set must hold.
type Query struct {
	Type       string         // exactly this type
	Version    string         // exactly this version
	Parameters map[string]any // each at its path ("filter.order"), equal after decoding
	Since      time.Time      // stored at this time or later
	Limit      int            // at most so many; 0 is no limit
}

// Match reports whether d answers the query, but for the limit.
func (q Query) Match(d Description) bool {
	if q.Type != "" && q.Type != d.Type || q.Version != "" && q.Version != d.Version {
		return false
	}
	if d.Stored.Before(q.Since) {
		return false
	}
	for path, want := range q.Parameters {
		got, ok := lookup(d.Parameters, path)
		if !ok || !reflect.DeepEqual(got, want) {
			return false
		}
	}
	return true
}

// lookup follows a path of names through nested maps. A name that holds dots is
// found too, if the whole rest of the path is that name.
func lookup(v any, path string) (any, bool) {
	m, ok := v.(map[any]any)
	if !ok {
		return nil, false
	}
	if x, ok := m[path]; ok {
		return x, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if x, ok := m[path[:i]]; ok {
			if y, ok := lookup(x, path[i+1:]); ok {
				return y, true
			}
		}
	}
	return nil, false
}

// Find is [Finder] for any backend: without the ability it reads every description
// and decodes it (keying.Decode, which this package must not know, is what a caller
// passes). A description that decode refuses is yielded as an error that ends nothing.
func Find(ctx context.Context, b Backend, q Query, decode func(key string, preimage []byte) (Description, error)) iter.Seq2[Description, error] {
	if f, ok := As[Finder](b); ok {
		return f.Find(ctx, q)
	}
	return func(yield func(Description, error) bool) {
		n := 0
		for e, err := range Scan(ctx, b, ShelfComponents, ListOptions{}) {
			if err != nil {
				yield(Description{}, err)
				return
			}
			preimage, err := io.ReadAll(e.Body)
			if err != nil {
				yield(Description{}, err)
				return
			}
			d, err := decode(e.Key.Name, preimage)
			if err != nil {
				if !yield(Description{}, Wrap("find", "backend", e.Key, err)) {
					return
				}
				continue
			}
			d.Stored = e.ModTime
			if !q.Match(d) {
				continue
			}
			if n++; !yield(d, nil) || n == q.Limit {
				return
			}
		}
	}
}
