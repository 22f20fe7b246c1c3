package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// SessionOptions adjust a session. The zero value of each means its default.
type SessionOptions struct {
	// Wait waits, for as long as the context allows, while another process has the session open. Otherwise that is
	// [larder.ErrLocked] at once, with the holder's name.
	Wait bool
	// Labels are kept with the session, beside those that it has.
	Labels map[string]string

	// Sync, FlushSize and FlushAge are for sessions whose items travel in packs. What was put is stored, at the latest,
	// when so many bytes of it wait (the default is 4 MiB), or the first of them for so long (10 s); and
	// with Sync, before Put returns.
	Sync      bool
	FlushSize int
	FlushAge  time.Duration
}

const (
	defaultFlushSize = 4 << 20
	defaultFlushAge  = 10 * time.Second
)

func (o *SessionOptions) orDefaults() (SessionOptions, error) {
	var d SessionOptions
	if o != nil {
		d = *o
	}
	if d.FlushSize <= 0 {
		d.FlushSize = defaultFlushSize
	}
	if d.FlushAge <= 0 {
		d.FlushAge = defaultFlushAge
	}
	return d, checkLabels(d.Labels)
}

// UniqueKey returns a key that no other has: 32 random hexadecimal digits.
func UniqueKey() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// RandomName returns a name for a session that no other has: the user and a [UniqueKey].
func RandomName() string { return short(UserName(), 40) + "-" + UniqueKey() }

// short keeps names of users and machines from taking the room that other names need.
func short(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	for len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// Session opens the session called name, which may be any text, to be written by the caller alone. The empty name
// is a [RandomName]. It is an error, or waits, while another has it open; see [SessionOptions]. A nil opts
// means defaults.
//
// A process that dies leaves its session to the next one at once where the store is one machine's shelves, and
// after its lease (a minute, by default) elsewhere. What it had stored stays.
func (m *Manager) Session(ctx context.Context, name string, opts *SessionOptions) (*Session, error) {
	random := name == ""
	if random {
		name = RandomName()
	}
	o, err := opts.orDefaults()
	if err != nil {
		return nil, wrap(name, err)
	}
	shelf, err := shelfOf(m.prefix, name)
	if err != nil {
		return nil, err
	}
	lock, err := m.lock(ctx, shelf, o.Wait)
	if errors.Is(err, errors.ErrUnsupported) && random {
		err = nil // the name is not known elsewhere
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = fmt.Errorf("%w; a session with a random name needs no lock", err)
	}
	if err != nil {
		return nil, wrap(name, err)
	}
	s := &Session{m: m, name: name, shelf: shelf, opts: o, hold: holder{m, lock}}
	if err := s.open(ctx); err != nil {
		if lock != nil {
			lock.Unlock(context.WithoutCancel(ctx))
		}
		return nil, wrap(name, err)
	}
	return s, nil
}

// ComputerSession is [Manager.Session] with the name of the user and the machine: one that the processes of a
// machine use one after the other.
func (m *Manager) ComputerSession(ctx context.Context, opts *SessionOptions) (*Session, error) {
	return m.Session(ctx, computerSession(), opts)
}

func computerSession() string { return short(UserName(), 40) + "-" + short(ComputerName(), 60) }

// open learns what is there and says that it is open.
func (s *Session) open(ctx context.Context) error {
	st, entry, err := s.m.stored(ctx, s.shelf)
	if err != nil && !isNew(err) {
		return err
	}
	if err != nil || st.Layout == "" {
		layout, err := s.m.layoutOf(ctx, s.shelf)
		if err != nil {
			return err
		}
		st.Layout = layout
	}
	if st.Locking {
		return errors.New("it is a locking session: open it as one, or choose another name")
	}
	// What cannot be read and has no version is healed, whoever wrote it: there is no condition to write it under.
	healing := errors.Is(err, backend.ErrCorrupt) && entry.Version == ""
	s.info = s.m.opened(st, UniqueKey(), s.opts.Labels)
	info, err := s.m.announce(ctx, s.shelf, s.info, entry.Version, s.hold.lock != nil && !healing)
	if errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrExists) {
		return fmt.Errorf("%w: another process opens it at this moment", larder.ErrLocked)
	}
	if err != nil {
		return err
	}
	s.version = info.Version
	if s.info.Layout == LayoutItems {
		s.keep = &itemKeeper{s: s}
		return nil
	}
	s.keep, err = openPacks(ctx, s)
	return err
}

// layoutOf returns the layout of a session without metadata.
func (m *Manager) layoutOf(ctx context.Context, shelf string) (Layout, error) {
	for _, found := range []struct {
		mark   string
		layout Layout
	}{{packMark, LayoutPacks}, {itemMark, LayoutItems}} {
		for _, err := range m.backend.List(ctx, shelf, backend.ListOptions{Prefix: found.mark, Limit: 1}) {
			return found.layout, err
		}
	}
	switch {
	case m.opts.Layout != "":
		return m.opts.Layout, nil
	case m.limits.CostlyRequests:
		return LayoutPacks, nil
	}
	return LayoutItems, nil
}

// announce stores metadata in the place of a version, or of none.
func (m *Manager) announce(ctx context.Context, shelf string, st stored, version string, locked bool) (backend.Info, error) {
	item, err := m.infoItem(shelf, st, version, locked)
	if err != nil {
		return backend.Info{}, err
	}
	return m.backend.Put(ctx, item.Key, item.Body, item.PutOptions)
}

// infoItem is the Put of metadata in the place of a version, or of none.
func (m *Manager) infoItem(shelf string, st stored, version string, locked bool) (backend.Item, error) {
	item, err := st.item(shelf)
	if locked && m.limits.AtomicIfAbsent && m.limits.AtomicIfMatch {
		item.IfAbsent, item.IfMatch = version == "", version
	}
	return item, err
}
