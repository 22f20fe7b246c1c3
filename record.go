package larder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/keying"
)

// A store knows itself by a record: a small value that goes in with the first one. Hits do not ask for it, since keys of two
// generators never meet; whatever is about to store, list or compute does, once in the life of a Store.
var recordKey = backend.Key{Shelf: backend.ShelfStore, Name: "record"}

// recordFormat is the format of stores that this version writes.
const recordFormat = 1

// A Record is what a store says of itself. It is kept as JSON.
type Record struct {
	Format int       `json:"format"`
	Keys   string    `json:"keys"` // the name of the key generator: hash, readable, or a type of Go
	Made   time.Time `json:"made"` // by the clock of the process that stored the first value
	By     string    `json:"by"`   // the version of Larder that did; empty if it was not known
}

// Record returns what the store says of itself. A store in which nothing was stored yet, or that ends with its process, says
// nothing: [ErrNotFound]. One of a newer format is [ErrNewer].
func (s *Store) Record(ctx context.Context) (Record, error) {
	r, err := s.record(ctx)
	if err == nil && r == nil {
		err = fmt.Errorf("the record of the store: %w", ErrNotFound)
	}
	if err != nil {
		return Record{}, err
	}
	return *r, nil
}

// known is the record as far as a Store has asked for it.
type known struct {
	mu      sync.Mutex // guards the rest; held while the backend is asked
	asked   bool
	record  *Record // nil: there is none yet
	damaged bool    // there is one, which cannot be read
	mine    *Record // the one that this Store puts
}

// record returns the store's record, nil if it has none yet. A backend that does not answer is asked again the next time.
func (s *Store) record(ctx context.Context) (*Record, error) {
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	if s.known.asked || !s.limits.Lasting && !s.limits.Shared { // it ends with the process
		return s.known.record, nil
	}
	text, _, err := backend.GetVerified(ctx, s.backend, recordKey)
	r := &Record{}
	if err == nil {
		err = r.parse(text)
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
		r = nil
	case err != nil:
		return nil, err
	}
	s.known.asked, s.known.record, s.known.damaged = true, r, errors.Is(err, ErrCorrupt)
	return r, nil
}

func (r *Record) parse(text []byte) error {
	if err := json.Unmarshal(text, r); err != nil || r.Format <= 0 {
		return fmt.Errorf("%w: the record of the store is not as Larder writes it: %v", ErrCorrupt, err)
	}
	if r.Format > recordFormat {
		return fmt.Errorf("%w: the store has format %d, made by Larder %s; this one knows %d: use a newer Larder", ErrNewer, r.Format, r.By, recordFormat)
	}
	return nil
}

// generator returns the key generator: the given one, or that of the record.
func (s *Store) generator(ctx context.Context) (KeyGenerator, error) {
	if s.keys != nil {
		return s.keys, nil
	}
	if keys := s.adopted.Load(); keys != nil {
		return *keys, nil
	}
	var keys KeyGenerator = keying.Hash{}
	if s.adopt {
		r, err := s.record(ctx)
		switch {
		case errors.Is(err, ErrNewer), ctx.Err() != nil:
			return nil, err
		case err != nil: // the next call to the backend says so
			return keys, nil
		case r == nil: // nor will this Store mix keys if another one writes the record meanwhile
		case r.Keys == nameOf(keying.Readable{}):
			keys = keying.Readable{}
		case r.Keys != nameOf(keys):
			return nil, fmt.Errorf("%w: %q; give it as Options.Keys", ErrKeys, r.Keys)
		}
	}
	s.adopted.Store(&keys)
	return keys, nil
}

// nameOf names a generator in records.
func nameOf(keys KeyGenerator) string {
	switch k := keys.(type) {
	case keying.Hash:
		return "hash"
	case keying.Readable:
		return "readable"
	case interface{ Name() string }:
		return k.Name()
	}
	return fmt.Sprintf("%T", keys)
}

// checkRecord refuses to store in, or compute for, a store that is not of this generator and format. A backend
// that does not answer refuses nothing here.
func (s *Store) checkRecord(ctx context.Context) error {
	keys, err := s.generator(ctx)
	if err != nil {
		return err
	}
	r, err := s.record(ctx)
	switch {
	case errors.Is(err, ErrNewer):
		return err
	case err == nil && r != nil && r.Keys != nameOf(keys):
		return fmt.Errorf("%w: %q, not %q", ErrKeys, r.Keys, nameOf(keys))
	}
	return nil
}

// newRecord returns the put of the record where there is none yet.
func (s *Store) newRecord(ctx context.Context) []backend.Item {
	keys, err := s.generator(ctx)
	if err != nil {
		return nil
	}
	if r, err := s.record(ctx); err != nil || r != nil || !s.limits.Lasting && !s.limits.Shared {
		return nil
	}
	mine := &Record{Format: recordFormat, Keys: nameOf(keys), Made: s.now().UTC().Truncate(time.Second), By: version()}
	text, err := json.Marshal(mine)
	if err != nil {
		return nil // of names and numbers: never
	}
	item := s.note(recordKey, append(text, '\n'), codec.Raw)
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	item.IfAbsent = item.IfAbsent && !s.known.damaged
	s.known.mine = mine
	return []backend.Item{item}
}

// recordPut notes that the record was put, unless err says that another process was first, or that it failed: then it is
// asked for before the next Put.
func (s *Store) recordPut(err error) {
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	if s.known.asked = err == nil; s.known.asked {
		s.known.record, s.known.damaged = s.known.mine, false
	}
}

// version returns the version of this module in the binary.
func version() string {
	const module = "github.com/larder-store/larder"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}
