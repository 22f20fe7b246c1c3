package backend

import "context"

// A Salvager rebuilds what its engine keeps its entries in, where that is damaged so that listing
// them fails, from all that can still be read.
type Salvager interface {
	// Salvage looks through the place and rebuilds what is damaged; what is sound it leaves alone. The
	// place may be in use. What could not be read stays, byte by byte, in what
	// [Salvaged].Aside names.
	Salvage(ctx context.Context) ([]Salvaged, error)
}

// Salvaged is what became of one damaged part of a place, such as a file.
type Salvaged struct {
	Part   string // what was damaged
	Aside  string // where the damaged part lies now
	Saved  int    // entries that were saved
	Lost   int    // records that were found damaged; those in unreadable pages are not counted
	Errors []error
}

// Salvage is [Salvager] for any backend: without the ability there is nothing to rebuild.
func Salvage(ctx context.Context, b Backend) ([]Salvaged, error) {
	if s, ok := As[Salvager](b); ok {
		return s.Salvage(ctx)
	}
	return nil, nil
}
