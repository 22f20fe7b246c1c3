// Package larder keeps what a computation has already produced, so that nobody
// computes it twice.
//
// A result is kept under a key made from what the computation is: its type, its
// version, its parameters and its inputs (a [Component]). Where it is kept is chosen
// by a URL: shelves on this machine, object storage, or a database with a bucket.
//
//	store, err := larder.Open(ctx, "shelve:///var/cache/lab", nil)
//	…
//	fit := component.New("lab/fit", "v3", map[string]any{"tau": 0.02}, recording)
//	model, err := larder.Memo(ctx, store, fit, "model", func(ctx context.Context) (Model, error) {
//		return fitModel(ctx, …) // runs only if no one has done it before
//	})
//
// Every value is verified against its checksum when it is read: what is corrupt is
// a miss, never a hit. See docs/design.md for why things are as they are.
package larder

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/evict"
	"github.com/larder-store/larder/internal/lease"
	"github.com/larder-store/larder/internal/marks"
	"github.com/larder-store/larder/internal/place"
	"github.com/larder-store/larder/keying"
)

// The three core interfaces, and what a Store knows of a value.
type (
	Component    = component.Component // what a result is
	KeyGenerator = keying.KeyGenerator // a key from that
	Backend      = backend.Backend     // where results are kept
	Info         = backend.Info
)

// The errors that users meet. Test with [errors.Is].
var (
	ErrNotFound    = backend.ErrNotFound // every [Miss] matches it
	ErrExists      = backend.ErrExists   // IfAbsent, and there is a value
	ErrCorrupt     = backend.ErrCorrupt  // the bytes found are not those that were stored
	ErrNewer       = backend.ErrNewer    // a newer version of Larder wrote it; it is left as it is
	ErrUnavailable = backend.ErrUnavailable
	ErrLocked      = backend.ErrLocked
	ErrClosed      = backend.ErrClosed

	// ErrConflict: [Verify], and the key holds other bytes.
	ErrConflict = errors.New("key already holds other bytes")
	// ErrLoop: a computation asked, through others, for its own result.
	ErrLoop = errors.New("computation waits for itself")
	// ErrKeys: the store was made with another KeyGenerator, which the error names.
	ErrKeys = errors.New("the store has keys of another generator")
	// ErrStale: the reason of a [Miss] for a value that is older than [MaxAge] allows, or
	// from the future.
	ErrStale = errors.New("stale")
)

// Options adjust a Store. The zero value of each means its default.
type Options struct {
	// Keys makes keys. A store stays with the generator of its first value; with another one, nothing can be stored
	// ([ErrKeys]). The default is the store's own where that costs no request, and keying.Hash elsewhere and
	// for a new store. The record names a generator of one's own by its method Name() string, else by its type.
	Keys KeyGenerator
	// KeysOfStore makes the store's own generator the default everywhere, for a request at the first use.
	KeysOfStore bool
	// Logger receives non-fatal problems: a result that
	// could not be stored, a wait for another process. The default is slog.Default.
	Logger *slog.Logger
	// TempDir is where streams of more than 1 MiB are spooled for backends that cannot take them as they come
	// (buckets); the default is os.TempDir.
	TempDir string

	// ReadOnly opens a store to read it, and makes none where there is none; see [backend.ReadOnly]. It is for Open.
	ReadOnly bool

	// MaxSize is how many bytes of values the store keeps: with it each Put now and then removes those that were not used for
	// longest, but nothing that is pinned. 0 is no limit. It is met roughly; docs/garbage.md says how.
	MaxSize int64
	// UseJournal is a file in which processes of this machine gather when they used which values, instead of
	// writing that to the store one by one. It is for commands that make a hit and end.
	UseJournal string

	// NoLease lets every process compute for itself what is absent. Otherwise one
	// computes and the others wait, on backends with leases.
	NoLease bool
	// LeaseTTL is how long a process that fell silent is believed to be computing, where
	// its death cannot be seen; the default is a minute, the most an hour.
	LeaseTTL time.Duration
	// MaxWait bounds the wait for another process's computation; then this one
	// computes too. The default is an hour.
	MaxWait time.Duration
}

