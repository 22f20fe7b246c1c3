package marks_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/latelist"
	"github.com/larder-store/larder/internal/marks"
)

// Marks that are folded while they are read are read: a list may lack the packs, and what they were folded into. An eviction that
// read none would take all values for unused.
func TestReadBesideFold(t *testing.T) {
	ctx := t.Context()
	under := mem.New(nil)
	var want marks.Set
	for i := range 5 {
		m := marks.Mark{ID: uint64(i), At: 7}
		want = append(want, m)
		if err := marks.Put(ctx, under, marks.Set{m}); err != nil {
			t.Fatal(err)
		}
	}
	fold := func() {
		if err := marks.Fold(ctx, under, nil); err != nil {
			t.Error(err)
		}
	}
	b := &latelist.Backend{Backend: under, Between: fold}
	if got := read(t, b); !slices.Equal(got, want) {
		t.Errorf("read %v beside a fold, want %v", got, want)
	}
	if b.Between != nil || len(packs(t, under)) != 1 {
		t.Error("nothing was folded meanwhile")
	}

	// What is read in vain is no reason to delete what was not read.
	if err := marks.Put(ctx, under, marks.Set{{ID: 9, At: 8}}); err != nil {
		t.Fatal(err)
	}
	want = append(want, marks.Mark{ID: 9, At: 8})
	b.Between = fold
	if err := marks.Fold(ctx, b, nil); err != nil {
		t.Fatal(err)
	}
	if got := read(t, under); !slices.Equal(got, want) {
		t.Errorf("read %v after two folds at once, want %v", got, want)
	}
}

// failing is a backend whose bodies break off.
type failing struct{ backend.Backend }

func (f failing) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := f.Backend.Get(ctx, key)
	if err != nil {
		return nil, info, err
	}
	return brokenOff{body}, info, nil
}

type brokenOff struct{ io.Closer }

func (brokenOff) Read([]byte) (int, error) { return 0, backend.ErrUnavailable }

// Packs that cannot be read at the moment are an error, and stay.
func TestFoldKeepsWhatItCannotRead(t *testing.T) {
	under := mem.New(nil)
	want := marks.Set{{ID: 1, At: 7}, {ID: 2, At: 7}}
	for _, m := range want {
		if err := marks.Put(t.Context(), under, marks.Set{m}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := marks.Read(t.Context(), failing{under}); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Read of what breaks off = %v, want ErrUnavailable", err)
	}
	if err := marks.Fold(t.Context(), failing{under}, nil); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Fold of what breaks off = %v, want ErrUnavailable", err)
	}
	if got := read(t, under); !slices.Equal(got, want) {
		t.Errorf("afterwards the marks are %v, want %v", got, want)
	}
}
