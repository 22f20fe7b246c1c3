// Package indexed is how values are published where an index says what there is and
// something else holds the large ones: bbolt and files, Postgres and a bucket.
//
// Small values travel inside the entry: one system, done. For a large one
//
//  1. the index hands out a name that was never used and never will be, and from now
//     on protects what is under it;
//  2. the data is stored under that name and made durable;
//  3. one commit of the index decides the condition of the Put and lets the entry point
//     at the name. This is the point of linearization: before it no reader sees the data,
//     after it all do. The name that the entry held before is free at the same
//     instant.
//
// Nothing that can be read is ever overwritten or renamed, so a crash between any two
// steps leaves the old value, and at worst data that no entry names. Sweep removes
// those. What to do with data after a failure follows one rule: remove it when the
// index says that no entry can name it, and leave it to the sweep on any doubt.
package indexed

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/larder-store/larder/backend"
)

// ErrClaimLost is the [Outcome] of a Put whose name was taken away before the commit,
// because its claim had run out. Its Free is that name, because the data may have come
// only after a sweep was done with it. The value is stored anew under a fresh name.
var ErrClaimLost = errors.New("the claim on the data ran out")

// An Index knows which entries there are. Its methods are safe for concurrent use, and
// hold nothing when they return but claims.
type Index interface {
	// Lookup returns the entry of key, without Inline unless bodies is true. An absent
	// key is [backend.ErrNotFound], an entry that cannot be decoded [backend.ErrCorrupt].
	Lookup(ctx context.Context, key backend.Key, bodies bool) (Entry, error)

	// Page returns the next entries of a shelf in byte order of Name, as many as are
	// good to hold in memory, at most opts.Limit if that is not 0. They may lie in the memory of room, whose former
	// entries are not used any more.
	Page(ctx context.Context, shelf string, opts backend.ListOptions, room *Room) (Page, error)

	// Claim returns n fresh names. Until each was part of a Commit or Abandon, no
	// Garbage is found under it, in any process.
	Claim(ctx context.Context, n int) ([]string, error)

	// Abandon gives up names that no Commit was or will be called with.
	Abandon(names []string)

	// Commit makes the changes in the order given, in as few transactions as it can, and
	// decides each one's condition at the instant of its change. It returns one Outcome a
	// change. The claims on their names end, though not before the outcome is settled,
	// also where ctx ends earlier.
	//
	// An Index that lost a connection, or its ctx, while a transaction was to be
	// committed does not know whether it was. It looks for the names, where it can, and
	// else leaves Free empty: never delete on doubt.
	Commit(ctx context.Context, changes []Change) []Outcome

	// Garbage yields data that no entry names, none will, and that is older than
	// grace, many at once. Younger ones are yielded with Kept set. Unless dry is true, the
	// names of claims that ran out are taken from their writers before they are yielded.
	Garbage(ctx context.Context, grace time.Duration, dry bool) iter.Seq2[[]Garbage, error]

	// Forget takes names whose data is gone: names yielded by Garbage, or those
	// of an Outcome's Free.
	Forget(ctx context.Context, names ...string) error
}

// Data holds large values under names that are used once. Its methods are safe for
// concurrent use.
type Data interface {
	// Create stores body, held to opts.Size bytes, under name. When it returns, the data
	// survives what the store promises to survive. On an error some or all of it may be
	// there.
	Create(ctx context.Context, name string, body io.ReadSeeker, opts backend.PutOptions) error

	// Open returns the bytes [off, off+n) of name, to its end if n is negative, as far as
	// there are any. What is gone is [fs.ErrNotExist]; what has not size bytes is
	// [backend.ErrCorrupt]. A removal meanwhile leaves the reader whole or makes it fail.
	Open(ctx context.Context, name string, size, off, n int64) (io.ReadCloser, error)

	// Check says what Open would say, where that is cheap, else nil.
	Check(ctx context.Context, name string, size int64) error

	// Remove removes names. What is gone is removed.
	Remove(ctx context.Context, names ...string) error
}

// Entry is what the index holds under a key: the value itself in Inline, or the Name of
// its data. Inline belongs to the caller, that of a Page for as long as its Room.
type Entry struct {
	backend.Info
	Inline []byte
	Name   string
}

// Room is memory for the entries of one Page after the other.
type Room struct {
	Scan    bool // entries have their Inline, and neighbours with the same Meta may share it
	Entries []Entry
	Bodies  []byte

	used int // of Entries, by the largest page
}

// Page is a part of a shelf.
type Page struct {
	Entries []Entry
	// Corrupt are the errors of entries in between that cannot be decoded.
	Corrupt []error
	// Next is the name after which the next page begins; empty at the end.
	Next string
}

// Change is one Put or Delete.
type Change struct {
	Key     backend.Key
	Delete  bool
	Options backend.PutOptions // of a Put; of a Delete its IfMatch, where DeleteMatch asks for it
	Inline  []byte             // of a Put without a Name; not used after Commit returned
	Name    string             // of data that was claimed and created
}

// Outcome is what became of a Change.
type Outcome struct {
	Info backend.Info // of the entry that was put
	// Free is data that no entry names, now and for ever, and that may be removed at
	// once: what the change replaced, or its own if it failed. It is empty where there
	// is doubt, and where readers need time to finish, so that the index condemns the
	// name for a later Garbage.
	Free string
	// Err is [backend.ErrExists] or [backend.ErrChanged] where the condition failed,
	// ErrClaimLost, or what went wrong. In doubt the change may have been made.
	Err error
}

// Garbage is data that no entry names.
type Garbage struct {
	Name string
	Size int64
	Kept bool // spared for now
}

// A Store publishes values by Index and Data.
type Store struct {
	Index  Index
	Data   Data
	Inline int64 // values up to this size are kept in the index

	// InlineOn overrides Inline for the shelves that it names.
	InlineOn map[string]int64
}

// inline reports whether the index keeps a value itself.
func (s *Store) inline(shelf string, size int64) bool {
	if limit, ok := s.InlineOn[shelf]; ok {
		return size <= limit
	}
	return size <= s.Inline
}
