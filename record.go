package larder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/place"
	"github.com/larder-store/larder/keying"
)

// A store knows itself by a record: a small value that goes in before the first one. Hits do not ask for it, since keys of two
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
	r, _, err := s.record(ctx)
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
	record atomic.Pointer[Record] // nil: there was none, or nobody has asked

	asking chan struct{} // holds an element while the backend is asked; guards the rest
	err    error         // why it could not be asked
	until  time.Time     // it is not asked again: for as long as the last question took, of which many callers may wait
}

// errOutdated says that a key was made before the store's own generator was learnt: the caller makes it anew.
var errOutdated = errors.New("the store's own keys were learnt meanwhile")

// recorded reports whether the store has a record: one that ends with its process has no one to tell.
func (s *Store) recorded() bool { return s.limits.Lasting || s.limits.Shared }

// record returns the store's record, nil if it has none yet. damaged is the version of one that cannot be read.
func (s *Store) record(ctx context.Context) (r *Record, damaged string, err error) {
	if r := s.known.record.Load(); r != nil || !s.recorded() {
		return r, "", nil
	}
	select {
	case s.known.asking <- struct{}{}:
		defer func() { <-s.known.asking }()
	case <-ctx.Done():
		return nil, "", context.Cause(ctx)
	}
	if r := s.known.record.Load(); r != nil {
		return r, "", nil
	}
	if s.known.err != nil && time.Now().Before(s.known.until) {
		return nil, "", s.known.err
	}
	began := time.Now()
	text, info, err := backend.GetVerified(ctx, s.backend, recordKey)
	r = &Record{}
	if err == nil {
		err = r.parse(text)
	}
	switch {
	case err == nil:
		s.known.record.Store(r)
		return r, "", nil
	case errors.Is(err, ErrNotFound):
		return nil, "", nil
	case errors.Is(err, ErrCorrupt):
		return nil, cmp.Or(info.Version, "unknown"), nil
	case ctx.Err() == nil:
		s.known.err, s.known.until = err, time.Now().Add(time.Since(began))
	}
	return nil, "", err
}

func (r *Record) parse(text []byte) error {
	var format struct {
		Format int `json:"format"`
	}
	err := json.Unmarshal(text, &format)
	if err == nil && format.Format > recordFormat {
		var by struct {
			By string `json:"by"`
		}
		_ = json.Unmarshal(text, &by)
		return fmt.Errorf("%w: the store has format %d, made by Larder %s; this one knows %d: use a newer Larder", ErrNewer, format.Format, by.By, recordFormat)
	}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil || r.Format <= 0 {
		return fmt.Errorf("%w: the record of the store is not as Larder writes it: %v", ErrCorrupt, err)
	}
	return nil
}

// namesOf returns the name of the generator of a store without a sound record, by the names of what is in it; empty if nothing is.
func (s *Store) namesOf(ctx context.Context) (string, error) {
	for info, err := range s.backend.List(ctx, backend.ShelfCache, backend.ListOptions{Limit: 1}) {
		if err != nil {
			return "", err
		}
		id, _, _ := strings.Cut(info.Key.Name, "/")
		if _, err := (keying.Readable{}).Key(ctx, component.Ref(id)); err == nil {
			return nameOf(keying.Readable{}), nil
		}
		if _, err := (keying.Hash{}).Key(ctx, component.Ref(id)); err == nil {
			return nameOf(keying.Hash{}), nil
		}
	}
	return "", nil
}

// named returns the generator of a name, nil for one of somebody's own.
func named(name string) KeyGenerator {
	for _, keys := range []KeyGenerator{keying.Hash{}, keying.Readable{}} {
		if nameOf(keys) == name {
			return keys
		}
	}
	return nil
}

// generator returns the key generator: the given one, or that of the store. A store that cannot be asked is an error.
func (s *Store) generator(ctx context.Context) (KeyGenerator, error) {
	if s.keys != nil {
		return s.keys, nil
	}
	if keys := s.adopted.Load(); keys != nil {
		return *keys, nil
	}
	var keys KeyGenerator = keying.Hash{}
	if s.adopt && s.recorded() {
		r, _, err := s.record(ctx)
		name := ""
		if err == nil && r != nil {
			name = r.Keys
		} else if err == nil {
			name, err = s.namesOf(ctx)
		}
		if errors.Is(err, ErrCorrupt) { // the calls that follow say so, and what they cannot read counts as absent
			s.switched.Store(true)
			return keys, nil
		}
		if err != nil {
			return nil, err
		}
		if name != "" {
			if keys = named(name); keys == nil {
				return nil, fmt.Errorf("%w: %q; give it as Options.Keys", ErrKeys, name)
			}
		}
	}
	s.adopted.CompareAndSwap(nil, &keys)
	return *s.adopted.Load(), nil
}

