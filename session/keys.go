package session

import (
	"container/heap"
	"context"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
)

// sweepKeys is how many distinct keys are held at a time.
const sweepKeys = 1 << 16

// Keys yields the distinct keys of all sessions, in byte order.
func Keys(ctx context.Context, m *Manager, opts ...CollateOption) iter.Seq2[string, error] {
	return MatchingKeys(ctx, m, All, opts...)
}

// MatchingKeys yields the distinct keys of all sessions that match, in byte order. It holds 65,536 keys at most: where
// there are more, it goes over the sessions again for the next ones.
func MatchingKeys(ctx context.Context, m *Manager, match Match, opts ...CollateOption) iter.Seq2[string, error] {
	return matchingKeys(ctx, m, match, sweepKeys, opts)
}

func matchingKeys(ctx context.Context, m *Manager, match Match, most int, opts []CollateOption) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		q := query{match: match, keys: true}
		for {
			least := leastKeys{most: most, has: map[string]bool{}}
			q.bound = &least.bound
			for item, err := range collate[none](ctx, m, q, opts) {
				if err != nil {
					yield("", err)
					return
				}
				least.add(item.Key)
			}
			keys := least.sorted()
			for _, key := range keys {
				if !yield(key, nil) {
					return
				}
			}
			if len(keys) < most {
				return
			}
			q.after, q.from = keys[len(keys)-1], true
		}
	}
}

// leastKeys holds the least of the keys that it is given.
type leastKeys struct {
	most  int
	has   map[string]bool
	keys  keyHeap                // those of has, the greatest first
	bound atomic.Pointer[string] // the greatest, once there are enough: no need to look beyond it
}

func (l *leastKeys) add(key string) {
	full := len(l.keys) == l.most
	if l.has[key] || full && key > l.keys[0] {
		return
	}
	if full {
		delete(l.has, heap.Pop(&l.keys).(string))
	}
	l.has[key] = true
	heap.Push(&l.keys, key)
	if len(l.keys) == l.most {
		greatest := l.keys[0]
		l.bound.Store(&greatest)
	}
}

func (l *leastKeys) sorted() []string { return slices.Sorted(maps.Keys(l.has)) }

// keyHeap is a heap with its greatest key first.
type keyHeap []string

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return h[i] > h[j] }
func (h keyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)        { *h = append(*h, x.(string)) }
func (h *keyHeap) Pop() any {
	last := len(*h) - 1
	key := (*h)[last]
	*h = (*h)[:last]
	return key
}

// Count returns the number of items of one session.
func (m *Manager) Count(ctx context.Context, session string) (n int64, err error) {
	shelf, err := shelfOf(m.prefix, session)
	if err != nil {
		return 0, err
	}
	for r, err := range m.scan(ctx, shelf, query{keys: true}) {
		if err != nil {
			return n, m.placed(session, r, err)
		}
		n++
	}
	return n, nil
}
