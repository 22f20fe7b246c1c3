package larder_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/marks"
)

// lasting is a store in memory that says that it lasts, so that uses are worth noting; and that takes nothing on one shelf, on demand.
type lasting struct {
	backend.Backend
	refuse string // a shelf
	puts   map[string]int
}

func (l *lasting) Limits() backend.Limits {
	limits := backend.LimitsOf(l.Backend)
	limits.Lasting = true
	return limits
}

func (l *lasting) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if l.puts[key.Shelf]++; key.Shelf == l.refuse {
		return backend.Info{}, backend.ErrUnavailable
	}
	return l.Backend.Put(ctx, key, body, opts)
}

// past returns a store with a value of 100 hours ago, and the value's component.
func past(t *testing.T) (*lasting, component.Component, larder.Info) {
	t.Helper()
	b := &lasting{Backend: mem.New(&mem.Options{Now: func() time.Time { return time.Now().Add(-100 * time.Hour) }}), puts: map[string]int{}}
	s := open(t, b)
	info := put(t, s, fit(1), "x", "value")
	return b, fit(1), info
}

func hits(t *testing.T, s *larder.Store, c component.Component, n int) {
	t.Helper()
	for range n {
		if got, err := larder.Get[string](t.Context(), s, c, "x"); err != nil || got != "value" {
			t.Fatalf("Get = %q, %v", got, err)
		}
	}
}

// Hits of an old value are marked by one write of the process, which changes nothing of the value.
func TestHitsAreMarked(t *testing.T) {
	b, c, info := past(t)
	s := larder.New(b, nil)
	hits(t, s, c, 100)
	if b.puts[marks.Shelf] != 0 {
		t.Errorf("%d writes of marks on the way of hits", b.puts[marks.Shelf])
	}
	larder.EndUses(s)
	if b.puts[marks.Shelf] != 1 {
		t.Errorf("%d writes of marks, want 1", b.puts[marks.Shelf])
	}
	set, err := marks.Read(t.Context(), b)
	if err != nil || len(set) != 1 || set[0].ID != marks.ID(info.Key.Name) || set[0].At != marks.Hour(time.Now()) && set[0].At != marks.Hour(time.Now())-1 {
		t.Errorf("marks: %v, %v", set, err)
	}
	now, err := b.Stat(t.Context(), info.Key)
	if err != nil || now.Version != info.Version || !now.ModTime.Equal(info.ModTime) || now.Digest != info.Digest {
		t.Errorf("the value was %+v, is %+v, %v", info, now, err)
	}
	hits(t, open(t, b), c, 1)
}

// A store that is only read, and one in memory, marks nothing.
func TestWhoMarksNothing(t *testing.T) {
	b, c, _ := past(t)
	s := larder.New(b, &larder.Options{ReadOnly: true})
	hits(t, s, c, 3)
	s.FlushUses(t.Context())
	plain := larder.New(b.Backend, nil)
	hits(t, plain, c, 3)
	plain.FlushUses(t.Context())
	if b.puts[marks.Shelf] != 0 {
		t.Errorf("%d writes of marks", b.puts[marks.Shelf])
	}
	for shelf, err := range b.Shelves(t.Context(), backend.ListOptions{Prefix: marks.Shelf}) {
		t.Errorf("there is the shelf %q, %v", shelf, err)
	}
}

// A store that takes no marks fails neither hits nor Close.
func TestMarksFailNothing(t *testing.T) {
	b, c, _ := past(t)
	b.refuse = marks.Shelf
	s := larder.New(b, nil)
	hits(t, s, c, 3)
	s.FlushUses(t.Context())
	if err := s.Close(); err != nil || b.puts[marks.Shelf] == 0 {
		t.Errorf("Close: %v, after %d writes", err, b.puts[marks.Shelf])
	}
}

func ref(n int) component.Component { return component.Ref(fmt.Sprintf("%064x", n*7919%100_003)) }

