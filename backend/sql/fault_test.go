//go:build unix

package sql_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/sums"
)

func open(t testing.TB, loc string) backend.Backend {
	t.Helper()
	b, err := openURL(context.Background(), loc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// text returns n bytes that differ by number.
func text(n, number int) string {
	return strings.Repeat(fmt.Sprintf("%08d", number), n/8+1)[:n]
}

const (
	smallSize = 100
	largeSize = 100_000 // in the data
)

func put(b backend.Backend, key backend.Key, text string, opts backend.PutOptions) (backend.Info, error) {
	opts.Size = int64(len(text))
	opts.Digest, opts.Sum = sums.Of([]byte(text))
	return b.Put(context.Background(), key, strings.NewReader(text), opts)
}

func mustPut(t testing.TB, b backend.Backend, key backend.Key, text string) backend.Info {
	t.Helper()
	info, err := put(b, key, text, backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// get returns the value of a key; "" for nothing.
func get(t testing.TB, b backend.Backend, key backend.Key) string {
	t.Helper()
	body, info, err := b.Get(context.Background(), key)
	if errors.Is(err, backend.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatalf("Get(%v): %v", key, err)
	}
	defer body.Close()
	r, err := backend.Verify(body, info)
	if err != nil {
		t.Fatalf("Get(%v): %v", key, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("Get(%v): %v", key, err)
	}
	return string(text)
}

// moved returns the URL of a place through another server, such as a proxy before its own.
func moved(t testing.TB, loc, server string) string {
	t.Helper()
	from, err := url.Parse(loc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"schema", "data"} {
		if v := from.Query().Get(name); v != "" {
			server = pgtest.With(server, name, v)
		}
	}
	return server
}

// dataOf opens the backend of a place's data.
func dataOf(t testing.TB, loc string) backend.Backend {
	t.Helper()
	u, err := url.Parse(loc)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, u.Query().Get("data"))
}

// swept sweeps twice, as if a day had passed in between, and makes sure that the data is that of the entries on a
// shelf and nothing else. Claims of the dead are over, since tests make them so.
func swept(t testing.TB, loc string, shelves ...string) {
	t.Helper()
	b := open(t, loc)
	for range 2 {
		if _, err := backend.Sweep(context.Background(), b, backend.SweepOptions{Grace: time.Nanosecond}); err != nil {
			t.Fatal(err)
		}
	}
	live := 0
	for _, shelf := range shelves {
		for info, err := range b.List(context.Background(), shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if get(t, b, info.Key); info.Size > 32<<10 {
				live++
			}
		}
	}
	objects := 0
	for _, err := range dataOf(t, loc).List(context.Background(), "data", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		objects++
	}
	if objects != live {
		t.Errorf("after the sweep there are %d objects for %d entries", objects, live)
	}
}

// An operation, on a key that holds a large value of version.
type operation struct {
	name  string
	do    func(b backend.Backend, version string) error
	after string
	fails error
}

var (
	theKey   = backend.Key{Shelf: "s", Name: "a"}
	otherKey = backend.Key{Shelf: "s", Name: "b"}
	old      = text(largeSize, 1)
)

func operations() []operation {
	putting := func(text string, change func(o *backend.PutOptions, version string)) func(b backend.Backend, version string) error {
		return func(b backend.Backend, version string) error {
			var o backend.PutOptions
			if change != nil {
				change(&o, version)
			}
			_, err := put(b, theKey, text, o)
			return err
		}
	}
	small, large := text(smallSize, 2), text(largeSize, 3)
	return []operation{
		{name: "small", do: putting(small, nil), after: small},
		{name: "large", do: putting(large, nil), after: large},
		{name: "small if match", after: small, do: putting(small, func(o *backend.PutOptions, v string) { o.IfMatch = v })},
		{name: "large if match", after: large, do: putting(large, func(o *backend.PutOptions, v string) { o.IfMatch = v })},
		{name: "large if absent", after: old, do: putting(large, func(o *backend.PutOptions, _ string) { o.IfAbsent = true }), fails: backend.ErrExists},
		{name: "delete", do: func(b backend.Backend, _ string) error { return b.Delete(context.Background(), theKey) }},
		{name: "delete match", do: func(b backend.Backend, v string) error {
			return backend.ItemError(backend.DeleteMatch(context.Background(), b, []backend.Seen{{Key: theKey, Version: v}}), 0)
		}},
		{name: "delete two that match", do: func(b backend.Backend, v string) error {
			err := backend.DeleteMatch(context.Background(), b, []backend.Seen{{Key: otherKey, Version: v}, {Key: theKey, Version: v}})
			if one := backend.ItemError(err, 0); one == nil || errors.Is(one, backend.ErrChanged) == (backend.ItemError(err, 1) != nil) {
				return fmt.Errorf("the absent key: %v, beside %v", one, backend.ItemError(err, 1))
			}
			return backend.ItemError(err, 1)
		}},
		{name: "batch", after: large, do: func(b backend.Backend, _ string) error {
			var items []backend.Item
			for i, v := range []string{text(smallSize, 4), text(largeSize, 5), large} {
				it := backend.Item{Key: backend.Key{Shelf: "s", Name: fmt.Sprint("x", i)}, Body: strings.NewReader(v), PutOptions: backend.PutOptions{Size: int64(len(v))}}
				if i == 2 {
					it.Key = theKey
				}
				it.Digest, it.Sum = sums.Of([]byte(v))
				items = append(items, it)
			}
			_, err := backend.PutBatch(context.Background(), b, items)
			return err
		}},
	}
}

// prepare makes a fresh place where the key holds the old value, and returns its URL and the version.
func prepare(t testing.TB, server string) (loc, version string) {
	t.Helper()
	loc = place(t, server)
	b := open(t, loc)
	return loc, mustPut(t, b, theKey, old).Version
}

// Connections are cut at each turn of each operation, before it reaches the server and after the server has done it. What
// was acknowledged is there, what failed is there wholly or not at all, and what nobody names goes.
func TestCutConnections(t *testing.T) {
	c := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, c)
	staged := operation{name: "staged", after: text(smallSize, 6), do: func(b backend.Backend, _ string) error {
		_, err := backend.PutBatch(context.Background(), b, stagedItems(text(smallSize, 6)))
		return err
	}}
	for _, op := range append(operations(), staged) {
		turns := 1
		for turn := 1; turn <= turns; turn++ {
			for _, how := range []pgtest.Cut{pgtest.None, pgtest.Before, pgtest.After} {
				if how == pgtest.None && turn > 1 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d %s", op.name, turn, how), func(t *testing.T) {
					proxy.Cut(nil, nil)
					loc, version := prepare(t, c.URL())
					b := open(t, moved(t, loc, proxy.URL))
					get(t, b, otherKey) // the connection is there
					var cuts atomic.Int32
					proxy.Cut(func(n int) pgtest.Cut {
						if n != turn {
							return pgtest.None
						}
						cuts.Add(1)
						return how
					}, nil)
					err := op.do(b, version)
					if how == pgtest.None {
						turns = max(turns, proxy.Turns())
						if !errors.Is(err, op.fails) {
							t.Fatalf("error = %v, want %v", err, op.fails)
						}
					} else if cuts.Load() != 1 {
						t.Fatalf("cut %d times, want once", cuts.Load())
					}
					proxy.Cut(nil, nil)
					got := get(t, b, theKey)
					switch {
					case err == nil && got != op.after:
						t.Errorf("acknowledged, and then the key holds %d bytes %.8q, want %.8q", len(got), got, op.after)
					case got != old && got != op.after:
						t.Errorf("the key holds %d bytes %.8q, want %.8q or %.8q", len(got), got, old, op.after)
					case err != nil && op.fails == nil && !errors.Is(err, backend.ErrUnavailable):
						t.Errorf("error = %v, want %v", err, backend.ErrUnavailable)
					}
					// The turns ahead of the last one prepare the statement, or claim a name.
					if how == pgtest.After && turn == turns && err != nil && op.fails == nil && !strings.HasPrefix(op.name, "delete") {
						t.Errorf("what the server did is not recognized: %v", err)
					}
					expire(t, loc)
					swept(t, loc, "s")
				})
			}
		}
	}
}

// stagedItems are so many that they are staged; the last one is the key.
func stagedItems(value string) []backend.Item {
	var items []backend.Item
	for i := range 1000 {
		it := item(fmt.Sprintf("k%04d", i), []byte(value))
		if it.Key.Shelf = "t"; i == 999 {
			it.Key = theKey
		}
		items = append(items, it)
	}
	return items
}

// Batches that are staged decide conditions as others do, also where a key comes twice.
func TestStagedBatch(t *testing.T) {
	ctx := context.Background()
	b := open(t, place(t, pgtest.URL(t)))
	mustPut(t, b, theKey, old)
	for round, firsts := range []int{999, 0} {
		items := stagedItems(text(smallSize, round))
		for i := range items {
			items[i].IfAbsent = true
		}
		infos, err := backend.PutBatch(ctx, b, items)
		stored := 0
		for i, it := range items {
			switch one := backend.ItemError(err, i); {
			case one == nil:
				stored++
				if info, err := b.Stat(ctx, it.Key); err != nil || info.Version != infos[i].Version || !info.ModTime.Equal(infos[i].ModTime) {
					t.Fatalf("Stat = %+v, %v; want %+v", info, err, infos[i])
				}
			case !errors.Is(one, backend.ErrExists):
				t.Fatalf("PutBatch of %v: %v, want %v", it.Key, one, backend.ErrExists)
			}
		}
		if stored != firsts {
			t.Errorf("round %d: %d were stored, want %d", round, stored, firsts)
		}
	}
	if got := get(t, b, theKey); got != old {
		t.Errorf("the key holds %.8q, want the old value", got)
	}
	items := stagedItems("first")
	items = append(items, stagedItems("second")...)
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	for _, key := range []backend.Key{theKey, items[0].Key} {
		if got := get(t, b, key); got != "second" {
			t.Errorf("%v holds %q, want what came last", key, got)
		}
	}
}

// A batch whose keys are nearly all new is right about those that are not, and leaves no trace of a first attempt.
func TestNearlyNewBatch(t *testing.T) {
	for _, first := range []bool{false, true} {
		loc := place(t, pgtest.URL(t))
		b := open(t, loc)
		items := stagedItems(text(smallSize, 1))
		for i := range items {
			items[i].IfAbsent = first
		}
		there := items[500].Key // between the keys that are looked for
		mustPut(t, b, there, old)
		_, err := backend.PutBatch(context.Background(), b, items)
		want := text(smallSize, 1)
		if first {
			want = old
			if one := backend.ItemError(err, 500); !errors.Is(one, backend.ErrExists) {
				t.Errorf("PutBatch of a key that is there = %v, want %v", one, backend.ErrExists)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		if got := get(t, b, there); got != want {
			t.Errorf("IfAbsent %t: the key that was there holds %.8q, want %.8q", first, got, want)
		}
		for _, i := range []int{0, 499, 501, 999} {
			if got := get(t, b, items[i].Key); got != text(smallSize, 1) {
				t.Errorf("IfAbsent %t: %v holds %.8q, want the new value", first, items[i].Key, got)
			}
		}
		swept(t, loc, "s", "t")
	}
}

// A body that was being read when its value was replaced, and swept, is whole or fails.
func TestReadersOutliveSweeps(t *testing.T) {
	loc, _ := prepare(t, pgtest.URL(t))
	b := open(t, loc)
	body, info, err := b.Get(context.Background(), theKey)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	mustPut(t, b, theKey, text(largeSize, 2))
	swept(t, loc, "s")
	r, err := backend.Verify(body, info)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err == nil && string(got) != old {
		t.Errorf("read %d bytes %.8q, want the old value", len(got), got)
	}
}

// A writer whose claim ran out, and was swept away, stores its value anew.
func TestLostClaim(t *testing.T) {
	for _, opts := range []backend.PutOptions{{}, {IfMatch: "its version"}} {
		loc, version := prepare(t, pgtest.URL(t))
		if opts.IfMatch != "" {
			opts.IfMatch = version
		}
		b := open(t, loc)
		value := text(largeSize, 7)
		opts.Size = largeSize
		opts.Digest, opts.Sum = sums.Of([]byte(value))
		late := &slow{Reader: bytes.NewReader([]byte(value)), before: func() {
			expire(t, loc)
			swept(t, loc, "s")
			swept(t, loc, "s")
		}}
		if _, err := b.Put(context.Background(), theKey, late, opts); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if got := get(t, b, theKey); got != value {
			t.Errorf("the key holds %.8q, want %.8q", got, value)
		}
		expire(t, loc)
		swept(t, loc, "s")
	}
}

// slow is a body that takes its time once.
type slow struct {
	*bytes.Reader
	before func()
}

func (s *slow) Read(p []byte) (int, error) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	return s.Reader.Read(p)
}

// A dry run takes nothing from anybody.
func TestDryRun(t *testing.T) {
	loc, _ := prepare(t, pgtest.URL(t))
	b := open(t, loc)
	if _, err := b.Put(context.Background(), otherKey, failing{}, backend.PutOptions{Size: largeSize}); err == nil {
		t.Fatal("Put of a body that fails succeeds")
	}
	expire(t, loc)
	dry := backend.SweepOptions{DryRun: true, Grace: time.Nanosecond}
	var reports []backend.SweepReport
	for range 2 {
		r, err := backend.Sweep(context.Background(), b, dry)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	if reports[0] != reports[1] || reports[0].Orphans+reports[0].Kept == 0 {
		t.Errorf("dry runs report %+v", reports)
	}
	if states := looseStates(t, loc); !slices.Equal(states, []string{"p"}) {
		t.Errorf("after dry runs the claims are %v, want one that is pending", states)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no body") }

func (failing) Seek(int64, int) (int64, error) { return 0, nil }
