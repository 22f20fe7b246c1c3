package session_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/session"
)

// places are where every test of behaviour runs: each layout, on engines that differ.
var places = map[string]struct {
	layout session.Layout
	open   func(t testing.TB) func() backend.Backend
}{
	"mem, items":    {session.LayoutItems, inMemory},
	"mem, packs":    {session.LayoutPacks, inMemory},
	"shelve":        {"", onShelves},
	"shelve, packs": {session.LayoutPacks, onShelves},
	"file":          {"", inFiles},
	"file, packs":   {session.LayoutPacks, inFiles},
}

func inMemory(t testing.TB) func() backend.Backend {
	name := t.Name()
	return func() backend.Backend { return mem.Open(name, nil) }
}

func onShelves(t testing.TB) func() backend.Backend {
	dir := t.TempDir()
	return func() backend.Backend {
		b, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func inFiles(t testing.TB) func() backend.Backend {
	dir := t.TempDir()
	return func() backend.Backend {
		b, err := file.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// everywhere runs a test on each of the places, with a function that opens a manager as another process would.
func everywhere(t *testing.T, test func(t *testing.T, open func(name string) *session.Manager)) {
	t.Helper()
	for name, p := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := p.open(t)
			test(t, func(name string) *session.Manager {
				return manager(t, place(), name, &session.Options{Layout: p.layout})
			})
		})
	}
}

func manager(t testing.TB, b backend.Backend, name string, opts *session.Options) *session.Manager {
	t.Helper()
	store := larder.New(b, nil)
	t.Cleanup(func() { store.Close() })
	m, err := session.Open(context.Background(), store, name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func opened(t testing.TB, m *session.Manager, name string, opts *session.SessionOptions) *session.Session {
	t.Helper()
	s, err := m.Session(context.Background(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Abandon(context.Background()) })
	return s
}

func put(t testing.TB, s *session.Session, key string, value any) {
	t.Helper()
	if err := s.Put(context.Background(), key, value); err != nil {
		t.Fatal(err)
	}
}

func closed(t testing.TB, s *session.Session) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// collected returns the items of a collation as texts.
func collected[T any](t testing.TB, m *session.Manager, match session.Match, opts ...session.CollateOption) []string {
	t.Helper()
	var got []string
	for item, err := range session.Matching[T](context.Background(), m, match, opts...) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s:%s=%v", item.Session, item.Key, item.Value))
	}
	return got
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestPutGetDelete(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, open func(string) *session.Manager) {
		m := open("m")
		s := opened(t, m, "worker", nil)
		put(t, s, "b", 2)
		put(t, s, "a", 1)
		put(t, s, "", 0)
		put(t, s, "c", []float64{1, 2})
		put(t, s, "a", 10)
		if err := s.Delete(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(ctx, "never"); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			var n int
			if err := s.Get(ctx, "a", &n); err != nil || n != 10 {
				t.Errorf("%s: Get(a) = %d, %v, want 10", when, n, err)
			}
			if err := s.Get(ctx, "b", &n); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("%s: Get of a deleted item = %v, want ErrNotFound", when, err)
			}
			var keys []string
			for key, err := range s.Keys(ctx, session.All) {
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key)
			}
			same(t, when+": Keys", keys, []string{"", "a", "c"})
		}
		check("before a flush")
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		check("after a flush")
		put(t, s, "d", "x")
		if err := s.Delete(ctx, "d"); err != nil {
			t.Fatal(err)
		}
		closed(t, s)
		if err := s.Put(ctx, "a", 1); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Put after Close = %v, want ErrClosed", err)
		}
		s = opened(t, open("m"), "worker", nil)
		check("opened again")
		put(t, s, "b", 3)
		closed(t, s)
		same(t, "collated", collected[any](t, open("m"), session.All), []string{
			"worker:=0", "worker:a=10", "worker:b=3", "worker:c=[1 2]"})
	})
}

func TestCollationsAreInOrder(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, open func(string) *session.Manager) {
		m := open("m")
		for _, name := range []string{"b", "a-b", "a", "ä", "a.b"} {
			s := opened(t, m, name, nil)
			for _, key := range []string{"x/2", "x/10", "y", "x"} {
				put(t, s, key, []string{name + key})
			}
			closed(t, s)
		}
		other := opened(t, open("m-"), "a", nil)
		put(t, other, "x", []string{"not ours"})
		closed(t, other)

		var got []string
		for item, err := range session.Get[[]string](ctx, m, "x") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item.Session+" "+item.Value[0])
		}
		same(t, "Get", got, []string{"a ax", "a-b a-bx", "a.b a.bx", "b bx", "ä äx"})
		got = nil
		for e, err := range session.MergedMatching[string](ctx, m, session.Prefix("x/")) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		same(t, "MergedMatching", got, []string{"ax/10", "ax/2", "a-bx/10", "a-bx/2", "a.bx/10", "a.bx/2", "bx/10", "bx/2", "äx/10", "äx/2"})
		got = nil
		for e, err := range session.Merged[string](ctx, m, "y") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		same(t, "Merged", got, []string{"ay", "a-by", "a.by", "by", "äy"})
		got = nil
		for v, err := range session.FlatMatching[[]string](ctx, m, session.Func(func(k string) bool { return len(k) == 1 })) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v...)
		}
		same(t, "FlatMatching", got, []string{"ax", "ay", "a-bx", "a-by", "a.bx", "a.by", "bx", "by", "äx", "äy"})
		got = nil
		for key, err := range session.MatchingKeys(ctx, m, session.Prefix("x")) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, key)
		}
		same(t, "MatchingKeys", got, []string{"x", "x/10", "x/2"})
		n, err := session.Count(ctx, m, session.All)
		if err != nil || n != 20 {
			t.Errorf("Count = %d, %v, want 20", n, err)
		}
		got = nil
		for name, err := range m.Sessions(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		same(t, "Sessions", got, []string{"a", "a-b", "a.b", "b", "ä"})
		for _, err := range session.Matching[int](ctx, m, session.All) {
			var named *session.Error
			if !errors.As(err, &named) || named.Session != "a" || named.Key != "x" {
				t.Errorf("a collation of another type = %v, want an error that names session and key", err)
			}
		}
		if err := m.Remove(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(ctx, "a"); !errors.Is(err, larder.ErrNotFound) {
			t.Errorf("Remove of no session = %v, want ErrNotFound", err)
		}
		if n, err := session.Count(ctx, m, session.All); err != nil || n != 16 {
			t.Errorf("Count after Remove = %d, %v, want 16", n, err)
		}
	})
}

func TestOneProcessAtATime(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, open func(string) *session.Manager) {
		m, other := open("m"), open("m")
		s := opened(t, m, "worker", nil)
		if _, err := other.Session(ctx, "worker", nil); !errors.Is(err, larder.ErrLocked) {
			t.Fatalf("Session that is open elsewhere = %v, want ErrLocked", err)
		}
		if err := other.Remove(ctx, "worker"); !errors.Is(err, larder.ErrLocked) {
			t.Errorf("Remove of an open session = %v, want ErrLocked", err)
		}
		got := make(chan error, 1)
		go func() {
			waited, err := other.Session(ctx, "worker", &session.SessionOptions{Wait: true})
			if err == nil {
				err = waited.Close(ctx)
			}
			got <- err
		}()
		put(t, s, "a", 1)
		closed(t, s)
		if err := <-got; err != nil {
			t.Errorf("Session that waits = %v", err)
		}
	})
}
