package session

import (
	"context"
	"iter"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Item is an item of a collation: where it is, and its value.
type Item[T any] struct {
	Session string
	Key     string
	Value   T
}

// A CollateOption changes how a collation goes.
type CollateOption struct {
	report   func(error)
	parallel int
}

// SkipErrors goes on after an error that is about one item or one session, and reports it: each is an [*Error] that
// names them. The others are yielded all the same. Calls of report come one after the other. Without
// it a collation ends with the first error.
func SkipErrors(report func(err error)) CollateOption { return CollateOption{report: report} }

// maxParallel bounds the channels that are made for so many: they take 200 bytes for each.
const maxParallel = 1 << 16

// Parallel is how many sessions are read at a time, in place of the manager's [Options].
func Parallel(n int) CollateOption { return CollateOption{parallel: n} }

// All collations yield sessions in the byte order of their names, and the items of each in the byte order of their
// keys; they read several sessions at a time, and hold of each no more than [windowBytes] and two items, whatever
// the total; and they yield all that was stored before they began. What is stored while they go on they may
// yield or not. A value that T cannot hold is an error that names session, key and both types.

// Get yields the value of key in each session that has it.
func Get[T any](ctx context.Context, m *Manager, key string, opts ...CollateOption) iter.Seq2[Item[T], error] {
	return collate[T](ctx, m, query{match: Prefix(key), exact: true}, opts)
}

// Merged yields the elements of the slices that the sessions have under key, one session's after the other's. Values that
// are no slices are errors.
func Merged[E any](ctx context.Context, m *Manager, key string, opts ...CollateOption) iter.Seq2[E, error] {
	return elements(Get[[]E](ctx, m, key, opts...))
}

// Matching yields the items whose keys match.
func Matching[T any](ctx context.Context, m *Manager, match Match, opts ...CollateOption) iter.Seq2[Item[T], error] {
	return collate[T](ctx, m, query{match: match}, opts)
}

// MergedMatching yields the elements of the slices whose keys match. Values that are no slices are errors.
func MergedMatching[E any](ctx context.Context, m *Manager, match Match, opts ...CollateOption) iter.Seq2[E, error] {
	return elements(Matching[[]E](ctx, m, match, opts...))
}

// FlatMatching yields the values of the items whose keys match.
func FlatMatching[T any](ctx context.Context, m *Manager, match Match, opts ...CollateOption) iter.Seq2[T, error] {
	return values(Matching[T](ctx, m, match, opts...))
}

// Items yields all items.
func Items[T any](ctx context.Context, m *Manager, opts ...CollateOption) iter.Seq2[Item[T], error] {
	return Matching[T](ctx, m, All, opts...)
}

// Values yields the values of all items.
func Values[T any](ctx context.Context, m *Manager, opts ...CollateOption) iter.Seq2[T, error] {
	return values(Items[T](ctx, m, opts...))
}

// Count returns the number of items of all sessions.
func Count(ctx context.Context, m *Manager, match Match, opts ...CollateOption) (n int64, err error) {
	for _, err := range collate[none](ctx, m, query{match: match, keys: true}, opts) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// none is the value of items of which the keys alone are wanted.
type none struct{}

func values[T any](items iter.Seq2[Item[T], error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range items {
			if !yield(item.Value, err) {
				return
			}
		}
	}
}

func elements[E any](items iter.Seq2[Item[[]E], error]) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		for item, err := range items {
			if err != nil {
				var none E
				yield(none, err)
				return
			}
			for _, e := range item.Value {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// What goes from a session's reader to the collation at a time, and what waits for the collation at most, of one
// session: no more bytes than that unless one item has them. Handing over a portion costs little, and a reader that is ahead by a
// few thousand small items has work for its processor while the collation is at another session.
const (
	portionBytes = 32 << 10
	windowBytes  = 256 << 10
	portionItems = portionBytes / 128 // at first
)

// pair is an item of a session. It has no more pointers than it needs: collections of garbage look at all that wait.
type pair[T any] struct {
	key   string
	value T
}

// portion is what a session's reader hands over: items, and perhaps an error behind them.
type portion[T any] struct {
	session string
	items   []pair[T]
	err     error
	fatal   bool  // err is about more than one item or session
	weight  int64 // in the window
}

// reading is a session that is read.
type reading[T any] struct {
	portions chan portion[T]
	window   *semaphore.Weighted // bounds the bytes of the portions that wait, or are yielded
}

func newReading[T any]() reading[T] {
	return reading[T]{make(chan portion[T], windowBytes/portionBytes), semaphore.NewWeighted(windowBytes)}
}

func collate[T any](ctx context.Context, m *Manager, q query, opts []CollateOption) iter.Seq2[Item[T], error] {
	parallel, report := m.opts.Parallel, (func(error))(nil)
	for _, o := range opts {
		if o.parallel > 0 {
			parallel = o.parallel
		}
		if o.report != nil {
			report = o.report
		}
	}
	parallel = min(parallel, maxParallel)
	return func(yield func(Item[T], error) bool) {
		outer := ctx
		ctx, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait() // nothing is read any more when the collation is over
		defer cancel()
		queue := make(chan reading[T], parallel-1)                       // in order; with the one that is yielded they are parallel
		spare := make(chan []pair[T], parallel*windowBytes/portionBytes) // what was looked at, for later portions
		readers.Go(func() {
			defer close(queue)
			for session, err := range m.Sessions(ctx) {
				r := newReading[T]()
				select {
				case queue <- r:
				case <-ctx.Done():
					return
				}
				if err != nil {
					r.portions <- portion[T]{err: err, fatal: true}
					close(r.portions)
					return
				}
				readers.Go(func() { readSession(ctx, m, session, q, r, spare) })
			}
		})
		var load ballast
		defer load.drop()
		for r := range queue {
			for b := range r.portions {
				load.passed(b.weight)
				for _, item := range b.items {
					if !yield(Item[T]{b.session, item.key, item.value}, nil) {
						return
					}
				}
				clear(b.items)
				r.window.Release(b.weight)
				select {
				case spare <- b.items[:0]:
				default:
				}
				switch {
				case b.err == nil:
				case report != nil && !b.fatal:
					report(b.err)
				default:
					yield(Item[T]{}, b.err)
					return
				}
			}
			// A reader that is cut off just ends: what it did not send must not look as if it were not there.
			if context.Cause(outer) != nil {
				break
			}
		}
		if err := context.Cause(outer); err != nil {
			yield(Item[T]{}, err)
		}
	}
}

// readSession sends the items of a session, decoded.
func readSession[T any](ctx context.Context, m *Manager, session string, q query, to reading[T], spare <-chan []pair[T]) {
	defer close(to.portions)
	var items []pair[T]
	size := 0
	send := func(err error, fatal bool) bool {
		weight := int64(min(size, windowBytes))
		if to.window.Acquire(ctx, weight) != nil {
			return false
		}
		select {
		case to.portions <- portion[T]{session, items, err, fatal, weight}:
		case <-ctx.Done():
			return false
		}
		items, size = nil, 0
		return true
	}
	shelf, err := shelfOf(m.prefix, session)
	if err != nil {
		send(wrap(session, err), false)
		return
	}
	for r, err := range m.scan(ctx, shelf, q) {
		if err == nil && q.enough(r.key) {
			break
		}
		if items == nil { // not before: a session's last portion would lose them
			items = reuse(spare)
		}
		size += r.size()
		items = append(items, pair[T]{key: r.key})
		value := &items[len(items)-1].value // decoded in its place: a value whose address is taken would be allocated
		if err == nil && !q.keys {
			if err = decode(r, value); err != nil {
				r.codec = "decoded"
			}
		}
		if err != nil {
			items = items[:len(items)-1]
			err = m.placed(session, r, err)
		}
		if (err != nil || size >= portionBytes) && !send(err, ctx.Err() != nil) {
			return
		}
	}
	err = ctx.Err()
	if err != nil || len(items) > 0 {
		send(err, true)
	}
}

// reuse returns spare items, or new ones.
func reuse[T any](spare <-chan []pair[T]) []pair[T] {
	select {
	case items := <-spare:
		return items
	default:
		return make([]pair[T], 0, portionItems)
	}
}
