package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
)

var ctx = context.Background()

// bare is a backend without any optional ability.
type bare struct{ backend.Backend }

// through is a wrapper that changes nothing, and says so.
type through struct{ backend.Backend }

func (t through) Unwrap() backend.Backend { return t.Backend }

func key(name string) backend.Key { return backend.Key{Shelf: "s", Name: name} }

func item(name, text string) backend.Item {
	return backend.Item{Key: key(name), Body: strings.NewReader(text), PutOptions: backend.PutOptions{Size: int64(len(text))}}
}

func put(t *testing.T, b backend.Backend, name, text string) backend.Info {
	t.Helper()
	it := item(name, text)
	info, err := b.Put(ctx, it.Key, it.Body, it.PutOptions)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAs(t *testing.T) {
	m := mem.New(nil)
	for _, c := range []struct {
		name string
		b    backend.Backend
		want bool
	}{
		{"itself", m, true},
		{"through a wrapper", through{m}, true},
		{"through two", through{through{m}}, true},
		{"a wrapper that does not let through", bare{m}, false},
		{"one over the other", through{bare{m}}, false},
		{"nothing below", through{nil}, false},
		{"nil", nil, false},
	} {
		got, ok := backend.As[backend.Leaser](c.b)
		if ok != c.want || ok && got != backend.Leaser(m) {
			t.Errorf("As(%s) = %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
}

func TestLimitsOf(t *testing.T) {
	m := mem.New(nil)
	if got := backend.LimitsOf(through{m}); got != m.Limits() || !got.AtomicIfMatch {
		t.Errorf("LimitsOf through a wrapper = %+v, want %+v", got, m.Limits())
	}
	if got := backend.LimitsOf(bare{m}); got != (backend.Limits{}) {
		t.Errorf("LimitsOf a backend that does not say = %+v, want none", got)
	}
}

// both runs a test with the ability of the backend, and without.
func both(t *testing.T, f func(t *testing.T, b backend.Backend)) {
	t.Run("native", func(t *testing.T) { f(t, mem.New(nil)) })
	t.Run("fallback", func(t *testing.T) { f(t, bare{mem.New(nil)}) })
}

func TestGetRange(t *testing.T) {
	both(t, func(t *testing.T, b backend.Backend) {
		old := put(t, b, "a", "an older value").Version
		now := put(t, b, "a", "0123456789").Version
		for _, c := range []struct {
			version string
			off, n  int64
			want    string
			err     error
		}{
			{"", 0, -1, "0123456789", nil}, {"", 3, -1, "3456789", nil}, {"", 0, 0, "", nil}, {"", 2, 3, "234", nil},
			{"", 8, 5, "89", nil}, {"", 10, 5, "", nil}, {"", 11, -1, "", nil}, {"", 1 << 40, 1, "", nil},
			{now, 2, 3, "234", nil}, {old, 2, 3, "", backend.ErrChanged},
		} {
			body, info, err := backend.GetRange(ctx, b, key("a"), c.version, c.off, c.n)
			if !errors.Is(err, c.err) {
				t.Errorf("GetRange(%q, %d, %d) = %v, want %v", c.version, c.off, c.n, err, c.err)
			}
			if err != nil {
				continue
			}
			got, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil || string(got) != c.want || info.Size != 10 {
				t.Errorf("GetRange(%q, %d, %d) = %q of %d, %v, want %q of 10", c.version, c.off, c.n, got, info.Size, err, c.want)
			}
		}
		if _, _, err := backend.GetRange(ctx, b, key("a"), "", -1, 1); err == nil {
			t.Error("GetRange from -1 succeeds")
		}
		if _, _, err := backend.GetRange(ctx, b, key("absent"), "", 0, 1); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("GetRange of an absent key = %v, want %v", err, backend.ErrNotFound)
		}
	})
}

func TestScan(t *testing.T) {
	both(t, func(t *testing.T, b backend.Backend) {
		for i := range 5 {
			put(t, b, fmt.Sprint(i), fmt.Sprintf("value %d", i))
		}
		var got []string
		for e, err := range backend.Scan(ctx, b, "s", backend.ListOptions{After: "0", Limit: 3}) {
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(e.Body)
			got = append(got, e.Key.Name+"="+string(text))
		}
		if want := []string{"1=value 1", "2=value 2", "3=value 3"}; !slices.Equal(got, want) {
			t.Errorf("Scan = %q, want %q", got, want)
		}
		for _, err := range backend.Scan(ctx, b, "A", backend.ListOptions{}) {
			if !errors.Is(err, backend.ErrInvalidKey) {
				t.Errorf("Scan of an invalid shelf = %v, want %v", err, backend.ErrInvalidKey)
			}
		}
	})
}

// TestScanLeavesOutWhatVanishes: an entry that goes between its List and its Get does not
// count, not even against the limit.
func TestScanLeavesOutWhatVanishes(t *testing.T) {
	b := bare{mem.New(nil)}
	for i := range 5 {
		put(t, b, fmt.Sprint(i), "x")
	}
	vanishing := &deletesFirst{bare: b, name: "1"}
	var got []string
	for e, err := range backend.Scan(ctx, vanishing, "s", backend.ListOptions{Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Key.Name)
	}
	if want := []string{"0", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("Scan = %q, want %q", got, want)
	}
}

type deletesFirst struct {
	bare
	name string
}

func (d *deletesFirst) Get(ctx context.Context, k backend.Key) (io.ReadCloser, backend.Info, error) {
	if k.Name == d.name {
		d.Delete(ctx, k)
	}
	return d.bare.Get(ctx, k)
}

func TestPutBatch(t *testing.T) {
	both(t, func(t *testing.T, b backend.Backend) {
		put(t, b, "old", "old")
		items := []backend.Item{item("a", "first"), item("old", "new"), item("Bad", "x"), item("a", "last")}
		items[1].IfAbsent = true
		infos, err := backend.PutBatch(ctx, b, items)
		wants := []error{nil, backend.ErrExists, backend.ErrInvalidKey, nil}
		for i, want := range wants {
			if got := backend.ItemError(err, i); !errors.Is(got, want) {
				t.Errorf("item %d = %v, want %v", i, got, want)
			}
			if stored := infos[i].Key != (backend.Key{}); stored != (want == nil) {
				t.Errorf("item %d has the Info %+v", i, infos[i])
			}
		}
		body, _, err := b.Get(ctx, key("a"))
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(body); string(text) != "last" {
			t.Errorf("after the batch there is %q, want %q", text, "last")
		}
		if infos, err := backend.PutBatch(ctx, b, nil); len(infos) != 0 || err != nil {
			t.Errorf("PutBatch of nothing = %v, %v", infos, err)
		}
	})
}

func TestDeleteBatch(t *testing.T) {
	both(t, func(t *testing.T, b backend.Backend) {
		put(t, b, "a", "1")
		put(t, b, "b", "2")
		err := backend.DeleteBatch(ctx, b, []backend.Key{key("a"), key("Bad"), key("absent"), key("b")})
		for i, want := range []error{nil, backend.ErrInvalidKey, nil, nil} {
			if got := backend.ItemError(err, i); !errors.Is(got, want) {
				t.Errorf("key %d = %v, want %v", i, got, want)
			}
		}
		for info := range b.List(ctx, "s", backend.ListOptions{}) {
			t.Errorf("after DeleteBatch there is %q", info.Key)
		}
		if err := backend.DeleteBatch(ctx, b, nil); err != nil {
			t.Errorf("DeleteBatch of nothing = %v", err)
		}
	})
}

type sweeper struct{ bare }

func (sweeper) Sweep(context.Context, backend.SweepOptions) (backend.SweepReport, error) {
	return backend.SweepReport{Orphans: 3}, nil
}

func TestSweep(t *testing.T) {
	b := bare{mem.New(nil)}
	if got, err := backend.Sweep(ctx, b, backend.SweepOptions{}); got != (backend.SweepReport{}) || err != nil {
		t.Errorf("Sweep without the ability = %+v, %v, want nothing", got, err)
	}
	if got, err := backend.Sweep(ctx, through{sweeper{b}}, backend.SweepOptions{}); got.Orphans != 3 || err != nil {
		t.Errorf("Sweep with the ability = %+v, %v, want 3 orphans", got, err)
	}
}

// decodeWords is a decoder for the test: type, version and a number.
func decodeWords(key string, preimage []byte) (component.Description, error) {
	d := component.Description{Key: key}
	var order int64
	if _, err := fmt.Sscanf(string(preimage), "%s %s %d", &d.Type, &d.Version, &order); err != nil {
		return d, err
	}
	d.Parameters = map[any]any{"filter": map[any]any{"order": order, "a.b": true}, "name.x": "n"}
	return d, nil
}

func TestFind(t *testing.T) {
	m := mem.New(nil)
	for name, text := range map[string]string{"k1": "spikes 1 2", "k2": "spikes 2 4", "k3": "detrend 1 2", "k4": "broken", "k5": "spikes 1 9"} {
		it := item(name, text)
		if _, err := m.Put(ctx, backend.Key{Shelf: backend.ShelfComponents, Name: name}, it.Body, it.PutOptions); err != nil {
			t.Fatal(err)
		}
	}
	spikes := component.Where(component.FieldType, component.Equal, "spikes")
	for _, c := range []struct {
		q    component.Query
		want string
	}{
		{component.Query{}, "k1 k2 k3 ! k5"},
		{component.Query{Where: spikes}, "k1 k2 ! k5"},
		{component.Query{Where: component.And(spikes, component.Where(component.FieldVersion, component.Equal, "1"))}, "k1 ! k5"},
		{component.Query{Limit: 2}, "k1 k2"},
		{component.Query{Where: spikes, Limit: 3}, "k1 k2 ! k5"},
		{component.Query{Where: component.WhereParam("filter.order", component.Equal, int64(2))}, "k1 k3 !"},
		{component.Query{Where: component.And(component.WhereParam("filter.a.b", component.Equal, true), component.WhereParam("name.x", component.Equal, "n"))}, "k1 k2 k3 ! k5"},
		{component.Query{After: "k2"}, "k3 ! k5"},
		{component.Query{Where: component.WhereParam("filter.none", component.Exists, nil)}, "!"},
		{component.Query{Where: component.WhereParam("filter", component.Equal, "x")}, "!"},
		{component.Query{Where: component.Where(component.FieldStored, component.Greater, time.Now().Add(time.Hour))}, "!"},
	} {
		var got []string
		for d, err := range backend.Find(ctx, bare{m}, c.q, decodeWords) {
			if err != nil {
				var e *backend.Error
				if !errors.As(err, &e) || e.Key.Name != "k4" {
					t.Errorf("Find(%+v) yields the error %v, want one that names k4", c.q, err)
				}
				d.Key = "!"
			} else if d.Stored.IsZero() {
				t.Errorf("Find(%+v) yields %q without the time when it was stored", c.q, d.Key)
			}
			got = append(got, d.Key)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("Find(%+v) = %q, want %q", c.q, s, c.want)
		}
	}
	m.Close()
	for _, err := range backend.Find(ctx, bare{m}, component.Query{}, decodeWords) {
		if !errors.Is(err, backend.ErrClosed) {
			t.Errorf("Find in what is closed = %v, want %v", err, backend.ErrClosed)
		}
	}
}

// A Scan of a backend without that ability keeps to its limit when it is ranged over again.
func TestScanAgain(t *testing.T) {
	b := bare{mem.New(nil)}
	for _, name := range []string{"a", "b", "c"} {
		put(t, b, name, name)
	}
	scan := backend.Scan(ctx, b, "s", backend.ListOptions{Limit: 2})
	for range 2 {
		n := 0
		for _, err := range scan {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		if n != 2 {
			t.Errorf("a Scan with the limit 2 yields %d entries", n)
		}
	}
}

// A prefix that no key can have finds nothing.
func TestFindOddPrefix(t *testing.T) {
	q := component.Query{Where: component.Where(component.FieldKey, component.HasPrefix, "Upper case")}
	for _, err := range backend.Find(ctx, bare{mem.New(nil)}, q, nil) {
		t.Errorf("Find = %v", err)
	}
}

// A position that is no key is one all the same: between those that are less and those that are greater.
func TestFindAfterOddTexts(t *testing.T) {
	b := bare{mem.New(nil)}
	for _, name := range []string{"a", "az", "b"} {
		if _, err := backend.PutBytes(ctx, b, backend.Key{Shelf: backend.ShelfComponents, Name: name}, []byte(name), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	decode := func(key string, _ []byte) (component.Description, error) { return component.Description{}, nil }
	for after, want := range map[string]int{"": 3, "A": 3, "a\x00": 2, "aZ": 2, "a\xff": 1, "é": 0, strings.Repeat("a", 2*backend.MaxName): 2} {
		n := 0
		for _, err := range backend.Find(ctx, b, component.Query{After: after}, decode) {
			if n++; err != nil {
				t.Errorf("Find after %.9q = %v", after, err)
			}
		}
		if n != want {
			t.Errorf("Find after %.9q yields %d, want %d", after, n, want)
		}
	}
}

// A Scan of a backend without that ability takes no other options than its List.
func TestScanOfNegativeLimit(t *testing.T) {
	b := mem.New(nil)
	put(t, b, "a", "a")
	for what, b := range map[string]backend.Backend{"mem": b, "bare": bare{b}} {
		n, last := 0, error(nil)
		for _, err := range backend.Scan(ctx, b, "s", backend.ListOptions{Limit: -1}) {
			n, last = n+1, err
		}
		if n != 1 || last == nil {
			t.Errorf("%s: a Scan with the limit -1 yields %d times, and %v in the end; want an error", what, n, last)
		}
	}
}
