package session

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
)

// query says which items of a session are read, and how.
type query struct {
	match Match
	after string // only keys greater than it, if from is set
	from  bool
	keys  bool // without their values
	exact bool // only the key that is match.prefix

	bound *atomic.Pointer[string] // unless nil, points to a key behind which nothing is wanted any more, or to nil
}

// takes reports whether the query is for key.
func (q query) takes(key string) bool {
	return (!q.from || key > q.after) && q.match.takes(key) && !(q.exact && key != q.match.prefix)
}

// enough reports whether nothing behind key is wanted any more.
func (q query) enough(key string) bool {
	if q.bound == nil {
		return false
	}
	bound := q.bound.Load()
	return bound != nil && key > *bound
}

// begins is a key before which the query takes none.
func (q query) begins() string {
	if q.from {
		return max(q.after, q.match.prefix)
	}
	return q.match.prefix
}

// over reports whether the query takes neither key nor any behind it.
func (q query) over(key string) bool {
	prefix := q.match.prefix
	return key > prefix && (q.exact || len(prefix) > 0 && (len(key) < len(prefix) || key[:len(prefix)] != prefix))
}

// A source yields records in the order of their keys. An error that is about one record comes with its
// key, and the records behind it follow; so they do after an errUnreadable. Any other error is the last step.
type source = iter.Seq2[record, error]

// ofPack yields the records of a pack.
func ofPack(ctx context.Context, p *packReader, q query) source {
	return func(yield func(record, error) bool) {
		err := p.open(ctx)
		if err == nil {
			err = p.seek(ctx, q.begins())
		}
		if err != nil {
			yield(record{}, err)
			return
		}
		value := func(key string) bool { return !q.keys && q.takes(key) }
		for {
			r, err := p.next(ctx, value)
			var lost *errUnreadable
			switch {
			case err == io.EOF || err == nil && q.over(r.key):
				return
			case errors.As(err, &lost) && !lost.concerns(q):
				continue
			case err == nil && !q.takes(r.key):
				continue
			case err != nil && !errors.As(err, &lost) && (r.codec == "" || !errors.Is(err, backend.ErrCorrupt)):
				yield(record{}, err)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// ofRecords yields sorted records that are in memory.
func ofRecords(records []record, q query) source {
	return func(yield func(record, error) bool) {
		for _, r := range records {
			if q.takes(r.key) && !yield(r, nil) {
				return
			}
		}
	}
}

// merge yields the records of sources in the order of their keys. Of several with one key, that of the last
// source is yielded; where that one cannot be read, an error is, never what it replaced. Records that say
// that an item was deleted are yielded too.
func merge(sources []source) source {
	if len(sources) == 1 {
		return sources[0]
	}
	return func(yield func(record, error) bool) {
		m := make(merger, 0, len(sources))
		defer func() {
			for _, c := range m {
				c.stop()
			}
		}()
		lost := make([]*errUnreadable, len(sources))
		for rank, s := range sources {
			next, stop := iter.Pull2(s)
			c := &cursor{rank: rank, next: next, stop: stop}
			if c.step() {
				m = append(m, c)
			} else {
				stop()
			}
		}
		heap.Init(&m)
		last, any := "", false
		for len(m) > 0 {
			c := m[0]
			r, err, rank := c.r, c.err, c.rank
			switch gap, isGap := err.(*errUnreadable); {
			case isGap:
				lost[rank] = gap
				if !yield(record{}, err) {
					return
				}
			case err != nil && r.codec == "":
				yield(record{}, err)
				return
			case any && r.key == last, hidden(lost[rank+1:], r.key):
			default:
				last, any = r.key, true
				if !yield(r, err) {
					return
				}
			}
			if c.step() {
				heap.Fix(&m, 0)
			} else {
				c.stop()
				heap.Pop(&m)
			}
		}
	}
}

// hidden reports whether a later source may hold a record of key among those that cannot be read.
func hidden(lost []*errUnreadable, key string) bool {
	return slices.ContainsFunc(lost, func(e *errUnreadable) bool {
		return e != nil && (e.first || key > e.after) && (e.last || key < e.upTo)
	})
}

// cursor stands at one record of a source.
type cursor struct {
	rank int
	next func() (record, error, bool)
	stop func()
	r    record
	err  error
}

func (c *cursor) step() bool {
	var ok bool
	c.r, c.err, ok = c.next()
	return ok
}

// sortKey is where the cursor's step belongs. What says that records are lost comes before those that they
// may have replaced.
func (c *cursor) sortKey() string {
	if gap, ok := c.err.(*errUnreadable); ok && !gap.first {
		return gap.after
	}
	return c.r.key
}

// merger is a heap of cursors.
type merger []*cursor

func (m merger) Len() int { return len(m) }
func (m merger) Less(i, j int) bool {
	a, b := m[i].sortKey(), m[j].sortKey()
	return a < b || a == b && m[i].rank > m[j].rank
}
func (m merger) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merger) Push(x any)   { *m = append(*m, x.(*cursor)) }
func (m *merger) Pop() any {
	last := len(*m) - 1
	c := (*m)[last]
	*m = (*m)[:last]
	return c
}
