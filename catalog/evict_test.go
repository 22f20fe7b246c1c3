package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/evict"
	"github.com/larder-store/larder/internal/marks"
)

func numbered(i int) component.Component {
	return component.New("lab/numbered", "v1", map[string]any{"i": i})
}

// store puts a value of ten bytes, and returns the ID of its component.
func keep(t *testing.T, s *larder.Store, c component.Component, value string) string {
	t.Helper()
	if _, err := s.Put(t.Context(), c, "x", value); err != nil {
		t.Fatal(err)
	}
	id, err := s.Key(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func has(t *testing.T, s *larder.Store, c component.Component) bool {
	t.Helper()
	ok, err := s.Has(t.Context(), c, "x")
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// What was replaced, used or pinned since the plan was made survives it, whatever the order; the pin and the mark come from
// another handle, as from another machine.
func TestWhatChangedSurvives(t *testing.T) {
	for name, s := range stores(t) {
		for first, order := range []catalog.Order{catalog.LeastRecentlyUsed, catalog.LowestCost} {
			numbered := func(i int) component.Component { return numbered(10*first + i) }
			t.Run(name+"/"+string(order), func(t *testing.T) {
				other := larder.New(s.Backend(), silent)
				var ids []string
				for i := range 5 {
					ids = append(ids, keep(t, s, numbered(i), "0123456789"))
				}
				plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxSize: 1, Order: order})
				if err != nil {
					t.Fatal(err)
				}
				if plan.Goes.Values != 5 || plan.Goes.NoCost != 5 || plan.Over != 0 {
					t.Errorf("plan: %+v", plan)
				}
				keep(t, other, numbered(1), "other bytes")
				if err := catalog.PinComponent(t.Context(), other, catalog.Pin{ID: ids[2], By: "anna"}); err != nil {
					t.Fatal(err)
				}
				used := marks.Mark{ID: marks.ID(ids[3] + "/x"), At: marks.Hour(time.Now())}
				if err := marks.Put(t.Context(), other.Backend(), marks.Set{used}); err != nil {
					t.Fatal(err)
				}
				if err := other.Delete(t.Context(), numbered(4), "x"); err != nil {
					t.Fatal(err)
				}
				done, err := catalog.Evict(t.Context(), s, plan)
				if err != nil {
					t.Fatal(err)
				}
				if done.Values != 1 || done.Bytes != 10 || done.Spared != 4 {
					t.Errorf("done: %+v", done)
				}
				for i, want := range []bool{false, true, true, true, false} {
					if got := has(t, s, numbered(i)); got != want {
						t.Errorf("value %d is there: %v, want %v", i, got, want)
					}
				}
				if _, err := catalog.Unpin(t.Context(), s, ids[2], ""); err != nil {
					t.Fatal(err)
				}
				evictAll(t, s)
			})
		}
	}
}

// hasty is a backend in which something happens just ahead of the first deletion.
type hasty struct {
	backend.Backend
	first func()
}

func (h *hasty) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	if h.first != nil {
		h.first()
		h.first = nil
	}
	return backend.DeleteMatch(ctx, h.Backend, seen)
}

func (h *hasty) Unwrap() backend.Backend { return h.Backend }

// A value that is replaced between the last look and the deletion stays.
func TestReplacedAtTheLastInstant(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			keep(t, s, numbered(0), "old")
			h := &hasty{Backend: s.Backend(), first: func() { keep(t, s, numbered(0), "new") }}
			gc := larder.New(h, silent)
			plan, err := catalog.PlanEviction(t.Context(), gc, catalog.Policy{MaxSize: 1})
			if err != nil {
				t.Fatal(err)
			}
			done, err := catalog.Evict(t.Context(), gc, plan)
			if err != nil || done.Values != 0 || done.Spared != 1 || h.first != nil {
				t.Errorf("Evict = %+v, %v", done, err)
			}
			if got, err := larder.Get[string](t.Context(), s, numbered(0), "x"); got != "new" {
				t.Errorf("Get = %q, %v", got, err)
			}
		})
	}
}