// nameOf names a generator in records.
func nameOf(keys KeyGenerator) string {
	switch k := keys.(type) {
	case keying.Hash, *keying.Hash:
		return "hash"
	case keying.Readable, *keying.Readable:
		return "readable"
	case interface{ Name() string }:
		return k.Name()
	}
	t := reflect.TypeOf(keys)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() + "." + t.Name()
}

// checkRecord refuses to store in, or compute for, a store that is not of this generator and format. A backend
// that does not answer refuses nothing here. Where no generator was given, that of the record takes the place of the one that
// was used so far.
func (s *Store) checkRecord(ctx context.Context) (*Record, error) {
	r, _, err := s.record(ctx)
	if errors.Is(err, ErrNewer) {
		return nil, err
	}
	if err != nil || r == nil {
		return nil, nil
	}
	keys, err := s.generator(ctx)
	if err != nil || r.Keys == nameOf(keys) {
		return r, err
	}
	if own := named(r.Keys); own != nil && s.keys == nil {
		s.switched.Store(true)
		s.adopted.Store(&own)
		return r, nil
	}
	return nil, fmt.Errorf("%w: %q, not %q; open it with Options.Keys of that generator, or use another store", ErrKeys, r.Keys, nameOf(keys))
}

// settleRecord is checkRecord ahead of a Put, and puts the record where there is none: alone, so that of two stores that
// begin at once with two generators one is refused before it stores anything.
func (s *Store) settleRecord(ctx context.Context) error {
	if !s.recorded() {
		return nil
	}
	r, damaged, err := s.record(ctx)
	if err == nil && r == nil {
		return s.putRecord(ctx, damaged)
	}
	_, err = s.checkRecord(ctx)
	return err
}

// checkKey makes sure that a key of c is one by the store's own generator: errOutdated is of one that was made before that was
// learnt. Where the generator was guessed and the store still cannot be asked for its own, nobody knows.
func (s *Store) checkKey(ctx context.Context, c Component, key backend.Key) error {
	if !s.switched.Load() {
		return nil
	}
	id, err := s.Key(ctx, c)
	if err != nil {
		return fmt.Errorf("the store cannot be asked how it makes keys: %w", err)
	}
	if !strings.HasPrefix(key.Name, id+"/") {
		return errOutdated
	}
	return nil
}

// placeOrGuess is place for what goes on without a store: where that cannot be asked for its generator, it is taken for Hash.
func (s *Store) placeOrGuess(ctx context.Context, c Component, attribute string) (backend.Key, error) {
	key, err := s.place(ctx, c, attribute)
	if !backend.Retryable(err) || ctx.Err() != nil {
		return key, err
	}
	s.log.Warn("larder: the store cannot be asked how it makes keys; going on without", "err", err)
	s.switched.Store(true)
	id, err := keying.Hash{}.Key(ctx, c)
	if err != nil {
		return backend.Key{}, err
	}
	return place.Of(id, attribute)
}

// putRecord puts the record of a store that has none, or a damaged one. A failure other than that the store is another's is left to the
// Put that follows.
func (s *Store) putRecord(ctx context.Context, damaged string) error {
	keys, err := s.generator(ctx)
	if err != nil {
		return nil // the store cannot be asked
	}
	name, err := s.namesOf(ctx)
	if err != nil {
		return nil
	}
	if own := nameOf(keys); named(own) == nil { // whose keys may look like anything
		name = own
	}
	if err := s.writeRecord(ctx, cmp.Or(name, nameOf(keys)), damaged); err != nil && !errors.Is(err, ErrExists) && !errors.Is(err, backend.ErrChanged) {
		return nil
	}
	_, err = s.checkRecord(ctx) // of what is there now
	return err
}

// writeRecord writes a record that names a generator, unless another process did. damaged is the version of one to replace.
func (s *Store) writeRecord(ctx context.Context, keys, damaged string) error {
	mine := &Record{Format: recordFormat, Keys: keys, Made: s.now().UTC().Truncate(time.Second), By: version()}
	text, err := json.Marshal(mine)
	if err != nil {
		return err // of names and numbers: never
	}
	item := s.note(recordKey, append(text, '\n'), codec.Raw)
	if damaged != "" {
		item.IfAbsent = false
		if s.limits.AtomicIfMatch && damaged != "unknown" {
			item.IfMatch = damaged
		}
	}
	if _, err = s.backend.Put(ctx, item.Key, item.Body, item.PutOptions); err == nil {
		s.known.record.Store(mine)
	}
	return err
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
