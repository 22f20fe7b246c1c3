// Package session is the data manager of parameter sweeps: many processes and machines write, one analysis reads.
//
// Each worker writes to a session of its own, without regard for the others. The analysis collates over all
// sessions of a [Manager], also while workers still write:
//
//	m, err := session.Open(ctx, store, "rate-curve", nil)
//	s, err := m.Session(ctx, "", nil) // in each worker: a name of its own
//	err = s.Put(ctx, "current=0.5", rate)
//	err = s.Close(ctx)
//	…
//	for item, err := range session.Matching[float64](ctx, m, session.Prefix("current=")) { … }
//
// What several processes change together is in a [LockingSession], whose [Update] is atomic.
//
// Sessions are shelves of a store, on any backend. Where every request costs, the items of a session travel in
// packs; docs/sessions.md says when what is durable, and has the format.
package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// Options adjust a Manager. The zero value of each means its default.
type Options struct {
	// Parallel is how many sessions a collation reads at a time. The default is 32 where every request takes its
	// way, else twice the number of processors.
	Parallel int
	// Layout is how the items of new sessions are kept. The default depends on the backend.
	Layout Layout
	// Logger receives non-fatal problems. The default is slog.Default.
	Logger *slog.Logger
	// Now is the clock of the metadata. The default is time.Now.
	Now func() time.Time
}

// A Layout is how a session keeps its items.
type Layout string

// The layouts. A session has the same for all its life.
const (
	// LayoutItems: each item is an entry of its own, stored when Put returns. Default where requests are cheap.
	LayoutItems Layout = "items"
	// LayoutPacks: items are gathered in memory and stored together. Default where every request costs.
	LayoutPacks Layout = "packs"
)

// A Manager is a name in a store under which sessions are kept. It is safe for concurrent use.
type Manager struct {
	name    string
	prefix  string // of the shelves of its sessions
	store   *larder.Store
	backend backend.Backend
	limits  backend.Limits
	opts    Options
	owned   bool // the store is closed with the manager
}

// Open returns the manager called name, which may be any text, in store. Nothing is stored before the first session
// is opened. A nil opts means defaults.
func Open(_ context.Context, store *larder.Store, name string, opts *Options) (*Manager, error) {
	prefix, err := shelfPrefix(name)
	if err != nil {
		return nil, err
	}
	m := &Manager{name: name, prefix: prefix, store: store, backend: store.Backend(), limits: backend.LimitsOf(store.Backend())}
	if opts != nil {
		m.opts = *opts
	}
	switch m.opts.Layout {
	case "", LayoutItems, LayoutPacks:
	default:
		return nil, fmt.Errorf("layout %q: known are %q and %q", m.opts.Layout, LayoutItems, LayoutPacks)
	}
	if m.opts.Logger == nil {
		m.opts.Logger = slog.Default()
	}
	if m.opts.Now == nil {
		m.opts.Now = time.Now
	}
	if m.opts.Parallel <= 0 {
		m.opts.Parallel = 2 * runtime.GOMAXPROCS(0)
		if m.limits.CostlyRequests {
			m.opts.Parallel = 32
		}
	}
	return m, nil
}

// OpenURL is [Open] in the store at a URL, which is closed with the manager.
func OpenURL(ctx context.Context, url, name string, opts *Options) (*Manager, error) {
	store, err := larder.Open(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	m, err := Open(ctx, store, name, opts)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	m.owned = true
	return m, nil
}

// Name returns the name of the manager.
func (m *Manager) Name() string { return m.name }

// Close closes the store, if the manager was opened by [OpenURL]. Sessions are closed by their own Close, before.
func (m *Manager) Close() error {
	if !m.owned {
		return nil
	}
	return m.store.Close()
}

// Location returns the shelf of the store on which a session is kept.
func (m *Manager) Location(session string) (shelf string, err error) {
	return shelfOf(m.prefix, session)
}

// Sessions yields the names of the sessions, in byte order.
func (m *Manager) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for shelf, err := range m.backend.Shelves(ctx, backend.ListOptions{Prefix: m.prefix}) {
			if err != nil {
				yield("", err)
				return
			}
			if name, ours := sessionOf(m.prefix, shelf); ours && !yield(name, nil) {
				return
			}
		}
	}
}

// Managers yields the names of the managers that have a session in a store, in the order of their shelves.
func Managers(ctx context.Context, store *larder.Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		opts := backend.ListOptions{Prefix: shelfMark, Limit: 1}
		for {
			// One shelf of each manager shows its name. The next manager's are behind the last of its sessions.
			found := ""
			for shelf, err := range store.Backend().Shelves(ctx, opts) {
				if err != nil {
					yield("", err)
					return
				}
				found = shelf
			}
			if found == "" {
				return
			}
			name, prefix, ours := managerOf(found)
			if !ours {
				opts.After = found
				continue
			}
			if !yield(name, nil) {
				return
			}
			opts.After = prefix + strings.Repeat("z", backend.MaxShelf-len(prefix)) // behind all its sessions
		}
	}
}

// Remove deletes a session and all its items. It fails with [larder.ErrLocked] while the session is open.
func (m *Manager) Remove(ctx context.Context, session string) error {
	shelf, err := shelfOf(m.prefix, session)
	if err != nil {
		return err
	}
	lock, err := m.lock(ctx, shelf, false)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return wrap(session, err)
	}
	if lock != nil {
		defer lock.Unlock(context.WithoutCancel(ctx))
	}
	// From the end: what is left after an interruption is a whole session of an earlier time. The metadata comes last, so
	// that it is known as one, and can be removed again.
	var keys []backend.Key
	found := false
	for info, err := range m.backend.List(ctx, shelf, backend.ListOptions{}) {
		if err != nil {
			return wrap(session, err)
		}
		found = true
		if info.Key.Name != metaName {
			keys = append(keys, info.Key)
		}
	}
	if !found {
		return wrap(session, backend.ErrNotFound)
	}
	const batch = 1000
	for end := len(keys); end > 0; end = max(0, end-batch) {
		if lock != nil && !lock.Held() {
			return wrap(session, ErrLost)
		}
		if err := backend.DeleteBatch(ctx, m.backend, keys[max(0, end-batch):end]); err != nil {
			return wrap(session, err)
		}
	}
	if lock != nil && !lock.Held() {
		return wrap(session, ErrLost)
	}
	return wrap(session, m.backend.Delete(ctx, backend.Key{Shelf: shelf, Name: metaName}))
}

// lock takes the lock of a session, or names its holder.
func (m *Manager) lock(ctx context.Context, shelf string, wait bool) (*larder.Lock, error) {
	name := "session " + shelf
	if wait {
		return m.store.Lock(ctx, name)
	}
	return m.store.TryLock(ctx, name)
}
