package larder_test

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
)

// trace is a sequence of requests for numbered items.
type trace struct {
	name string
	next func(n int) int
}

// traces returns a Zipf trace, and one that a scan through items that nobody asks for again interrupts.
func traces(r *rand.Rand, items uint64) []trace {
	zipf := rand.NewZipf(r, 1.05, 4, items-1)
	scanned := int(items)
	return []trace{
		{"zipf", func(int) int { return int(zipf.Uint64()) }},
		{"zipf with scans", func(n int) int {
			if n%4000 < 800 { // a fifth of the requests
				scanned++
				return scanned
			}
			return int(zipf.Uint64())
		}},
	}
}

// lru is a cache of exact least recent use.
type lru struct {
	of    map[int]*list.Element
	order *list.List
	room  int
}

func (l *lru) hit(item int) bool {
	if e, ok := l.of[item]; ok {
		l.order.MoveToFront(e)
		return true
	}
	l.of[item] = l.order.PushFront(item)
	if l.order.Len() > l.room {
		oldest := l.order.Back()
		delete(l.of, l.order.Remove(oldest).(int))
	}
	return false
}

// A store with a limit, whose uses are known to a day and whose windows see a part of it, has the hit rate of exact LRU to 2 %: on
// shelves, where each process stores its marks, and in buckets, where one in 64 does. The processes are Stores that are
// closed after some requests; a value stays for some five days.
func TestHitRateIsThatOfLRU(t *testing.T) {
	const (
		items, room      = 10_000, 2000
		requests, warmup = 17_000, 7000
		value            = 1000
		perDay           = 1400
	)
	for _, sim := range []struct {
		name    string
		b       func(*mem.Options) larder.Backend
		process int // requests
	}{
		{"shelves", func(o *mem.Options) larder.Backend { return mem.New(o) }, 500},
		{"buckets", func(o *mem.Options) larder.Backend { return costly{mem.New(o)} }, 200},
	} {
		for i, tr := range traces(rand.New(rand.NewPCG(1, 2)), items) {
			t.Run(sim.name+"/"+tr.name, func(t *testing.T) {
				now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
				clock := func() time.Time { return now }
				b := sim.b(&mem.Options{Now: clock})
				opts := &larder.Options{MaxSize: room * value, NoLease: true}
				exact := &lru{map[int]*list.Element{}, list.New(), room}
				hits, exactHits := 0, 0
				var s *larder.Store
				for n := range requests {
					if n%sim.process == 0 {
						if s != nil {
							larder.EndUses(s)
						}
						s = larder.New(b, opts)
						larder.SetClock(s, clock)
					}
					now = now.Add(24 * time.Hour / perDay)
					item := tr.next(n)
					hit, err := use(t.Context(), s, item, value)
					if err != nil {
						t.Fatal(err)
					}
					best := exact.hit(item)
					if n < warmup {
						continue
					}
					if hit {
						hits++
					}
					if best {
						exactHits++
					}
				}
				got, want := float64(hits)/(requests-warmup), float64(exactHits)/(requests-warmup)
				t.Logf("%d: hit rate %.4f, of exact LRU %.4f", i, got, want)
				if got < want-0.02 {
					t.Errorf("hit rate %.4f, more than 2 %% below that of exact LRU, %.4f", got, want)
				}
				var bytes int64
				for info, err := range b.List(t.Context(), backend.ShelfCache, backend.ListOptions{}) {
					if err != nil {
						t.Fatal(err)
					}
					bytes += info.Size
				}
				if bytes > room*value*11/10 {
					t.Errorf("the store holds %d bytes, the limit is %d", bytes, room*value)
				}
			})
		}
	}
}

// use asks for an item, and stores it where it is absent.
func use(ctx context.Context, s *larder.Store, item, size int) (hit bool, err error) {
	c := component.Ref(fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(item)))))
	_, err = larder.Get[[]byte](ctx, s, c, "x")
	if !errors.Is(err, larder.ErrNotFound) {
		return err == nil, err
	}
	_, err = s.Put(ctx, c, "x", make([]byte, size))
	return false, err
}
