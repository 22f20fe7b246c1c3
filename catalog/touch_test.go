package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

func crcOf(s string) uint32 {
	return crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli))
}

// A touched value has a new time, and is otherwise what it was.
func TestTouch(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := component.New("lab/fit", "1", nil)
			long := bytes.Repeat([]byte("0123456789"), 300_000) // in a file meanwhile
			for attribute, value := range map[string]any{"short": []float64{1, 2}, "long": long, "empty": ""} {
				if _, err := store.Put(ctx, c, attribute, value); err != nil {
					t.Fatal(err)
				}
			}
			before := map[string]larder.Info{}
			for _, a := range []string{"short", "long", "empty"} {
				info, err := store.Stat(ctx, c, a)
				if err != nil {
					t.Fatal(err)
				}
				before[a] = info
			}
			time.Sleep(1100 * time.Millisecond) // times are right to a second
			found, err := catalog.Attributes(ctx, store, mustKey(t, store, c))
			if err != nil || len(found) != 3 {
				t.Fatal(found, err)
			}
			for _, e := range found {
				if err := catalog.Touch(ctx, store, e); err != nil {
					t.Fatalf("%s: Touch(%s) = %v", name, e.Attribute, err)
				}
				was := before[e.Attribute]
				info, err := store.Stat(ctx, c, e.Attribute)
				if err != nil || !info.ModTime.After(was.ModTime) {
					t.Errorf("%s: after Touch %s is of %v, %v; want later than %v", name, e.Attribute, info.ModTime, err, was.ModTime)
				}
				if info.Digest != was.Digest || info.Size != was.Size || info.Meta["codec"] != was.Meta["codec"] {
					t.Errorf("%s: Touch made of %+v %+v", name, was, info)
				}
			}
			if got, err := larder.Get[[]byte](ctx, store, c, "long"); err != nil || !bytes.Equal(got, long) {
				t.Errorf("%s: after Touch: %d bytes, %v", name, len(got), err)
			}
			found[0].Info.Key.Name = strings.Repeat("0", 64) + "/gone"
			if err := catalog.Touch(ctx, store, found[0]); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("%s: Touch of what is gone: %v, want ErrNotFound", name, err)
			}
		})
	}
}

// changing stores something else between the read and the write of a Touch.
type changing struct {
	backend.Backend
	change func()
}

func (b *changing) Limits() backend.Limits { return backend.LimitsOf(b.Backend) }

func (b *changing) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if change := b.change; change != nil {
		b.change = nil
		change()
	}
	return b.Backend.Put(ctx, key, body, opts)
}

// What was stored while a value was touched stays.
func TestTouchRace(t *testing.T) {
	ctx := context.Background()
	inner := mem.New(nil)
	other := larder.New(inner, silent)
	b := &changing{Backend: inner}
	store := larder.New(b, silent)
	defer store.Close()
	c := component.New("lab/fit", "1", nil)
	if _, err := store.Put(ctx, c, "a", "old"); err != nil {
		t.Fatal(err)
	}
	found, err := catalog.Attributes(ctx, store, mustKey(t, store, c))
	if err != nil {
		t.Fatal(err)
	}
	b.change = func() {
		if _, err := other.Put(ctx, c, "a", "new"); err != nil {
			t.Error(err)
		}
	}
	if err := catalog.Touch(ctx, store, found[0]); err != nil {
		t.Errorf("Touch = %v", err)
	}
	if got, err := larder.Get[string](ctx, store, c, "a"); err != nil || got != "new" {
		t.Errorf("after a race the value is %q, %v; want the new one", got, err)
	}
}

// A corrupt value is not made new.
func TestTouchCorrupt(t *testing.T) {
	ctx := context.Background()
	store := larder.New(mem.New(nil), silent)
	defer store.Close()
	key := backend.Key{Shelf: backend.ShelfCache, Name: strings.Repeat("a", 64) + "/v"}
	put := func(sum uint32) {
		if _, err := store.Backend().Put(ctx, key, strings.NewReader("value"), backend.PutOptions{Size: 5, Sum: sum}); err != nil {
			t.Fatal(err)
		}
	}
	put(crcOf("value") + 1)
	if err := catalog.Touch(ctx, store, catalog.Entry{Info: larder.Info{Key: key}}); !errors.Is(err, larder.ErrCorrupt) {
		t.Errorf("Touch of a corrupt value = %v, want ErrCorrupt", err)
	}
}

// A sum counts values, bytes, and the cost as far as it is known.
func TestSumOf(t *testing.T) {
	ctx := context.Background()
	for name, store := range stores(t) {
		c := component.New("lab/fit", "1", nil)
		if _, err := store.Put(ctx, c, "a", "12345"); err != nil {
			t.Fatal(err)
		}
		claim, err := store.Claim(ctx, c, "b")
		if err != nil {
			t.Fatal(err)
		}
		claim.Cost = 90 * time.Second
		if _, err := claim.Put(ctx, strings.NewReader("123")); err != nil {
			t.Fatal(err)
		}
		claim.Release()
		found, err := catalog.Attributes(ctx, store, mustKey(t, store, c))
		if err != nil {
			t.Fatal(err)
		}
		got, err := catalog.SumOf(ctx, store, found)
		if want := (catalog.Sum{Values: 2, Bytes: 8, Cost: 90 * time.Second, NoCost: 1}); err != nil || got != want {
			t.Errorf("%s: SumOf = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// First holds only the first ones, and finds the same as sorting all.
func TestFirst(t *testing.T) {
	ctx := context.Background()
	store := larder.New(mem.New(nil), silent)
	defer store.Close()
	for i := range 500 {
		if _, err := store.Put(ctx, component.New("lab/fit", "1", params{"x": i}), "a", strings.Repeat("x", (i*7919)%997)); err != nil {
			t.Fatal(err)
		}
	}
	bySize := func(a, b catalog.Entry) int { return int(a.Info.Size - b.Info.Size) }
	all, err := catalog.First(ctx, store, component.Query{}, 0, bySize)
	if err != nil || len(all) != 500 {
		t.Fatal(len(all), err)
	}
	some, err := catalog.First(ctx, store, component.Query{}, 20, bySize)
	if err != nil || len(some) != 20 {
		t.Fatal(len(some), err)
	}
	for i, e := range some {
		if e.ID != all[i].ID {
			t.Errorf("First(20)[%d] is of %d bytes, want %d", i, e.Info.Size, all[i].Info.Size)
		}
	}
}