func bytesOf(t *testing.T, b backend.Backend) (n int, bytes int64) {
	t.Helper()
	for info, err := range b.List(t.Context(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		bytes += info.Size
	}
	return n, bytes
}

// A store of several windows keeps its limit, roughly, while values come and are overwritten and others delete; what is pinned stays,
// and a limit of a store that holds more already is met in the end.
func TestLimitOfManyValues(t *testing.T) {
	const room, size = 3000, 100
	b := mem.New(nil)
	unlimited := open(t, b)
	for n := range 2 * room {
		put(t, unlimited, ref(n), "x", make([]byte, size))
	}
	id, err := unlimited.Key(t.Context(), ref(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := catalog.PinComponent(t.Context(), unlimited, catalog.Pin{ID: id, By: "me"}); err != nil {
		t.Fatal(err)
	}
	s := larder.New(b, &larder.Options{MaxSize: room * size})
	defer s.Close()
	for n := 2 * room; n < 5*room; n++ {
		put(t, s, ref(n), "x", make([]byte, size))
		if n%3 == 0 {
			put(t, s, ref(n), "x", make([]byte, size)) // which makes the sum too large, until it is counted anew
		}
	}
	if n, bytes := bytesOf(t, b); bytes > room*size*11/10 || bytes < room*size*7/10 {
		t.Errorf("%d values of %d bytes, with a limit of %d", n, bytes, room*size)
	}
	if ok, err := s.Has(t.Context(), ref(0), "x"); !ok {
		t.Errorf("the pinned value is gone: %v", err)
	}
	if ok, err := s.Has(t.Context(), ref(5*room-1), "x"); !ok {
		t.Errorf("the last value is gone: %v", err)
	}
	if ok, _ := s.Has(t.Context(), ref(1), "x"); ok {
		t.Error("one of the oldest values is there")
	}
}

// A sum that is wrong, or nonsense, is counted anew.
func TestSumIsCountedAnew(t *testing.T) {
	key := backend.Key{Shelf: backend.ShelfStore, Name: "size"}
	for _, text := range []string{"", "{", `{"bytes":-5,"known":true}`, `{"bytes":1,"known":true,"hand":"../x"}`,
		`{"bytes":1000000000,"known":true}`, `{"bytes":0,"known":true,"hand":"zzz"}`} {
		b := mem.New(nil)
		s := larder.New(b, &larder.Options{MaxSize: 10_000})
		for n := range 90 {
			put(t, s, ref(n), "x", make([]byte, 100))
		}
		if _, err := backend.PutBytes(t.Context(), b, key, []byte(text), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for n := range 90 {
			put(t, s, ref(1000+n), "x", make([]byte, 100))
		}
		if n, _ := bytesOf(t, b); n < 85 || n > 100 {
			t.Errorf("after the sum %q: %d values stay", text, n)
		}
		got, _, err := backend.GetVerified(t.Context(), b, key)
		var state struct{ Bytes int64 }
		if err != nil || json.Unmarshal(got, &state) != nil || state.Bytes < 8000 || state.Bytes > 10_500 {
			t.Errorf("the sum is %s, %v", got, err)
		}
		s.Close()
	}
}

// A limit that cannot be kept, since the sum cannot be stored, fails no Put.
func TestLimitFailsNothing(t *testing.T) {
	b := &lasting{Backend: mem.New(nil), puts: map[string]int{}}
	s := larder.New(b, &larder.Options{MaxSize: 1000})
	put(t, s, ref(0), "x", make([]byte, 100))
	b.refuse = backend.ShelfStore
	before := b.puts[backend.ShelfStore]
	for n := range 50 {
		put(t, s, ref(n), "x", make([]byte, 100))
	}
	if b.puts[backend.ShelfStore] == before {
		t.Error("nothing was tried")
	}
}

func TestLimitInURL(t *testing.T) {
	s, err := larder.Open(t.Context(), "mem:?max_size=10KiB&lease=none", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 300 {
		put(t, s, ref(n), "x", make([]byte, 100))
	}
	if n, bytes := bytesOf(t, s.Backend()); bytes > 11<<10 || n < 80 {
		t.Errorf("%d values of %d bytes stay", n, bytes)
	}
	for _, query := range []string{"max_size=0", "max_size=", "max_size=many", "max_size=-1", "max_size=1KiB&max_size=2KiB"} {
		_, err := larder.Open(t.Context(), "mem:?"+query, nil)
		if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "max_size") {
			t.Errorf("Open with %s: %v", query, err)
		}
	}
}
