package backend_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// A key that is named twice is absent the second time, as in backends with a DeleteMatch of their own.
func TestLookAndDeleteTwice(t *testing.T) {
	ctx := context.Background()
	b := mem.Open(t.TempDir(), nil)
	defer b.Close()
	key := backend.Key{Shelf: "s", Name: "a"}
	old, err := backend.PutBytes(ctx, b, key, []byte("old"), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now, err := backend.PutBytes(ctx, b, key, []byte("new"), backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = backend.LookAndDelete(ctx, b, []backend.Seen{{Key: key, Version: old.Version}, {Key: key, Version: now.Version}, {Key: key, Version: now.Version}})
	for i, want := range []error{backend.ErrChanged, nil, backend.ErrChanged} {
		if got := backend.ItemError(err, i); !errors.Is(got, want) {
			t.Errorf("item %d: %v, want %v", i, got, want)
		}
	}
	if _, err := b.Stat(ctx, key); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Stat = %v, want %v", err, backend.ErrNotFound)
	}
	if err == nil || !strings.Contains(err.Error(), "s/a") {
		t.Errorf("error %v does not name the key", err)
	}
}
