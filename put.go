package larder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/keying"
)

// A PutOption says when a value may be stored.
type PutOption struct{ ifAbsent, verify bool }

// IfAbsent stores only where nothing is stored, else [ErrExists]. Of several writers, in
// any process, one wins. Backends that cannot promise it refuse with
// [errors.ErrUnsupported].
func IfAbsent() PutOption { return PutOption{ifAbsent: true} }

// Verify stores where nothing is stored, and elsewhere compares: the same bytes are fine
// (and healed, should they have become corrupt), others are [ErrConflict]. It finds
// computations that are not deterministic.
func Verify() PutOption { return PutOption{verify: true} }

// metaCost is the metadata key for what a computation took, in milliseconds.
const metaCost = "cost_ms"

// Put stores value as an attribute of c, over whatever was there unless an option says
// otherwise. An [io.Reader] is stored as the bytes that it delivers, whatever their number;
// bytes and strings as they are; other values as package codec says. The value is all
// there when Put returns, and never in part.
func (s *Store) Put(ctx context.Context, c Component, attribute string, value any, opts ...PutOption) (Info, error) {
	if err := s.settleRecord(ctx); err != nil {
		return Info{}, err
	}
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return Info{}, err
	}
	v, err := s.encode(ctx, value, !comparing(opts))
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	defer v.Close()
	return s.putOptions(ctx, c, key, v, opts)
}

// comparing reports whether the value may well be there already, so that writing it ahead of the comparison is a waste.
func comparing(opts []PutOption) bool {
	return slices.ContainsFunc(opts, func(o PutOption) bool { return o.verify })
}

// putOptions stores an encoded value as the options say.
func (s *Store) putOptions(ctx context.Context, c Component, key backend.Key, v *encoded, opts []PutOption) (Info, error) {
	var o PutOption
	for _, opt := range opts {
		o.ifAbsent = o.ifAbsent || opt.ifAbsent
		o.verify = o.verify || opt.verify
	}
	if o.verify {
		return s.putVerified(ctx, c, key, v)
	}
	return s.put(ctx, c, key, v, condition{ifAbsent: o.ifAbsent})
}

// putVerified is Put under Verify.
func (s *Store) putVerified(ctx context.Context, c Component, key backend.Key, v *encoded) (Info, error) {
	if s.limits.AtomicIfAbsent {
		info, err := s.put(ctx, c, key, v, condition{ifAbsent: true})
		if !errors.Is(err, ErrExists) {
			return info, err
		}
	}
	stored, err := s.check(ctx, key)
	var miss *Miss
	switch {
	case errors.As(err, &miss): // corrupt, or gone meanwhile
		return s.put(ctx, c, key, v, s.replacing(ctx, miss))
	case err != nil:
		return Info{}, err
	case stored.Digest != v.digest || stored.Size != v.size:
		return Info{}, fmt.Errorf("put %q: %w: stored are %d bytes with SHA-256 %x, given %d with %x",
			key, ErrConflict, stored.Size, stored.Digest, v.size, v.digest)
	}
	return stored, nil
}

// check reads the value of key to its end, so that its checksum is known to hold.
func (s *Store) check(ctx context.Context, key backend.Key) (Info, error) {
	body, info, err := s.open(ctx, key, nil)
	if err != nil {
		return Info{}, err
	}
	defer body.Close()
	if _, err := io.Copy(io.Discard, body); err != nil {
		if errors.Is(err, ErrCorrupt) {
			return Info{}, s.foundCorrupt(key, info.Version, err)
		}
		return Info{}, err
	}
	return info, nil
}

// condition says what must be there for a put to happen; its zero value, anything.
type condition struct {
	ifAbsent bool
	ifMatch  string
}

// replacing returns the condition for storing in place of what made a lookup miss: so
// that of several that found the same gap, one fills it.
func (s *Store) replacing(ctx context.Context, m *Miss) condition {
	if m.Reason == ErrNotFound {
		return condition{ifAbsent: s.limits.AtomicIfAbsent}
	}
	if !s.limits.AtomicIfMatch {
		return condition{}
	}
	if m.version == "" { // the backend itself found the corruption
		if info, err := s.backend.Stat(ctx, m.Key); err == nil {
			m.version = info.Version
		}
	}
	return condition{ifMatch: m.version}
}

