package backend

import (
	"context"
	"iter"
)

// An Informer says what its engine knows of itself, for people.
type Informer interface {
	Facts(ctx context.Context) ([]Fact, error)
}

// Fact is one thing that is known of an engine, such as its version or the size of a table.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A StrayFinder keeps data apart from its entries, and finds data that none of them names and no sweep
// knows of. A restored backup leaves such data, and nothing else should.
type StrayFinder interface {
	// Strays yields what it finds. With remove it is removed ahead of being yielded.
	Strays(ctx context.Context, remove bool) iter.Seq2[Stray, error]
}

// Stray is data that no entry names.
type Stray struct {
	Name string // where it is, for people
	Size int64  // in bytes
}
