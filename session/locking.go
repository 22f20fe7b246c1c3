package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// A LockingSession is a session that any number of processes and machines have open at the same time, and change one
// after the other: whatever changes it holds its lock, for one operation or, by [LockingSession.Acquire], for
// several. It needs a backend that decides conditions atomically. It is safe for concurrent use.
//
// Each item is an entry of its own, stored when the call returns. A process that is stopped or cut off for longer
// than its lease loses the lock; when it wakes, its calls fail with [ErrLost], and it writes over nothing
// that was stored since.
type LockingSession struct {
	m     *Manager
	name  string
	shelf string

	turn chan struct{} // holds one element while no goroutine of this process changes the session

	// Whoever has the turn has these.
	lock   *larder.Lock // nil, or kept for the next call that comes soon
	since  time.Time    // when the lock was taken
	rested time.Time    // when the lock was given up after a slice; zero: it was not
	closed bool

	mu   sync.Mutex  // guards idle
	idle *time.Timer // gives up a lock that is kept
}

const (
	// linger is for how long a lock is kept for a next call: taking one costs as much as a write or two.
	linger = 20 * time.Millisecond
	// slice is after how long a busy process gives the lock up, and rest for how long, so that those that look whether it
	// is free, every second or so at worst, find it free sooner or later.
	slice = 250 * time.Millisecond
	rest  = 50 * time.Millisecond
)

// LockingSession opens the locking session called name, which may be any text. Labels are kept if the session is new.
func (m *Manager) LockingSession(ctx context.Context, name string, opts *SessionOptions) (*LockingSession, error) {
	o, err := opts.orDefaults()
	if err != nil {
		return nil, wrap(name, err)
	}
	shelf, err := shelfOf(m.prefix, name)
	if err != nil {
		return nil, err
	}
	if !m.limits.AtomicIfAbsent || !m.limits.AtomicIfMatch {
		return nil, wrap(name, fmt.Errorf("%w: the backend decides no conditions atomically", errors.ErrUnsupported))
	}
	s := &LockingSession{m: m, name: name, shelf: shelf, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	for {
		err := s.open(ctx, o.Labels)
		if !errors.Is(err, backend.ErrExists) { // another process made it this moment
			if err != nil {
				return nil, wrap(name, err)
			}
			return s, nil
		}
	}
}

// LockingComputerSession is [Manager.LockingSession] with the name of the user and the machine.
func (m *Manager) LockingComputerSession(ctx context.Context, opts *SessionOptions) (*LockingSession, error) {
	return m.LockingSession(ctx, computerSession()+"-locking", opts)
}

func (s *LockingSession) open(ctx context.Context, labels map[string]string) error {
	st, _, err := s.m.stored(ctx, s.shelf)
	switch {
	case err == nil && !st.Locking:
		return errors.New("it is a session of one process: open it as one, or choose another name")
	case errors.Is(err, backend.ErrNotFound):
		st = s.m.opened(stored{Layout: LayoutItems, Locking: true}, UniqueKey(), labels)
		_, err = s.m.announce(ctx, s.shelf, st, "", true)
	}
	return err
}

// Name returns the name of the session.
func (s *LockingSession) Name() string { return s.name }

// Get reads the item of key into what dst points to, without the lock: as it was at some moment during the call. An absent
// one is [larder.ErrNotFound].
func (s *LockingSession) Get(ctx context.Context, key string, dst any) error {
	r, _, err := s.m.item(ctx, s.shelf, key)
	if err == nil && r.deleted {
		err = backend.ErrNotFound
	}
	if err == nil {
		err = decode(r, dst)
	}
	return wrapKey(s.name, key, err)
}

// Keys yields the keys that match, in byte order, without the lock.
func (s *LockingSession) Keys(ctx context.Context, match Match) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for r, err := range s.m.scan(ctx, s.shelf, query{match: match, keys: true}) {
			if !yield(r.key, s.m.placedOrNil(s.name, r, err)) || err != nil {
				return
			}
		}
	}
}

