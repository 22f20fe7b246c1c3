package larder_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// No metadata makes a value look fresher than the store knows it to be.
func TestStored(t *testing.T) {
	here := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                              here,
		"2001-02-03T04:05:06Z":          time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
		"2026-05-06T09:08:09+02:00":     here,
		"2027-01-01T00:00:00Z":          here,
		"yesterday":                     here,
		"9999999999-01-01T00:00:00Z":    here,
		strings.Repeat("2001", 100_000): here,
	} {
		info := larder.Info{ModTime: here, Meta: backend.Meta{larder.MetaStored: text}}
		if got := larder.Stored(info); !got.Equal(want) {
			t.Errorf("Stored with %.40q = %v, want %v", text, got, want)
		}
	}
	if got := larder.Stored(larder.Info{ModTime: here}); !got.Equal(here) {
		t.Errorf("Stored without metadata = %v, want %v", got, here)
	}
}

func TestAdoptKeys(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	s := openShelf(t, t.TempDir(), silent())
	if name, err := s.KeysName(ctx); name != "" || err != nil {
		t.Errorf("KeysName of an empty store = %q, %v", name, err)
	}
	for range 2 {
		if err := s.AdoptKeys(ctx, "readable"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AdoptKeys(ctx, "hash"); !errors.Is(err, larder.ErrKeys) {
		t.Errorf("AdoptKeys of a second generator = %v, want ErrKeys", err)
	}
	if r, err := s.Record(ctx); r.Keys != "readable" || r.Made.IsZero() || err != nil {
		t.Errorf("Record = %+v, %v", r, err)
	}
	if name, err := s.KeysName(ctx); name != "readable" || err != nil {
		t.Errorf("KeysName = %q, %v, want readable", name, err)
	}
	if _, err := s.Put(ctx, c, "a", "b"); err != nil {
		t.Fatal(err)
	}
	want, err := keying.Readable{}.Key(ctx, c)
	if got, keyErr := s.Key(ctx, c); got != want || keyErr != nil || err != nil {
		t.Errorf("Key = %q, %v, want %q, %v", got, keyErr, want, err)
	}
	// A store without a record is known by what is in it.
	m := larder.New(mem.New(nil), silent())
	defer m.Close()
	if _, err := m.Put(ctx, c, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if name, err := m.KeysName(ctx); name != "hash" || err != nil {
		t.Errorf("KeysName of a store without a record = %q, %v, want hash", name, err)
	}
	if err := m.AdoptKeys(ctx, "readable"); !errors.Is(err, larder.ErrKeys) {
		t.Errorf("AdoptKeys of another generator = %v, want ErrKeys", err)
	}
}