// A pin that comes while its value is being evicted waits, and is refused then: no pin is granted on what is gone a moment later.
func TestPinBesideEviction(t *testing.T) {
	for name, s := range stores(t) {
		if !backend.LimitsOf(s.Backend()).AtomicIfMatch {
			continue // a place without conditions has no locks
		}
		t.Run(name, func(t *testing.T) {
			id := keep(t, s, numbered(0), "0123456789")
			pinned := make(chan error, 1)
			h := &hasty{Backend: s.Backend(), first: func() {
				other := larder.New(s.Backend(), silent)
				go func() { pinned <- catalog.PinComponent(t.Context(), other, catalog.Pin{ID: id, By: "anna"}) }()
				select {
				case err := <-pinned:
					t.Errorf("the pin did not wait: %v", err)
					pinned <- err
				case <-time.After(100 * time.Millisecond): // it waits; were it granted, it would be by now, or later
				}
			}}
			evictAll(t, larder.New(h, silent))
			err := <-pinned
			if there := has(t, s, numbered(0)); there != (err == nil) || err != nil && !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("the pin: %v; its value is there: %v", err, there)
			}
		})
	}
}

func TestPins(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			id := keep(t, s, numbered(0), "0123456789")
			now := time.Now()
			for _, p := range []catalog.Pin{
				{ID: id, By: "anna", Note: "figure 2"},
				{ID: id, By: "Бо ris/2", Until: now.Add(time.Hour)},
				{ID: id, By: "gone", Made: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)},
			} {
				if err := catalog.PinComponent(ctx, s, p); err != nil {
					t.Fatal(err)
				}
			}
			pins, err := catalog.Pins(ctx, s, now)
			if err != nil || len(pins) != 2 {
				t.Fatalf("Pins = %+v, %v; want 2", pins, err)
			}
			if all, err := catalog.Pins(ctx, s, time.Time{}); err != nil || len(all) != 3 {
				t.Errorf("all Pins = %+v, %v", all, err)
			}
			if pins[0].By != "anna" || pins[0].Note != "figure 2" || pins[1].By != "Бо ris/2" || !pins[1].Until.Equal(now.Add(time.Hour)) {
				t.Errorf("Pins = %+v", pins)
			}
			nothing := strings.Repeat("0", 64)
			if err := catalog.PinComponent(ctx, s, catalog.Pin{ID: nothing, By: "anna"}); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("a pin on nothing: %v", err)
			}
			if err := catalog.PinComponent(ctx, s, catalog.Pin{ID: id, By: "anna", Until: now.Add(-time.Hour)}); err == nil {
				t.Error("a pin that is over is made")
			}
			if err := catalog.PinComponent(ctx, s, catalog.Pin{ID: id, By: strings.Repeat("x", 1000)}); err == nil {
				t.Error("a name that is too long is taken")
			}
			if n, err := catalog.Unpin(ctx, s, id, "anna"); n != 1 || err != nil {
				t.Errorf("Unpin = %d, %v", n, err)
			}
			if n, err := catalog.Unpin(ctx, s, id, "nobody"); n != 0 || err != nil {
				t.Errorf("Unpin of nobody = %d, %v", n, err)
			}
			evictAll(t, s)
			if !has(t, s, numbered(0)) {
				t.Error("the value is gone though one pin was left")
			}
			if n, err := catalog.Unpin(ctx, s, id, ""); n != 2 || err != nil {
				t.Errorf("Unpin = %d, %v", n, err)
			}
			evictAll(t, s)
			if has(t, s, numbered(0)) {
				t.Error("the value is there without a pin")
			}
		})
	}
}

