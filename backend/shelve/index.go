package shelve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/turnstile"
)

// index is the bbolt files of a place as [indexed.Index].
type index struct {
	place    *place
	data     *dir
	calls    *calls.Counter // a page is a call, but what is done between two pages is none
	wait     turnstile.WaitPolicy
	readOnly bool
}

// errReadOnly is what writers get of a store that was opened to be read.
var errReadOnly = fmt.Errorf("%w: the store was opened read-only", errors.ErrUnsupported)

// Lookup implements [indexed.Index].
func (x *index) Lookup(ctx context.Context, key backend.Key, bodies bool) (e indexed.Entry, err error) {
	f := x.place.file(key.Shelf)
	for asked := 0; ; asked++ {
		s, l, err := f.way(ctx, x.wait, false, asked < asksBeforeTurn)
		if err != nil {
			return e, absentIsNotFound(err)
		}
		if s != nil {
			defer f.mu.RUnlock()
			return f.lookUp(s, key, bodies)
		}
		record, what := f.askRecord(ctx, l, key)
		f.lines <- struct{}{}
		switch what {
		case done:
			return entryOf(key, record)
		case refused:
			asked = asksBeforeTurn
		}
	}
}

// lookUp is Lookup in a session.
func (f *file) lookUp(s *session, key backend.Key, bodies bool) (e indexed.Entry, err error) {
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return e, explainBolt(f.path, err)
	}
	defer tx.Rollback()
	b := tx.Bucket(bucket(key.Shelf))
	if b == nil {
		return e, backend.ErrNotFound
	}
	e, err = entryOf(key, b.Get([]byte(key.Name)))
	e.Inline = take(e.Inline, bodies)
	return e, err
}

// entryOf decodes the record of a key, which may be none.
func entryOf(key backend.Key, record []byte) (indexed.Entry, error) {
	if record == nil {
		return indexed.Entry{}, backend.ErrNotFound
	}
	return parseRecord(key, record)
}

// bucket returns the name of a shelf's bucket.
func bucket(shelf string) []byte {
	switch shelf {
	case backend.ShelfCache:
		return cacheBucket
	case backend.ShelfComponents:
		return componentsBucket
	}
	return []byte(shelf)
}

var (
	cacheBucket      = []byte(backend.ShelfCache)
	componentsBucket = []byte(backend.ShelfComponents)
)

// take returns a copy of bytes that belong to a transaction, if they are wanted.
func take(b []byte, wanted bool) []byte {
	if !wanted {
		return nil
	}
	return bytes.Clone(b)
}

// absentIsNotFound translates the absence of a shelf's file.
func absentIsNotFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return backend.ErrNotFound
	}
	return err
}

// What a page holds: enough to make the cost of a transaction small, not so much that a
// writer has to wait or memory is felt.
const (
	pageEntries = 512
	pageBytes   = 1 << 20
)

// Page implements [indexed.Index].
func (x *index) Page(ctx context.Context, shelf string, opts backend.ListOptions, room *indexed.Room) (p indexed.Page, err error) {
	if err := x.calls.Begin(ctx); err != nil {
		return p, err
	}
	defer x.calls.End()
	f := x.place.file(shelf)
	s, err := f.enter(ctx, x.wait, false)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	defer f.mu.RUnlock()
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return p, explainBolt(f.path, err)
	}
	defer tx.Rollback()
	if b := tx.Bucket(bucket(shelf)); b != nil {
		p = readPage(b.Cursor(), shelf, opts, room)
	}
	return p, nil
}

func readPage(c *bbolt.Cursor, shelf string, opts backend.ListOptions, room *indexed.Room) (p indexed.Page) {
	prefix, start := []byte(opts.Prefix), []byte(opts.Prefix)
	if opts.After >= opts.Prefix {
		start = append([]byte(opts.After), 0) // the least name after it
	}
	limit := pageEntries
	if opts.Limit > 0 {
		limit = min(limit, opts.Limit)
	}
	taken := 0
	var a *arena
	p.Entries = room.Entries[:0]
	if room.Scan {
		a = &arena{bodies: room.Bodies[:0]}
		defer func() { room.Bodies = a.bodies }()
	}
	defer func() { room.Entries = p.Entries }()
	for k, v := c.Seek(start); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if len(p.Entries)+len(p.Corrupt) == limit || taken >= pageBytes {
			return p
		}
		key := backend.Key{Shelf: shelf}
		if a != nil {
			key.Name = a.string(k)
		} else {
			key.Name = string(k)
		}
		p.Next = key.Name
		e, err := a.parse(key, v)
		if err != nil {
			p.Corrupt = append(p.Corrupt, err)
			continue
		}
		e.Inline = a.body(e.Inline)
		taken += len(e.Inline)
		p.Entries = append(p.Entries, e)
	}
	p.Next = ""
	return p
}

// Claim implements [indexed.Index].
func (x *index) Claim(ctx context.Context, n int) ([]string, error) {
	if x.readOnly {
		return nil, errReadOnly
	}
	return x.place.claimNames(ctx, x.wait, n)
}

// Abandon implements [indexed.Index].
func (x *index) Abandon(names []string) { x.place.settle(names) }