// A Store keeps the results of components in a backend. Its methods may be called
// by any number of goroutines.
type Store struct {
	backend backend.Backend
	limits  backend.Limits
	keys    KeyGenerator // as given; see generator
	log     *slog.Logger
	tempDir string
	maxWait time.Duration
	now     func() time.Time

	adopt    bool                         // keys is nil, and the record may be asked for
	adopted  atomic.Pointer[KeyGenerator] // instead of keys
	known    known
	switched atomic.Bool // keys may have been made by another generator than the store's

	leases      *lease.Client   // nil: every process computes for itself
	locks       *lease.Client   // of TryLock; it remembers what it saw of dead holders. nil: the backend has no leases
	uses        *marks.Recorder // nil: nobody asks, or the store is only read
	limit       *evict.Limiter  // nil: there is none
	flights     flights
	described   recent // components whose description is known to be stored
	corrupt     recent // keys that were found corrupt, to be healed by the next Put
	unreachable recent // keys that were asked for and not answered; their next lease is done without
	counters    counters
}

// Open opens the backend that url names, such as "shelve:///var/cache/lab", a plain
// path or "s3://bucket/prefix", and a Store over it. The backend's package must be
// imported for its scheme to be known. A nil opts means defaults.
//
// With any backend the URL may say lease=none, which is [Options].NoLease, or lease=20s, which
// is a LeaseTTL, and max_size=10GiB, which is a MaxSize; they override opts.
func Open(ctx context.Context, url string, opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	url, err := takeOwn(url, &o)
	if err != nil {
		return nil, err
	}
	var how []backend.OpenOption
	if o.ReadOnly {
		how = append(how, backend.ReadOnly())
		o.NoLease = true
	}
	b, err := backend.OpenWith(ctx, url, how...)
	if err != nil {
		return nil, err
	}
	if err := notNear(ctx, b); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return New(b, &o), nil
}

// New returns a Store over b, which it closes when it is closed. A nil opts means
// defaults.
func New(b Backend, opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Store{
		backend: b,
		limits:  backend.LimitsOf(b),
		keys:    o.Keys,
		log:     o.Logger,
		tempDir: o.TempDir,
		maxWait: o.MaxWait,
		now:     time.Now,
	}
	s.known.asking = make(chan struct{}, 1)
	s.adopt = o.Keys == nil && (o.KeysOfStore || !s.limits.CostlyRequests)
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.maxWait <= 0 {
		s.maxWait = time.Hour
	}
	// What lives and dies with this process has no other process to wait for.
	s.locks = lease.New(b, o.LeaseTTL) // nil where b cannot
	if !o.NoLease && (s.limits.Lasting || s.limits.Shared) {
		s.leases = s.locks
	}
	s.watchUses(o)
	return s
}

// Backend returns the backend below the store.
func (s *Store) Backend() Backend { return s.backend }

// Close closes the backend, after it stored when values were used. It may be called again.
func (s *Store) Close() error {
	if s.uses != nil {
		s.uses.Close()
	}
	return s.backend.Close()
}

// Key returns the key that the store's KeyGenerator makes of c.
func (s *Store) Key(ctx context.Context, c Component) (string, error) {
	if _, known := component.KnownKey(c); known && s.keys == nil {
		if key, err := (keying.Hash{}).Key(ctx, c); err == nil {
			return key, nil // the store need not be asked whose it is
		}
	}
	keys, err := s.generator(ctx)
	if err != nil {
		return "", err
	}
	return keys.Key(ctx, c)
}

// place returns where an attribute of c is kept.
func (s *Store) place(ctx context.Context, c Component, attribute string) (backend.Key, error) {
	id, err := s.Key(ctx, c)
	if err != nil {
		return backend.Key{}, err
	}
	return place.Of(id, attribute)
}