// Items yields the items that match, in the byte order of their keys, without the lock.
func (s *LockingSession) Items(ctx context.Context, match Match) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for r, err := range s.m.scan(ctx, s.shelf, query{match: match}) {
			if !yield(Value{r.key, r}, s.m.placedOrNil(s.name, r, err)) || err != nil {
				return
			}
		}
	}
}

func (m *Manager) placedOrNil(session string, r record, err error) error {
	if err == nil {
		return nil
	}
	return m.placed(session, r, err)
}

// Put stores value under key, over whatever was there.
func (s *LockingSession) Put(ctx context.Context, key string, value any) error {
	return s.holding(ctx, key, func(h *Held) error { return h.Put(ctx, key, value) })
}

// Delete removes the item of key. Removing what is absent succeeds.
func (s *LockingSession) Delete(ctx context.Context, key string) error {
	return s.holding(ctx, key, func(h *Held) error { return h.Delete(ctx, key) })
}

func (s *LockingSession) holding(ctx context.Context, key string, f func(h *Held) error) error {
	h, err := s.Acquire(ctx)
	if err != nil {
		return wrapKey(s.name, key, err)
	}
	defer h.end(ctx)
	return f(h)
}

// Held is the lock of a [LockingSession], and the session while it is held. It is for one goroutine.
type Held struct {
	s    *LockingSession
	hold holder
	over bool
}

// Acquire waits until no other holds the lock of the session, in this process or elsewhere, for as long as ctx
// allows, and takes it. Give it up by [Held.Release].
func (s *LockingSession) Acquire(ctx context.Context) (*Held, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, wrap(s.name, context.Cause(ctx))
	}
	if err := s.take(ctx); err != nil {
		s.turn <- struct{}{}
		return nil, wrap(s.name, err)
	}
	return &Held{s: s, hold: holder{s.m, s.lock}}, nil
}

// take makes sure that this process has the lock. The caller has the turn.
func (s *LockingSession) take(ctx context.Context) error {
	if s.closed {
		return ErrClosed
	}
	if s.lock != nil && s.lock.Held() {
		return nil
	}
	s.drop(ctx)
	if pause := rest - time.Since(s.rested); !s.rested.IsZero() && pause > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	lock, err := s.m.lock(ctx, s.shelf, true)
	if err != nil {
		return err
	}
	s.lock, s.since, s.rested = lock, time.Now(), time.Time{}
	return nil
}

// drop gives the lock up. The caller has the turn.
func (s *LockingSession) drop(ctx context.Context) error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Unlock(context.WithoutCancel(ctx))
	s.lock = nil
	return err
}

// keepIdle sees to it that a lock that is kept is given up soon, if no caller comes.
func (s *LockingSession) keepIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle != nil {
		s.idle.Reset(linger)
		return
	}
	s.idle = time.AfterFunc(linger, func() {
		select {
		case <-s.turn:
			s.drop(context.Background())
			s.turn <- struct{}{}
		default: // the one that has the turn sees to it
		}
	})
}

// end gives the turn back, and the lock, unless a next call may come soon.
func (h *Held) end(ctx context.Context) error {
	if h.over {
		return nil
	}
	h.over = true
	s := h.s
	var err error
	if time.Since(s.since) > slice || !s.lock.Held() {
		s.rested = time.Now()
		err = s.drop(ctx)
	}
	if s.lock != nil {
		s.keepIdle()
	}
	s.turn <- struct{}{}
	return err
}

// Release gives the lock up. It may be called again. [ErrLost] says that another process had the lock before
// that: what this one read may have changed before it wrote.
func (h *Held) Release(ctx context.Context) error {
	if h.over {
		return nil
	}
	lost := h.hold.held()
	h.s.since = time.Time{} // whoever took the lock for several operations has had its share
	return wrap(h.s.name, errors.Join(lost, h.end(ctx)))
}

// Get reads the item of key into what dst points to. An absent one is [larder.ErrNotFound].
func (h *Held) Get(ctx context.Context, key string, dst any) error {
	if err := h.ready(key); err != nil {
		return err
	}
	return h.s.Get(ctx, key, dst)
}

