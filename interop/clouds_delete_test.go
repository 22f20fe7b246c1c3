package interop_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
)

// Where the service decides deletes by version, a value that replaces the one that was seen is never deleted, however the two meet.
func TestDeleteMatchMeetsPuts(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			b, err := openURL(t.Context(), s.url(t, s.start(t).URL))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for round := range 50 {
				seen, err := tryPut(b, "a", "old", backend.PutOptions{})
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					err := backend.DeleteMatch(context.Background(), b, []backend.Seen{{Key: seen.Key, Version: seen.Version}})
					if err := backend.ItemError(err, 0); err != nil && !errors.Is(err, backend.ErrChanged) {
						t.Error(err)
					}
				})
				wg.Go(func() {
					if _, err := tryPut(b, "a", "new", backend.PutOptions{}); err != nil {
						t.Error(err)
					}
				})
				wg.Wait()
				if text, err := read(b, "a"); text != "new" || err != nil {
					t.Fatalf("round %d: the value that was put is %q, %v", round, text, err)
				}
			}
		})
	}
}
