//go:build unix

package sql_test

import (
	"context"
	"errors"
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
		seen := mustPut(t, b, theKey, text(size, 1))
		var wg sync.WaitGroup
		var failed error
		wg.Go(func() {
			failed = backend.DeleteMatch(context.Background(), b, []backend.Seen{{Key: theKey, Version: seen.Version}})
		})
		wg.Go(func() {
			if _, err := put(b, theKey, text(size, 2), backend.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
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