// Put stores value under key, over whatever was there.
func (h *Held) Put(ctx context.Context, key string, value any) error {
	if err := h.ready(key); err != nil {
		return err
	}
	v, err := encode(value)
	if err != nil {
		return wrapKey(h.s.name, key, err)
	}
	defer v.close()
	return wrapKey(h.s.name, key, h.put(ctx, key, v))
}

func (h *Held) put(ctx context.Context, key string, v *value) error {
	name, err := itemName(key)
	if err != nil {
		return err
	}
	item, err := v.fencedItem(backend.Key{Shelf: h.s.shelf, Name: name})
	if err != nil {
		return err
	}
	return h.hold.put(ctx, item, nil)
}

// Delete removes the item of key. Removing what is absent succeeds.
func (h *Held) Delete(ctx context.Context, key string) error {
	if err := h.ready(key); err != nil {
		return err
	}
	name, err := itemName(key)
	if err == nil {
		err = h.hold.remove(ctx, backend.Key{Shelf: h.s.shelf, Name: name})
	}
	return wrapKey(h.s.name, key, err)
}

func (h *Held) ready(key string) error {
	if h.over {
		return wrapKey(h.s.name, key, errors.New("the lock was released"))
	}
	return wrapKey(h.s.name, key, h.hold.held())
}

// Close gives up what the session holds. Other processes may go on.
func (s *LockingSession) Close(ctx context.Context) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return wrap(s.name, context.Cause(ctx))
	}
	defer func() { s.turn <- struct{}{} }()
	s.closed = true
	return wrap(s.name, s.drop(ctx))
}

// An Updater is a [LockingSession], or the [Held] lock of one.
type Updater interface {
	update(ctx context.Context, key string, change func(old *record) (*value, error)) error
}

// Update changes the item of key to what change makes of it: old is its value, or the zero value where found is false.
// No other change of the session comes between reading and writing. If change fails, nothing changes, and its error
// is returned. It may be called more than once, and must not call the session.
func Update[T any](ctx context.Context, s Updater, key string, change func(old T, found bool) (T, error)) error {
	return s.update(ctx, key, func(old *record) (*value, error) {
		var v T
		if old != nil {
			if err := decode(*old, &v); err != nil {
				return nil, err
			}
		}
		changed, err := change(v, old != nil)
		if err != nil {
			return nil, err
		}
		return encode(changed)
	})
}

func (s *LockingSession) update(ctx context.Context, key string, change func(*record) (*value, error)) error {
	return s.holding(ctx, key, func(h *Held) error { return h.update(ctx, key, change) })
}

// update reads and writes under the condition that the item is the one that was read: so that the change is right even
// if the lock is lost meanwhile.
func (h *Held) update(ctx context.Context, key string, change func(*record) (*value, error)) error {
	for {
		if err := h.ready(key); err != nil {
			return err
		}
		changed, err := h.tryUpdate(ctx, key, change)
		if !changed {
			return wrapKey(h.s.name, key, err)
		}
	}
}

// tryUpdate reports whether the item was changed between reading and writing, so that nothing was written.
func (h *Held) tryUpdate(ctx context.Context, key string, change func(*record) (*value, error)) (changed bool, err error) {
	r, info, err := h.s.m.item(ctx, h.s.shelf, key)
	old := &r
	switch {
	case errors.Is(err, backend.ErrNotFound), err == nil && r.deleted:
		old = nil
	case err != nil:
		return false, err
	}
	v, err := change(old)
	if err != nil {
		return false, err
	}
	defer v.close()
	name, err := itemName(key)
	if err != nil {
		return false, err
	}
	item, err := v.fencedItem(backend.Key{Shelf: h.s.shelf, Name: name})
	if err != nil {
		return false, err
	}
	item.IfAbsent, item.IfMatch = info.Version == "", info.Version
	_, err = h.s.m.backend.Put(ctx, item.Key, item.Body, item.PutOptions)
	return errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrExists), err
}
