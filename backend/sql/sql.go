// Package sql keeps values in a Postgres database, and large ones in a bucket or directory beside
// it: the store of a group or a cluster. What is stored where, and what components are, stands
// in tables, so that queries are answered by an index.
//
// Importing it registers the schemes "postgres" and "postgresql", as in
// postgres://user@host/db?data=s3://bucket/prefix. Its parameters are those of [Options], and those of libpq.
// The package of the data's scheme must be linked too.
//
// docs/sql.md has the schema, what is guaranteed, and how to run it.
package sql

import (
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

const (
	scheme = "postgres"
	alias  = "postgresql"
)

func init() {
	for _, name := range []string{scheme, alias} {
		backend.Register(name, openURL, append(ours, connection...)...)
	}
}

var (
	_ backend.Backend      = (*Backend)(nil)
	_ backend.Describer    = (*Backend)(nil)
	_ backend.RangeGetter  = (*Backend)(nil)
	_ backend.Scanner      = (*Backend)(nil)
	_ backend.BatchPutter  = (*Backend)(nil)
	_ backend.BatchDeleter = (*Backend)(nil)
	_ backend.MatchDeleter = (*Backend)(nil)
	_ backend.Leaser       = (*Backend)(nil)
	_ backend.Sweeper      = (*Backend)(nil)
	_ backend.Finder       = (*Backend)(nil)
)

// handle has the methods of a [Backend] that are the same over any index: Get, Put, List and their like.
type handle = indexed.Handle

// Backend is a handle on a schema of a database. It has the methods of [backend.Backend], and those of the abilities above.
type Backend struct {
	db    *database
	opts  Options
	index *index
	data  *data // nil without
	parts indexed.Parts
	handle

	awaited  names // leases that others were seen to hold
	declared declared
}

// Close implements [backend.Backend]. Calls that wait for a server that is away fail, the others are
// waited for.
func (b *Backend) Close() error {
	if !b.parts.Calls.Close() {
		return nil
	}
	b.index.stop()
	b.db.pool.Close()
	if b.data == nil {
		return nil
	}
	return wrap("close", backend.Key{}, b.data.b.Close())
}

// Limits implements [backend.Describer]. What the server does at a power cut is its fsync and
// synchronous_commit, which are on unless they were turned off.
func (b *Backend) Limits() backend.Limits {
	l := backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, MaxValue: MaxValueAlone}
	if b.data != nil {
		data := backend.LimitsOf(b.data.b)
		l.Durable, l.Lasting, l.Shared, l.MaxValue = data.Durable, data.Lasting, data.Shared, data.MaxValue
	}
	return l
}
