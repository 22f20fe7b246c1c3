//go:build unix

package sql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/pgtest"
)

// A value that replaces the one that was seen is never deleted, however the two meet.
func TestDeleteMatchMeetsPuts(t *testing.T) {
	b := open(t, place(t, pgtest.URL(t)))
	deleted, kept := 0, 0
	for round := range 100 {
		size := []int{smallSize, largeSize}[round%2]
		seen := []backend.Seen{{Key: theKey, Version: mustPut(t, b, theKey, text(size, 1)).Version}}
		if round/2%2 == 1 {
			seen = append(seen, backend.Seen{Key: otherKey, Version: mustPut(t, b, otherKey, text(size, 1)).Version})
		}
		var wg sync.WaitGroup
		var failed error
		wg.Go(func() {
			failed = backend.DeleteMatch(context.Background(), b, seen)
		})
		wg.Go(func() {
			if _, err := put(b, theKey, text(size, 2), backend.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if len(seen) == 2 {
			if err := backend.ItemError(failed, 1); err != nil {
				t.Fatal(err)
			}
		}
		switch err := backend.ItemError(failed, 0); {
		case err == nil:
			deleted++
		case errors.Is(err, backend.ErrChanged):
			kept++
		default:
			t.Fatal(err)
		}
		if got := get(t, b, theKey); got != text(size, 2) {
			t.Fatalf("round %d: the value that was put is %.8q, after %d rounds in which the old one was deleted and %d in which it was replaced", round, got, deleted, kept)
		}
	}
}

// Batches of puts, deletes and matched deletes of the same keys, in any order, wait for each other, and none is a deadlock's victim: each of
// those would cost a second.
func TestBatchesMeetWithoutDeadlocks(t *testing.T) {
	ctx := context.Background()
	loc := place(t, pgtest.URL(t))
	conn, _ := connect(t, loc)
	deadlocks := func() (n int) {
		t.Helper()
		mustExec(t, conn, "SELECT pg_stat_clear_snapshot()")
		if err := conn.QueryRow(ctx, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := deadlocks()
	var wg sync.WaitGroup
	for worker := range 4 {
		b := open(t, loc)
		wg.Go(func() {
			defer b.Close() // a server's process reports when it ends
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			for round := range 60 {
				var items []backend.Item
				var keys []backend.Key
				for _, i := range r.Perm(50) {
					it := item(fmt.Sprint(i), []byte(text(smallSize, round)))
					items, keys = append(items, it), append(keys, it.Key)
				}
				infos, err := backend.PutBatch(ctx, b, items)
				if err != nil {
					t.Error(err)
					return
				}
				if round%2 == 0 {
					if err := backend.DeleteBatch(ctx, b, keys); err != nil {
						t.Error(err)
					}
					continue
				}
				var seen []backend.Seen
				for _, info := range infos {
					seen = append(seen, backend.Seen{Key: info.Key, Version: info.Version})
				}
				err = backend.DeleteMatch(ctx, b, seen)
				for i := range seen {
					if one := backend.ItemError(err, i); one != nil && !errors.Is(one, backend.ErrChanged) {
						t.Error(one)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := deadlocks() - before; n != 0 {
		t.Errorf("the server ended %d deadlocks", n)
	}
}
