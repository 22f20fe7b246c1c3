package evict

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/marks"
)

// A Limiter keeps the values of a store within a number of bytes, with a bounded work for each Put.
//
// Most Puts do nothing. By chance, once in stepEvery Puts or in a stepBytes-th of the limit, one makes a step: it adds what
// was put since, by estimate, to a sum that all processes share, looks at the next window of entries and, if the sum is above the
// limit, removes those of them that were not used for longest. The window goes round through all names, and each round counts
// the store anew, so that no error of the estimate lasts. Names are digests: a window of neighbours is a random sample.
//
// Chance in place of counters lets processes that put one value each share the work without a word. A process that finds the
// lock taken leaves the step to a later Put.
type Limiter struct {
	b    backend.Backend
	lock func(context.Context) (unlock func(), err error)
	max  int64
	now  func() time.Time

	stepping atomic.Bool
	owed     atomic.Int64 // bytes that were put, by estimate, and are not in the sum

	used   marks.Set // guarded by stepping, as usedAt is
	usedAt time.Time
}

const (
	// stepEvery: a step costs some 4 ms on a shelf, of which 64 Puts bear 60 µs each.
	stepEvery = 64
	// stepBytes: the sum is at most about so small a part of the limit behind, for each process.
	stepBytes = 256

	// window is how many entries a step looks at, windows how many times.
	window  = 1024
	windows = 4
	// quota is which part of a window's bytes is removed at once.
	quota = 4
	// slack is which part of the limit a step makes room for.
	slack = 64
	// marksFor is how long a process believes the marks that it read.
	marksFor = 10 * time.Minute
)

// NewLimiter returns a Limiter of at most max bytes. lock takes the lock of that name, or fails at once.
func NewLimiter(b backend.Backend, max int64, now func() time.Time, lock func(context.Context) (unlock func(), err error)) *Limiter {
	return &Limiter{b: b, lock: lock, max: max, now: now}
}

// stateKey is where the shared sum is kept.
var stateKey = backend.Key{Shelf: backend.ShelfStore, Name: "size"}

// state is what processes share.
type state struct {
	Bytes  int64  `json:"bytes"`  // of all values, by estimate
	Known  bool   `json:"known"`  // a round was completed; before that Bytes lacks what was there
	Hand   string `json:"hand"`   // the last name of the last window; empty at the start of a round
	Seen   int64  `json:"seen"`   // bytes of this round so far
	Missed int64  `json:"missed"` // bytes that were put behind the hand in this round, by estimate
}

// Added is told of each value that was put. What goes wrong costs the Put nothing: a later one does the work.
func (l *Limiter) Added(ctx context.Context, info backend.Info) {
	if info.Key.Shelf != backend.ShelfCache {
		return
	}
	chance := min(1, max(1./stepEvery, float64(info.Size)*stepBytes/float64(l.max)))
	if rand.Float64() >= chance {
		return
	}
	l.owed.Add(int64(float64(info.Size) / chance))
	if !l.stepping.CompareAndSwap(false, true) {
		return
	}
	defer l.stepping.Store(false)
	unlock, err := l.lock(ctx)
	if err != nil {
		return
	}
	defer unlock()
	owed := l.owed.Swap(0)
	if l.step(ctx, info, owed) != nil {
		l.owed.Add(owed)
	}
}

// step looks at the next windows.
func (l *Limiter) step(ctx context.Context, put backend.Info, owed int64) error {
	s, err := l.load(ctx)
	if err != nil {
		return err
	}
	s.Bytes += owed
	if put.Key.Name <= s.Hand {
		s.Missed += owed
	}
	now := put.ModTime // by the store's clock, where the backend tells it
	if now.IsZero() {
		now = l.now()
	}
	// One window at least: others may put without a limit, and delete.
	for n := 0; n < windows && (n == 0 || !s.Known || s.Bytes > l.max); n++ {
		if err := l.window(ctx, &s, put.Key.Name, now); err != nil {
			return err
		}
	}
	return l.save(ctx, s)
}

func (l *Limiter) load(ctx context.Context) (state, error) {
	var s state
	text, _, err := backend.GetVerified(ctx, l.b, stateKey)
	switch {
	case err == nil:
		if json.Unmarshal(text, &s) != nil || s.Bytes < 0 || s.Seen < 0 || s.Missed < 0 ||
			s.Hand != "" && (backend.Key{Shelf: backend.ShelfCache, Name: s.Hand}).Validate() != nil {
			s = state{}
		}
	case !errors.Is(err, backend.ErrNotFound) && !errors.Is(err, backend.ErrCorrupt):
		return s, err
	}
	return s, nil
}

func (l *Limiter) save(ctx context.Context, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = backend.PutBytes(ctx, l.b, stateKey, text, backend.PutOptions{})
	return err
}

// SetSize tells all Limiters of a store how many bytes its values have. A store that has no limit is not told.
func SetSize(ctx context.Context, b backend.Backend, bytes int64) {
	if _, err := b.Stat(ctx, stateKey); err != nil {
		return
	}
	if text, err := json.Marshal(state{Bytes: bytes, Known: true}); err == nil {
		_, _ = backend.PutBytes(ctx, b, stateKey, text, backend.PutOptions{})
	}
}

// window looks at the next entries, and removes some of them, but not the one that was just put, if
// the store is above its limit.
func (l *Limiter) window(ctx context.Context, s *state, just string, now time.Time) error {
	var entries []backend.Info
	var bytes int64
	for info, err := range l.b.List(ctx, backend.ShelfCache, backend.ListOptions{After: s.Hand, Limit: window}) {
		if err != nil {
			return err
		}
		entries = append(entries, info)
		bytes += info.Size
	}
	full, last := len(entries) == window, ""
	if full {
		last = entries[window-1].Key.Name
	}
	if s.Hand == "" && !full { // the window is all there is
		*s = state{Bytes: bytes, Known: true}
	}
	if s.Known && s.Bytes > l.max {
		old := slices.DeleteFunc(entries, func(e backend.Info) bool { return e.Key.Name == just })
		freed, err := l.remove(ctx, old, min(s.Bytes-l.max+l.max/slack, max(1, bytes/quota)), now)
		if err != nil {
			return err
		}
		bytes -= freed
		s.Bytes -= freed
	}
	s.Seen += bytes
	if s.Hand = last; full {
		return nil
	}
	*s = state{Bytes: s.Seen + s.Missed, Known: true}
	return nil
}

// remove removes entries that were not used for longest, until need bytes are free.
func (l *Limiter) remove(ctx context.Context, entries []backend.Info, need int64, now time.Time) (freed int64, err error) {
	pinned, err := Pinned(ctx, l.b, now)
	if err != nil {
		return 0, err
	}
	if l.usedAt.IsZero() || now.Sub(l.usedAt).Abs() > marksFor {
		if l.used, err = marks.Read(ctx, l.b); err != nil {
			return 0, err
		}
		l.usedAt = now
	}
	type candidate struct {
		info backend.Info
		used time.Time
	}
	var all []candidate
	for _, info := range entries {
		if name := info.Key.Name; !pinned[Component(name)] {
			all = append(all, candidate{info, l.used.Used(name, info.ModTime, now)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return a.used.Compare(b.used) })
	var victims []backend.Info
	var chosen int64
	for _, c := range all {
		if chosen >= need {
			break
		}
		victims = append(victims, c.info)
		chosen += c.info.Size
	}
	removed, err := Delete(ctx, l.b, victims)
	for _, info := range removed {
		freed += info.Size
	}
	return freed, err
}
