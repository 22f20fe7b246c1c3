package tier_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

// What waits is as sound in the near store as any value: who checks that store by itself finds nothing to put aside.
func TestWaitingIsSound(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	far.gone.Store(true)
	b, near := pair(t, far, tier.Options{Write: tier.Back, Drain: -1})
	for name, size := range sizes {
		put(t, b, name, value(1, size))
	}
	put(t, b, "empty", "")
	b.Close()
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	found := 0
	for shelf, err := range n.Shelves(ctx, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for info, err := range n.List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			text, info, err := backend.GetVerified(ctx, n, info.Key)
			if err != nil || sha256.Sum256(text) != info.Digest {
				t.Errorf("%s: %v, or another digest than %x", info.Key, err, info.Digest)
			}
			found++
		}
	}
	if found < len(sizes)+1 {
		t.Errorf("%d values wait, want %d", found, len(sizes)+1)
	}
}

// What the near store notes for itself is nobody else's to read, replace or delete.
func TestOwnShelves(t *testing.T) {
	ctx := context.Background()
	for _, write := range []tier.Mode{tier.Through, tier.Back, tier.Near} {
		far := newAway()
		b, near := pair(t, far, tier.Options{Write: write, Source: "here:"})
		for _, shelf := range []string{"larder.tier", "larder.tier.own"} {
			at := backend.Key{Shelf: shelf, Name: "source"}
			_, err := backend.PutBytes(ctx, b, at, []byte("mine"), backend.PutOptions{})
			errs := []error{err, b.Delete(ctx, at), backend.ItemError(backend.DeleteBatch(ctx, b, []backend.Key{at}), 0)}
			_, err = backend.PutBatch(ctx, b, []backend.Item{{Key: at, Body: strings.NewReader("")}})
			_, _, got := b.Get(ctx, at)
			_, stat := b.Stat(ctx, at)
			for i, err := range append(errs, backend.ItemError(err, 0), got, stat) {
				if !errors.Is(err, backend.ErrInvalidKey) {
					t.Errorf("%s: method %d of %s = %v, want %v", write, i, at, err, backend.ErrInvalidKey)
				}
			}
		}
		b.Close()
		over(t, near, far, tier.Options{Write: write, Source: "here:"})
	}
}

// A store that is near to one is far to none: its copies and marks would be taken for values.
func TestFarIsNear(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	at := func(name string) string { return url.QueryEscape("shelve://" + dir + "/" + name) }
	b, err := openURL(context.Background(), "tier:?near="+at("near")+"&far="+at("far"))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	b, err = openURL(context.Background(), "tier:?near="+at("nearer")+"&far="+at("near"))
	if err == nil {
		b.Close()
	}
	if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), dir+"/far") {
		t.Errorf("Open = %v, want %v that names the far store", err, backend.ErrInvalidURL)
	}
}

// Values that wait would be hidden, and sent over newer ones, by a handle that writes through: it says so.
func TestThroughWhileValuesWait(t *testing.T) {
	far := newAway()
	far.gone.Store(true)
	b, near := pair(t, far, tier.Options{Write: tier.Back, Drain: -1})
	put(t, b, "a", "1")
	b.Close()
	far.gone.Store(false)
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := tier.Open(context.Background(), n, far, nil); !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "write=back") {
		t.Errorf("Open = %v, want %v that names write=back", err, backend.ErrInvalidURL)
	}
	back := over(t, near, far, tier.Options{Write: tier.Back})
	if err := back.(interface{ Flush(context.Context) error }).Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	back.Close()
	wants(t, over(t, near, far, tier.Options{}), "a", "1")
}

// A result that is put while others are sent waits for its description.
func TestSentAfterItsDescription(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	far.gone.Store(true)
	b, _ := pair(t, far, tier.Options{Write: tier.Back, Drain: -1})
	result := func(name string) {
		for _, shelf := range []string{backend.ShelfComponents, backend.ShelfCache} {
			if _, err := backend.PutBytes(ctx, b, backend.Key{Shelf: shelf, Name: name}, []byte(name), backend.PutOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
	result("a")
	late := false
	far.after = func(string) {
		if !late {
			late = true
			result("b")
		}
		for info, err := range far.Backend.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
			if err != nil {
				t.Error(err)
			}
			if _, err := far.Backend.Stat(ctx, backend.Key{Shelf: backend.ShelfComponents, Name: info.Key.Name}); err != nil {
				t.Errorf("the far store has the result %q, and of its description %v", info.Key.Name, err)
			}
		}
	}
	far.gone.Store(false)
	for range 2 {
		if err := b.(interface{ Flush(context.Context) error }).Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, far.Backend, "b", "b")
}
