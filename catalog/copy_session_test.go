package catalog_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/session"
)

// A session that is copied while it is written, and while its packs are merged, is whole in the copy: all that was stored when
// the copy began, and nothing missing between.
func TestCopyOfASessionInUse(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src, dst := newStore(t), kinds["shelve"](t)
		m, err := session.Open(ctx, src, "sweep", nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := m.Session(ctx, "one", nil)
		if err != nil {
			t.Fatal(err)
		}
		const items = 400
		var stored atomic.Int64
		done := make(chan error, 1)
		go func() {
			for i := range items {
				err := w.Put(ctx, fmt.Sprintf("%04d", i), float64(i))
				if err == nil {
					err = w.Flush(ctx)
				}
				if err != nil {
					done <- err
					return
				}
				stored.Add(1)
			}
			done <- w.Close(ctx)
		}()
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
			}
			before := int(stored.Load())
			r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Prefer: catalog.PreferNewer})
			if err != nil || r.Corrupt+r.Refused > 0 {
				t.Fatalf("%s: Copy = %+v, %v", name, r, err)
			}
			if got := itemsOf(t, dst); got < before || got > items {
				t.Errorf("%s: the copy has %d items of a session that had %d", name, got, before)
			}
		}
		if r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Prefer: catalog.PreferTheirs}); err != nil || r.Findings() > 0 {
			t.Errorf("%s: the last Copy = %+v, %v", name, r, err)
		}
		if got := itemsOf(t, dst); got != items {
			t.Errorf("%s: the copy has %d items, want %d", name, got, items)
		}
		copied, err := session.Open(ctx, dst, "sweep", nil)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := copied.Info(ctx, "one"); err != nil || !info.Closed {
			t.Errorf("%s: Info of the copy = %+v, %v, want a closed session", name, info, err)
		}
	}
}

// itemsOf counts the items of the session, each of which must be right.
func itemsOf(t *testing.T, s *larder.Store) int {
	t.Helper()
	ctx := context.Background()
	m, err := session.Open(ctx, s, "sweep", nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for item, err := range session.Matching[float64](ctx, m, session.All) {
		if err != nil || item.Key != fmt.Sprintf("%04d", n) || item.Value != float64(n) {
			t.Fatalf("item %d = %+v, %v", n, item, err)
		}
		n++
	}
	return n
}

// A copy that stopped left no session that looks closed and is not whole.
func TestSessionIsSealedLast(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src := newStore(t)
		furnish(t, src)
		all := len(contents(t, src))
		for space := 1; space < all; space++ {
			disk := &full{Backend: newStore(t).Backend()}
			disk.left.Store(int64(space))
			dst := opened(t, disk)
			if _, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Parallel: 1}); err == nil {
				t.Fatalf("%s: Copy with room for %d of %d succeeds", name, space, all)
			}
			for _, of := range []string{"s.sweep.closed", "s.sweep.open"} {
				_, err := dst.Backend().Stat(ctx, backend.Key{Shelf: of, Name: "m"})
				if sealed := err == nil; sealed && countOn(t, dst, of) != countOn(t, src, of) {
					t.Errorf("%s: with room for %d, %s has its metadata and %d entries of %d", name, space, of, countOn(t, dst, of), countOn(t, src, of))
				}
			}
		}
	}
}

func countOn(t *testing.T, s *larder.Store, shelf string) int {
	t.Helper()
	n := 0
	for _, err := range s.Backend().List(context.Background(), shelf, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
