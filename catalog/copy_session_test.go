package catalog_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/tar"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/internal/latelist"
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

// A session whose packs are merged while it is listed is whole in the copy, also where the list shows neither them nor what they were merged
// into.
func TestCopyOfASessionThatIsClosedMeanwhile(t *testing.T) {
	for name, copied := range copies {
		t.Run(name, func(t *testing.T) { copyWhileClosed(t, copied) })
	}
}

// copies are the ways in which a session comes to be in another store.
var copies = map[string]func(*testing.T, *larder.Store) *larder.Store{
	"copied": func(t *testing.T, src *larder.Store) *larder.Store {
		dst := opened(t, mem.New(nil))
		if r, err := catalog.Copy(t.Context(), dst, src, catalog.CopyOptions{}); err != nil || r.Findings() > 0 {
			t.Fatalf("Copy = %+v, %v", r, err)
		}
		return dst
	},
	"exported": func(t *testing.T, src *larder.Store) *larder.Store {
		path := filepath.Join(t.TempDir(), "store.tar")
		if r := export(t, path, nil, src, catalog.CopyOptions{}); r.Findings() > 0 {
			t.Fatalf("Export = %+v", r)
		}
		return openTar(t, path)
	},
}

// begun returns an open session with items, each of which was flushed, its manager, and where it is.
func begun(t *testing.T, layout session.Layout, opts *session.SessionOptions, items int) (backend.Backend, *session.Manager, *session.Session) {
	t.Helper()
	ctx := t.Context()
	under := mem.New(nil)
	m, err := session.Open(ctx, opened(t, under), "sweep", &session.Options{Layout: layout})
	if err != nil {
		t.Fatal(err)
	}
	w, err := m.Session(ctx, "one", opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range items {
		if err := w.Put(ctx, fmt.Sprintf("%04d", i), float64(i)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return under, m, w
}

// listedBeside is a backend where something happens in the midst of the first list of a session.
func listedBeside(t *testing.T, under backend.Backend, change func() error) backend.Backend {
	inSession := func(shelf, _ string) bool { return strings.HasPrefix(shelf, "s.") }
	return &latelist.Backend{Backend: under, In: inSession, Between: func() {
		if err := change(); err != nil {
			t.Error(err)
		}
	}}
}

func copyWhileClosed(t *testing.T, copied func(*testing.T, *larder.Store) *larder.Store) {
	ctx := t.Context()
	const items = 5
	under, _, w := begun(t, session.LayoutPacks, nil, items)
	src := opened(t, listedBeside(t, under, func() error { return w.Close(ctx) })) // which merges the packs
	if got := itemsOf(t, copied(t, src)); got != items {
		t.Errorf("the copy has %d items, want %d", got, items)
	}
}

// What is stored in a session, and the session closed, while it is copied is in the copy, or it does not look closed there.
func TestCopyOfASessionThatIsClosedLast(t *testing.T) {
	moments := map[string]func(backend.Backend, func()) backend.Backend{
		"before its metadata is read": func(b backend.Backend, f func()) backend.Backend { return &sealing{b, f} },
		"after its packs were listed": func(b backend.Backend, f func()) backend.Backend {
			return &latelist.Backend{Backend: b, Between: f, In: func(_, prefix string) bool { return prefix == "p/" }}
		},
	}
	for how, copied := range copies {
		for when, at := range moments {
			t.Run(how+", closed "+when, func(t *testing.T) { copyBesideClose(t, copied, at) })
		}
	}
}

func copyBesideClose(t *testing.T, copied func(*testing.T, *larder.Store) *larder.Store, at func(backend.Backend, func()) backend.Backend) {
	ctx := t.Context()
	under, _, w := begun(t, session.LayoutPacks, nil, 1)
	closed := false
	dst := copied(t, opened(t, at(under, func() {
		closed = true
		if err := w.Put(ctx, "0001", 1.); err != nil {
			t.Error(err)
		}
		if err := w.Close(ctx); err != nil {
			t.Error(err)
		}
	})))
	if !closed {
		t.Error("the session was not closed meanwhile")
	}
	sweep, err := session.Open(ctx, dst, "sweep", nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := sweep.Info(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	if got := itemsOf(t, dst); info.Closed && got != 2 {
		t.Errorf("the copy has %d items of 2, and looks closed", got)
	}
}

// sealing is a backend where something happens right before the metadata of a session is read.
type sealing struct {
	backend.Backend
	before func()
}

func (s *sealing) Limits() backend.Limits { return backend.LimitsOf(s.Backend) }

func (s *sealing) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if before := s.before; before != nil && strings.HasPrefix(key.Shelf, "s.") && key.Name == "m" {
		s.before = nil
		before()
	}
	return s.Backend.Get(ctx, key)
}

// A session that is deleted after the copy read that it is closed, or opened again, does not look closed in the copy with items missing.
func TestCopyOfASessionThatIsNotClosedAnyMore(t *testing.T) {
	for name, change := range map[string]func(context.Context, *session.Manager) error{
		"deleted": func(ctx context.Context, m *session.Manager) error { return m.Remove(ctx, "one") },
		"anew": func(ctx context.Context, m *session.Manager) error {
			if err := m.Remove(ctx, "one"); err != nil {
				return err
			}
			_, err := m.Session(ctx, "one", nil)
			return err
		},
		"again": func(ctx context.Context, m *session.Manager) error {
			_, err := m.Session(ctx, "one", nil)
			return err
		},
	} {
		for _, layout := range []session.Layout{session.LayoutPacks, session.LayoutItems} {
			t.Run(name+"/"+string(layout), func(t *testing.T) { copyOfReopened(t, layout, change) })
		}
	}
}

func copyOfReopened(t *testing.T, layout session.Layout, change func(context.Context, *session.Manager) error) {
	ctx := t.Context()
	under, m, w := begun(t, layout, nil, 1)
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	src := opened(t, listedBeside(t, under, func() error { return change(ctx, m) }))
	dst := opened(t, mem.New(nil))
	if _, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	sweep, err := session.Open(ctx, dst, "sweep", nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := sweep.Info(ctx, "one"); err == nil && info.Closed {
		t.Errorf("the copy looks closed: %+v", info)
	}
}

// removing is a backend where something happens right before a pack is read.
type removing struct {
	backend.Backend
	before func()
}

func (r *removing) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if before := r.before; before != nil && strings.HasPrefix(key.Name, "p/") {
		r.before = nil
		before()
	}
	return r.Backend.Get(ctx, key)
}

// In an archive what a session is comes before its packs. One that is deleted between the two is an error.
func TestExportOfASessionThatIsDeleted(t *testing.T) {
	ctx := t.Context()
	under, m, w := begun(t, session.LayoutPacks, nil, 1)
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
	src := opened(t, &removing{under, func() {
		if err := m.Remove(ctx, "one"); err != nil {
			t.Error(err)
		}
	}})
	to, err := tar.Create(filepath.Join(t.TempDir(), "store.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Abort()
	if r, err := catalog.Export(ctx, to, nil, src, catalog.CopyOptions{}); err == nil || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("Export = %+v, %v, want an error that says that the session was deleted", r, err)
	}
}

// What a session is may take as much as its labels do: it is read first all the same.
func TestCopyOfASessionWithManyLabels(t *testing.T) {
	for name, copied := range copies {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			labels := map[string]string{"notes": strings.Repeat("\n", 60<<10)}
			under, _, w := begun(t, session.LayoutPacks, &session.SessionOptions{Labels: labels}, 1)
			src := opened(t, listedBeside(t, under, func() error { return w.Close(ctx) }))
			sweep, err := session.Open(ctx, copied(t, src), "sweep", nil)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := sweep.Info(ctx, "one"); err != nil || info.Closed {
				t.Errorf("Info of the copy = closed %t, %v; want it as it was before its items were listed", info.Closed, err)
			}
		})
	}
}
