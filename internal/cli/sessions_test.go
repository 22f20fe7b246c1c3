package cli

import (
	"errors"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/session"
)

// What an interrupted removal left, or damage, can be removed; what is not there cannot.
func TestSessionsRemovable(t *testing.T) {
	ctx := t.Context()
	store := larder.New(mem.New(nil), nil)
	defer store.Close()
	m, err := session.Open(ctx, store, "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Session(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Put(ctx, "k", 1), s.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	shelf, err := m.Location("s")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Backend().Delete(ctx, backend.Key{Shelf: shelf, Name: "m"}); err != nil {
		t.Fatal(err)
	}
	if err := removable(ctx, store, m, "s"); err != nil {
		t.Errorf("the rest of a session: %v", err)
	}
	if err := m.Remove(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	if err := removable(ctx, store, m, "s"); !errors.Is(err, larder.ErrNotFound) {
		t.Errorf("a session that is removed: %v, want ErrNotFound", err)
	}
}