// Commit implements [indexed.Index]: one transaction for each bbolt file, in the order in
// which the changes name them first.
func (x *index) Commit(ctx context.Context, changes []indexed.Change) []indexed.Outcome {
	outcomes := make([]indexed.Outcome, len(changes))
	if x.readOnly {
		for i := range outcomes {
			outcomes[i].Err = errReadOnly
		}
		return outcomes
	}
	for _, part := range x.byFile(changes) {
		if part.nothing() {
			for n, c := range part.changes {
				if c.Options.IfMatch != "" {
					outcomes[part.at[n]].Err = backend.ErrChanged
				}
			}
			continue
		}
		settled := func() { x.place.settle(part.names) }
		for n, o := range part.file.commit(ctx, x.wait, part.changes, settled) {
			outcomes[part.at[n]] = o
		}
	}
	return outcomes
}

// part is what a Commit changes in one file.
type part struct {
	file    *file
	changes []indexed.Change
	at      []int // where each came from
	names   []string
}

// nothing reports whether there is nothing to delete: no file is made for that.
func (p *part) nothing() bool {
	for _, c := range p.changes {
		if !c.Delete {
			return false
		}
	}
	_, err := os.Stat(p.file.path)
	return errors.Is(err, fs.ErrNotExist)
}

func (x *index) byFile(changes []indexed.Change) []*part {
	var parts []*part
	of := map[*file]*part{}
	for i, c := range changes {
		f := x.place.file(c.Key.Shelf)
		p := of[f]
		if p == nil {
			p = &part{file: f}
			of[f] = p
			parts = append(parts, p)
		}
		p.changes = append(p.changes, c)
		p.at = append(p.at, i)
		if c.Name != "" {
			p.names = append(p.names, c.Name)
		}
	}
	return parts
}

// Garbage implements [indexed.Index]. What was there before all writers of that time
// had finished, and is named by no entry now, will never be: names are not used twice.
// So the writers need to be kept out for an instant only. Where that instant does not come soon,
// because a writer waits for its body, all is kept: writers that come after a barrier that waits
// would wait too.
func (x *index) Garbage(ctx context.Context, grace time.Duration, _ bool) iter.Seq2[[]indexed.Garbage, error] {
	return func(yield func([]indexed.Garbage, error) bool) {
		unnamed, busy, err := x.unnamed(ctx)
		if err != nil {
			yield(nil, err) // nothing is garbage then
			return
		}
		var garbage []indexed.Garbage
		before := time.Now().Add(-grace)
		for name, f := range unnamed {
			kept := busy || grace > 0 && f.mod.After(before)
			garbage = append(garbage, indexed.Garbage{Name: name, Size: f.size, Kept: kept})
		}
		yield(garbage, nil)
	}
}

// barrierWait bounds how long a sweep delays writers that come while others write.
const barrierWait = time.Second

// unnamed returns the data that no entry names. It is busy where some of it may belong to writers
// that are still at work.
func (x *index) unnamed(ctx context.Context) (unnamed map[string]found, busy bool, err error) {
	unnamed = map[string]found{}
	for f, err := range x.data.files() {
		if err != nil {
			return nil, false, err
		}
		unnamed[f.name] = f
	}
	if len(unnamed) == 0 {
		return nil, false, nil
	}
	barrier, err := x.place.data.EnterSoon(ctx, x.wait, barrierWait)
	switch busy = errors.Is(err, turnstile.ErrBusy); {
	case err == nil:
		barrier.Leave()
	case !busy:
		return nil, false, err
	}
	for e, err := range x.entries(ctx) {
		if err != nil {
			return nil, false, fmt.Errorf("nothing was removed: %w", err)
		}
		delete(unnamed, e.Name)
	}
	if len(unnamed) == 0 {
		return nil, false, nil
	}
	return unnamed, busy, x.place.noneAside() // looked for last: a salvage puts the damaged file aside first
}

// entries yields all entries of all shelves. One that cannot be decoded is an error: what
// it names is not known.
func (x *index) entries(ctx context.Context) iter.Seq2[indexed.Entry, error] {
	return func(yield func(indexed.Entry, error) bool) {
		list := indexed.Store{Index: x}
		for shelf, err := range x.shelves(ctx, backend.ListOptions{}) {
			if err != nil {
				yield(indexed.Entry{}, err)
				return
			}
			for e, err := range list.List(ctx, shelf, backend.ListOptions{}) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// shelves yields the shelves that hold an entry, in byte order. Files that opts do not choose are not
// opened.
func (x *index) shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := x.calls.Begin(ctx); err != nil {
			yield("", err)
			return
		}
		names, err := x.place.shelves()
		x.calls.End()
		if err != nil {
			yield("", err)
			return
		}
		yielded := 0
		for _, name := range names {
			if name <= opts.After || !strings.HasPrefix(name, opts.Prefix) {
				continue
			}
			p, err := x.Page(ctx, name, backend.ListOptions{Limit: 1}, new(indexed.Room))
			if err != nil {
				yield("", err)
				return
			}
			if len(p.Entries)+len(p.Corrupt) == 0 {
				continue
			}
			if yielded++; !yield(name, nil) || yielded == opts.Limit {
				return
			}
		}
	}
}

// Forget implements [indexed.Index]: there is nothing to forget.
func (x *index) Forget(context.Context, ...string) error { return nil }