// A pin whose note is damaged holds: its name says for what.
func TestDamagedPinHolds(t *testing.T) {
	s := larder.New(mem.New(nil), silent)
	id := keep(t, s, numbered(0), "0123456789")
	key, err := evict.PinKey(id, "me")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backend.PutBytes(t.Context(), s.Backend(), key, []byte("{"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	evictAll(t, s)
	if !has(t, s, numbered(0)) {
		t.Error("the value is gone")
	}
	wrong := backend.PutOptions{Size: 1, Sum: 1}
	if _, err := s.Backend().Put(t.Context(), key, strings.NewReader("x"), wrong); err != nil {
		t.Fatal(err)
	}
	evictAll(t, s)
	if !has(t, s, numbered(0)) {
		t.Error("the value of a corrupt pin is gone")
	}
}

func evictAll(t *testing.T, s *larder.Store) catalog.Evicted {
	t.Helper()
	plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	done, err := catalog.Evict(t.Context(), s, plan)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// By a clock that is a year ahead all is old: nothing is removed then. A clock that is a little ahead is fine.
func TestClocksThatDiffer(t *testing.T) {
	ahead := time.Duration(0)
	s := larder.New(mem.New(&mem.Options{Now: func() time.Time { return time.Now().Add(-ahead) }}), silent)
	keep(t, s, numbered(0), "0123456789")
	for _, ahead = range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxAge: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = catalog.Evict(t.Context(), s, plan); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("Evict by a clock that is %v ahead: %v", ahead, err)
		}
		if !has(t, s, numbered(0)) {
			t.Fatal("the value is gone")
		}
	}
	ahead = time.Minute
	plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxAge: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if done, err := catalog.Evict(t.Context(), s, plan); err != nil || done.Values != 1 {
		t.Errorf("Evict = %+v, %v", done, err)
	}
}

func TestPolicyIsRefused(t *testing.T) {
	s := larder.New(mem.New(nil), silent)
	for _, p := range []catalog.Policy{{}, {MaxSize: -1}, {MaxAge: -1}, {MaxSize: 1, Order: "size"}, {WithInputs: true}} {
		if _, err := catalog.PlanEviction(t.Context(), s, p); err == nil {
			t.Errorf("%+v is taken for a policy", p)
		}
	}
}

// A description stays for 30 days, while its component has a value, and while one that stays was computed from it.
func TestDescriptionsGo(t *testing.T) {
	now := time.Now().Add(-100 * 24 * time.Hour)
	s := larder.New(mem.New(&mem.Options{Now: func() time.Time { return now }}), silent)
	source := component.New("lab/source", "v1", nil)
	middle := component.New("lab/middle", "v1", nil, source)
	result := component.New("lab/result", "v1", nil, middle)
	alone := component.New("lab/alone", "v1", nil)
	keep(t, s, middle, "0123456789")
	keep(t, s, alone, "0123456789")
	now = time.Now().Add(-10 * 24 * time.Hour)
	id := keep(t, s, result, "0123456789")
	now = time.Now()
	known := func(c component.Component) bool {
		t.Helper()
		id, err := s.Key(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		_, ok, err := catalog.Describe(t.Context(), s, id)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	all := []component.Component{source, middle, result, alone}
	check := func(when string, want ...bool) {
		t.Helper()
		for i, c := range all {
			if known(c) != want[i] {
				t.Errorf("%s: %s is described: %v, want %v", when, c.Type(), !want[i], want[i])
			}
		}
	}
	note(t, s, alone)
	note(t, s, result)
	if done := evictAll(t, s); done.Values != 3 || done.Descriptions != 1 {
		t.Errorf("done: %+v", done)
	}
	if got := notes(t, s); len(got) != 1 || !strings.HasPrefix(got[0], id+"/") {
		t.Errorf("notes of outputs are %q, want those of what is described", got)
	}
	check("the result is of 10 days ago", true, true, true, false)

	evictAt := func(at time.Time) int {
		t.Helper()
		plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxAge: 24 * time.Hour, Now: at})
		if err != nil {
			t.Fatal(err)
		}
		done, err := catalog.Evict(t.Context(), s, plan)
		if err != nil {
			t.Fatal(err)
		}
		return done.Descriptions
	}
	keep(t, s, result, "0123456789")
	if err := catalog.PinComponent(t.Context(), s, catalog.Pin{ID: id, By: "me"}); err != nil {
		t.Fatal(err)
	}
	evictAt(now.Add(90 * 24 * time.Hour))
	check("the result is pinned", true, true, true, false)
	if _, err := catalog.Unpin(t.Context(), s, id, ""); err != nil {
		t.Fatal(err)
	}
	if n := evictAt(now.Add(90 * 24 * time.Hour)); n != 3 {
		t.Errorf("%d descriptions went, want 3", n)
	}
	check("nothing is left", false, false, false, false)
}

// A description is put back if a value of its component came while it was removed.
func TestDescriptionComesBack(t *testing.T) {
	now := time.Now().Add(-100 * 24 * time.Hour)
	s := larder.New(mem.New(&mem.Options{Now: func() time.Time { return now }}), silent)
	id := keep(t, s, numbered(0), "0123456789")
	if err := s.Delete(t.Context(), numbered(0), "x"); err != nil {
		t.Fatal(err)
	}
	now = time.Now()
	h := &hasty{Backend: s.Backend(), first: func() { keep(t, s, numbered(0), "new") }}
	if done := evictAll(t, larder.New(h, silent)); done.Descriptions != 0 || h.first != nil {
		t.Errorf("done: %+v", done)
	}
	if _, known, err := catalog.Describe(t.Context(), s, id); !known {
		t.Errorf("the description is gone: %v", err)
	}
}

// endless is a store of many values that is nowhere.
type endless struct {
	backend.Backend
	n    int
	peak uint64
}

func (e *endless) List(ctx context.Context, shelf string, _ backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		if shelf != backend.ShelfCache {
			return
		}
		stored := time.Now().Add(-48 * time.Hour)
		for i := range e.n {
			if i%(e.n/8) == e.n/8-1 {
				e.measure()
			}
			name := fmt.Sprintf("%064x/x", i)
			if !yield(backend.Info{Key: backend.Key{Shelf: shelf, Name: name}, Size: 100, ModTime: stored.Add(time.Duration(i))}, nil) {
				return
			}
		}
	}
}

