package larder

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what a Store did since it was made.
type Stats struct {
	Hits, Misses            int64         // lookups by Get, GetInto, Reader and Memo
	Computed                int64         // computations that Memo ran to a value
	Waited                  int64         // computations spared because another process did them
	Puts                    int64         // values stored
	BytesRead, BytesWritten int64         // of values, as stored
	Corrupt                 int64         // keys found corrupt
	Healed                  int64         // of those, stored anew
	StoreFailures           int64         // computed results that could not be stored
	Saved                   time.Duration // what the hits' computations had taken
}

type counters struct {
	hits, misses, computed, waited, puts        atomic.Int64
	bytesRead, bytesWritten                     atomic.Int64
	corrupt, healed, storeFailures, savedMillis atomic.Int64
}

// Stats returns the counters of this Store.
func (s *Store) Stats() Stats {
	c := &s.counters
	return Stats{
		Hits:          c.hits.Load(),
		Misses:        c.misses.Load(),
		Computed:      c.computed.Load(),
		Waited:        c.waited.Load(),
		Puts:          c.puts.Load(),
		BytesRead:     c.bytesRead.Load(),
		BytesWritten:  c.bytesWritten.Load(),
		Corrupt:       c.corrupt.Load(),
		Healed:        c.healed.Load(),
		StoreFailures: c.storeFailures.Load(),
		Saved:         time.Duration(c.savedMillis.Load()) * time.Millisecond,
	}
}

func (c *counters) hit(info Info) {
	c.hits.Add(1)
	c.bytesRead.Add(info.Size)
	if cost, ok := info.Meta[metaCost]; ok {
		if ms, err := strconv.ParseInt(cost, 10, 64); err == nil {
			c.savedMillis.Add(ms)
		}
	}
}

func (s *Store) countMiss(err error) {
	if errors.Is(err, ErrNotFound) {
		s.counters.misses.Add(1)
	}
}

// recent is a bounded set that forgets everything when it is full. What it answers
// is a hint: "no" may mean forgotten.
type recent struct {
	mu sync.Mutex
	m  map[string]struct{}
}

// maxRecent keeps a full set at some 10 MB.
const maxRecent = 1 << 16

// add reports whether s was not in the set.
func (r *recent) add(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.m[s]; ok {
		return false
	}
	if r.m == nil || len(r.m) >= maxRecent {
		r.m = make(map[string]struct{})
	}
	r.m[s] = struct{}{}
	return true
}

func (r *recent) has(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.m[s]
	return ok
}

// remove reports whether s was in the set.
func (r *recent) remove(s string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.m[s]
	delete(r.m, s)
	return ok
}