// put stores an encoded value and, where it is not yet known to be stored, the
// description of its component: in one commit where the engine has one.
func (s *Store) put(ctx context.Context, c Component, key backend.Key, v *encoded, cond condition) (Info, error) {
	if err := s.settleRecord(ctx); err != nil {
		return Info{}, err
	}
	switch err := s.checkKey(ctx, c, key); {
	case errors.Is(err, errOutdated):
		return Info{}, fmt.Errorf("%w: %w", ErrKeys, err)
	case err != nil:
		return Info{}, err
	}
	items := append([]backend.Item{{Key: key, Body: v.body, PutOptions: backend.PutOptions{
		Size:     v.size,
		Digest:   v.digest,
		Sum:      v.sum,
		IfAbsent: cond.ifAbsent,
		IfMatch:  cond.ifMatch,
		Meta:     v.meta,
	}}}, s.descriptions(ctx, c)...)

	var info Info
	var err error
	if len(items) == 1 {
		info, err = s.backend.Put(ctx, key, v.body, items[0].PutOptions)
	} else {
		info, err = s.putDescribed(ctx, items)
	}
	if err != nil {
		return Info{}, err
	}
	s.counters.puts.Add(1)
	s.counters.bytesWritten.Add(v.size)
	if s.corrupt.remove(key.String()) {
		s.counters.healed.Add(1)
	}
	if s.limit != nil {
		s.limit.Added(ctx, info)
	}
	return info, nil
}

// putDescribed puts a value, the first item, and beside it descriptions. One of these that
// failed is no failure of the value: it is tried again with the next one.
func (s *Store) putDescribed(ctx context.Context, items []backend.Item) (Info, error) {
	infos, err := backend.PutBatch(ctx, s.backend, items)
	for i, item := range items[1:] {
		switch err := backend.ItemError(err, i+1); {
		case err == nil, errors.Is(err, ErrExists):
			s.described.add(item.Key.Name)
		case backend.ItemError(err, 0) == nil:
			s.log.Warn("larder: description not stored", "key", item.Key.String(), "err", err)
		}
	}
	if err := backend.ItemError(err, 0); err != nil {
		return Info{}, err
	}
	return infos[0], nil
}

// maxDescribed bounds how many inputs are described beside their component.
const maxDescribed = 100

// descriptions returns the puts that keep the pre-image of c and, where requests are
// cheap, of its inputs: so that what was never stored itself, a file for instance,
// can be explained too. The name is the digest of the bytes, so that it needs no
// overwriting and any reader can check it.
func (s *Store) descriptions(ctx context.Context, c Component) []backend.Item {
	generator, err := s.generator(ctx)
	if err != nil {
		return nil
	}
	keys, ok := generator.(keying.Preimager)
	if !ok {
		return nil
	}
	described := []Component{c}
	if inputs := c.Inputs(); !s.limits.CostlyRequests && len(inputs) <= maxDescribed {
		described = append(described, inputs...)
	}
	var items []backend.Item
	seen := map[string]bool{}
	for _, c := range described {
		id, preimage, err := keys.Preimage(ctx, c)
		if err != nil || seen[id] || s.described.has(id) {
			continue // an input known by its key alone has no pre-image here
		}
		seen[id] = true
		items = append(items, s.note(backend.Key{Shelf: backend.ShelfComponents, Name: id}, preimage, codec.CBOR))
	}
	return items
}

// note returns the put of a small value that is never overwritten.
func (s *Store) note(key backend.Key, text []byte, codecName string) backend.Item {
	digest, sum := sums.Of(text)
	return backend.Item{Key: key, Body: bytes.NewReader(text), PutOptions: backend.PutOptions{
		Size:     int64(len(text)),
		Digest:   digest,
		Sum:      sum,
		IfAbsent: s.limits.AtomicIfAbsent,
		Meta:     backend.Meta{codec.MetaKey: codecName},
	}}
}
