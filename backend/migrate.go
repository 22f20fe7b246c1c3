package backend

import "context"

// A Migrator keeps its entries in a schema that changes with versions of Larder, such as tables of a
// database.
type Migrator interface {
	// Migrate brings the schema up to date and returns the steps that it took; with dryRun
	// those that it would take, and changes nothing. Any number of processes may do so at once.
	Migrate(ctx context.Context, dryRun bool) ([]Migration, error)
}

// Migration is one step of a schema.
type Migration struct {
	Name   string // such as 0001_store
	Script string // what it does, in the language of the engine
}

// An Indexer makes indexes on parameters of components, for queries that compare them by order.
type Indexer interface {
	// Indexes returns the fields that have an index of their own, such as params.rate, in
	// byte order.
	Indexes(ctx context.Context) ([]string, error)
	// AddIndex makes one, while the place is in use. One that is there stays as it is.
	AddIndex(ctx context.Context, field string) error
}