func (e *endless) measure() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	e.peak = max(e.peak, m.HeapAlloc)
}

func (e *endless) Get(_ context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	return nil, backend.Info{}, backend.ErrNotFound
}

func (e *endless) Limits() backend.Limits { return backend.Limits{CostlyRequests: true} }

func (e *endless) Scan(_ context.Context, shelf string, _ backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		if shelf == backend.ShelfComponents {
			yield(backend.Entry{}, errors.New("descriptions are read"))
		}
	}
}

// A plan of a million values holds less than 128 bytes for each.
func TestPlanIsSmall(t *testing.T) {
	e := &endless{Backend: mem.New(nil), n: 1_000_000}
	if testing.Short() || raceEnabled {
		e.n = 100_000
	}
	s := larder.New(e, silent)
	e.measure()
	before := e.peak
	plan, err := catalog.PlanEviction(t.Context(), s, catalog.Policy{MaxSize: int64(e.n) * 50})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Goes.Values != e.n/2 || plan.Stays.Values != e.n-e.n/2 {
		t.Errorf("%d go, %d stay", plan.Goes.Values, plan.Stays.Values)
	}
	each := float64(e.peak-before) / float64(e.n)
	t.Logf("%.0f bytes a value", each)
	if each > 128 {
		t.Errorf("a plan of %d values takes %.0f bytes a value", e.n, each)
	}
	e.peak = 0
	e.measure()
	if held := float64(e.peak-before) / float64(e.n); e.peak > before && held > 16 {
		t.Errorf("the plan itself takes %.0f bytes a value", held)
	}
	runtime.KeepAlive(plan)
}
