package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
)

// A Session is a map from keys to values that this process alone writes. It is safe for concurrent use. Readers, in
// this and in other processes, see what was stored.
type Session struct {
	m     *Manager
	name  string
	shelf string
	opts  SessionOptions
	hold  holder
	keep  keeper

	// What writes holds writing for reading, and what ends the session for writing, so that nothing is taken that is not
	// stored by Close.
	writing sync.RWMutex

	mu      sync.Mutex // guards the rest
	info    stored     // the metadata as this process stored it last
	version string     // of its entry
	telling bool       // a Put of it is under way
	wrote   time.Time  // when something was written last
	closed  bool
}

// A keeper keeps the items of a session by one of the layouts.
type keeper interface {
	put(ctx context.Context, key string, v *value) error
	delete(ctx context.Context, key string) error
	get(ctx context.Context, key string) (record, error)
	items(ctx context.Context, q query) source
	flush(ctx context.Context) error
	finish(ctx context.Context) error // before the session is closed
	abandon()
}

// Name returns the name of the session.
func (s *Session) Name() string { return s.name }

// ready refuses what comes after Close.
func (s *Session) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return nil
}

// writes calls f, unless the session is over. It is not over before f returns.
func (s *Session) writes(f func() error) error {
	s.writing.RLock()
	defer s.writing.RUnlock()
	if err := s.ready(); err != nil {
		return err
	}
	return f()
}

// Put stores value under key, which may be any text, over whatever was there. Values are encoded as package codec says; an
// io.Reader is stored as the bytes that it delivers. When Put returns, readers of the session see the
// value, and it survives a kill and, where the backend is durable, a power cut; but in a session of packs
// only after the next flush, unless the session has Sync.
func (s *Session) Put(ctx context.Context, key string, value any) error {
	if err := s.ready(); err != nil {
		return wrapKey(s.name, key, err)
	}
	if _, err := itemName(key); err != nil {
		return wrap(s.name, err)
	}
	v, err := encode(value)
	if err != nil {
		return wrapKey(s.name, key, err)
	}
	defer v.close()
	return wrapKey(s.name, key, s.writes(func() error { return s.keep.put(ctx, key, v) }))
}

// Delete removes the item of key. Removing what is absent succeeds. It is as durable as a Put.
func (s *Session) Delete(ctx context.Context, key string) error {
	if err := s.ready(); err != nil {
		return wrapKey(s.name, key, err)
	}
	if _, err := itemName(key); err != nil {
		return wrap(s.name, err)
	}
	return wrapKey(s.name, key, s.writes(func() error { return s.keep.delete(ctx, key) }))
}

// Get reads the item of key into what dst points to: also one that was put and not stored yet. An absent
// one is [larder.ErrNotFound].
func (s *Session) Get(ctx context.Context, key string, dst any) error {
	if err := s.ready(); err != nil {
		return wrapKey(s.name, key, err)
	}
	if _, err := itemName(key); err != nil {
		return wrap(s.name, err)
	}
	r, err := s.keep.get(ctx, key)
	if err != nil {
		return wrapKey(s.name, key, err)
	}
	return wrapKey(s.name, key, decode(r, dst))
}

func decode(r record, dst any) error {
	err := codec.DecodeBytes(r.codec, r.body, dst)
	if errors.Is(err, codec.ErrUnknownCodec) {
		err = fmt.Errorf("%w, or one that is built otherwise: %w", backend.ErrNewer, err)
	}
	if errors.Is(err, codec.ErrMalformed) {
		err = fmt.Errorf("%w: %w", backend.ErrCorrupt, err)
	}
	return err
}

// Value is an item of a session, not decoded yet.
type Value struct {
	Key string
	r   record
}

// Decode decodes the value into what dst points to.
func (v Value) Decode(dst any) error { return decode(v.r, dst) }

// Codec returns the name of the codec of the value, and Bytes what it made of it.
func (v Value) Codec() string { return v.r.codec }

// Bytes returns the encoded value.
func (v Value) Bytes() []byte { return v.r.body }

// Keys yields the keys that match, in byte order, also of what is not stored yet.
func (s *Session) Keys(ctx context.Context, match Match) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range s.read(ctx, query{match: match, keys: true}) {
			if !yield(v.Key, err) || err != nil {
				return
			}
		}
	}
}

// Items yields the items that match, in the byte order of their keys, also those that are not stored yet. An error
// is the last step.
func (s *Session) Items(ctx context.Context, match Match) iter.Seq2[Value, error] {
	return s.read(ctx, query{match: match})
}

func (s *Session) read(ctx context.Context, q query) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		if err := s.ready(); err != nil {
			yield(Value{}, wrap(s.name, err))
			return
		}
		for r, err := range s.keep.items(ctx, q) {
			if err != nil {
				yield(Value{}, s.m.placed(s.name, r, err))
				return
			}
			if !yield(Value{r.key, r}, nil) {
				return
			}
		}
	}
}

// placed names the item in an error that is about one.
func (m *Manager) placed(session string, r record, err error) error {
	if r.codec != "" {
		return wrapKey(session, r.key, err)
	}
	return wrap(session, err)
}

// Flush stores what was put and not stored yet. What it acknowledged survives a kill.
func (s *Session) Flush(ctx context.Context) error {
	return wrap(s.name, s.writes(func() error { return s.keep.flush(ctx) }))
}

// Close stores what is not stored yet, says in the metadata that the session is complete, and lets others open it. If
// something could not be stored, the session stays open, with all that was put, so that Close can be tried
// again; [Session.Abandon] gives up. After a success it may be called again.
func (s *Session) Close(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.ready() != nil {
		return nil
	}
	if err := s.keep.flush(ctx); err != nil {
		return wrap(s.name, err)
	}
	if err := s.keep.finish(ctx); err != nil {
		return wrap(s.name, err)
	}
	s.mu.Lock()
	st, version := s.info, s.version
	st.Closed = true
	if !s.wrote.IsZero() {
		st.LastWrite = s.wrote
	}
	s.mu.Unlock()
	_, err := s.m.announce(ctx, s.shelf, st, version, s.hold.lock != nil)
	if err != nil {
		var lost error
		if version, lost = s.reclaim(ctx, err); lost != nil {
			return wrap(s.name, lost)
		}
		if version != "" {
			_, err = s.m.announce(ctx, s.shelf, st, version, s.hold.lock != nil)
		}
	}
	if err != nil {
		return wrap(s.name, err)
	}
	return wrap(s.name, s.end(ctx))
}

// reclaim looks at metadata that was not stored because of err. If that says that it was changed, and it is ours,
// by a Put of unknown outcome, its version is returned; if it is another process's, ErrLost.
func (s *Session) reclaim(ctx context.Context, err error) (version string, lost error) {
	if !errors.Is(err, backend.ErrChanged) && !errors.Is(err, backend.ErrExists) {
		return "", nil
	}
	st, entry, err := s.m.stored(ctx, s.shelf)
	switch {
	case err == nil && st.Nonce == s.info.Nonce:
		return entry.Version, nil
	case err == nil || isNew(err):
		return "", ErrLost
	}
	return "", nil // to be found out by the next one
}

// Abandon gives the session up as if the process had died: what was not stored is lost, and the session is not marked as
// complete.
func (s *Session) Abandon(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return wrap(s.name, s.end(ctx))
}

// end lets others have the session. The caller holds writing.
func (s *Session) end(ctx context.Context) error {
	s.mu.Lock()
	ended := s.closed
	s.closed = true
	s.mu.Unlock()
	s.keep.abandon()
	if ended || s.hold.lock == nil {
		return nil
	}
	return s.hold.lock.Unlock(ctx)
}
