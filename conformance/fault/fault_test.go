package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/conformance/fault"
)

var key = backend.Key{Shelf: "s", Name: "a"}

func put(ctx context.Context, b backend.Backend, key backend.Key, text string) error {
	_, err := b.Put(ctx, key, strings.NewReader(text), backend.PutOptions{Size: int64(len(text))})
	return err
}

func get(ctx context.Context, b backend.Backend, key backend.Key) (string, error) {
	body, _, err := b.Get(ctx, key)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

// always fails every call that can fail so.
func always(kind fault.Kind) fault.Plan {
	return fault.Plan{Rate: map[fault.Kind]float64{kind: 1}}
}

func TestKinds(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		kind    fault.Kind
		put     error  // what a Put of "new" over "old" returns
		holds   string // what is there then
		get     error
		reads   string // what a faulty Get of "old" reads
		listed  int    // how many of two entries a faulty List yields
		listErr error
	}{
		{fault.None, nil, "new", nil, "old!", 2, nil},
		{fault.Before, backend.ErrUnavailable, "old!", backend.ErrUnavailable, "", 0, backend.ErrUnavailable},
		{fault.After, backend.ErrUnavailable, "new", nil, "old!", 2, nil},
		{fault.Short, nil, "new", backend.ErrUnavailable, "ol", 1, backend.ErrUnavailable},
		{fault.Cut, nil, "new", nil, "ol", 2, nil},
		{fault.Slow, nil, "new", nil, "old!", 2, nil},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			under := mem.New(nil)
			b := fault.New(under, always(c.kind))
			if err := errors.Join(put(ctx, under, key, "old!"), put(ctx, under, backend.Key{Shelf: "s", Name: "b"}, "1")); err != nil {
				t.Fatal(err)
			}
			text, err := get(ctx, b, key)
			if !errors.Is(err, c.get) || text != c.reads {
				t.Errorf("Get = %q, %v, want %q, %v", text, err, c.reads, c.get)
			}
			n := 0
			err = nil
			for _, err = range b.List(ctx, "s", backend.ListOptions{}) {
				if err == nil {
					n++
				}
			}
			if n != c.listed || !errors.Is(err, c.listErr) {
				t.Errorf("List yields %d entries and %v, want %d and %v", n, err, c.listed, c.listErr)
			}
			if err := put(ctx, b, key, "new"); !errors.Is(err, c.put) {
				t.Errorf("Put = %v, want %v", err, c.put)
			}
			if text, _ := get(ctx, under, key); text != c.holds {
				t.Errorf("after the Put there is %q, want %q", text, c.holds)
			}
		})
	}
}

func TestHangEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b := fault.New(mem.New(nil), always(fault.Hang))
		start := time.Now()
		if err := put(ctx, b, key, "new"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put = %v, want %v", err, context.DeadlineExceeded)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Put came back after %v, want its whole minute", got)
		}
	})
}

func TestSlowTakesItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := always(fault.Slow)
		plan.Delay = time.Hour
		start := time.Now()
		if err := put(t.Context(), fault.New(mem.New(nil), plan), key, "new"); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("Put took %v, want an hour", got)
		}
	})
}

// TestSameSeedSameFaults lets many goroutines come in any order.
func TestSameSeedSameFaults(t *testing.T) {
	run := func(seed uint64) []string {
		b := fault.New(mem.New(nil), fault.Plan{Seed: seed, Rate: map[fault.Kind]float64{fault.Before: 0.2, fault.After: 0.2}})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for range 20 {
					put(context.Background(), b, backend.Key{Shelf: "s", Name: fmt.Sprint(i)}, "x")
				}
			})
		}
		wg.Wait()
		var all []string
		for _, f := range b.Faults() {
			all = append(all, fmt.Sprint(f))
		}
		slices.Sort(all)
		return all
	}
	first, second, other := run(1), run(1), run(2)
	if !slices.Equal(first, second) {
		t.Errorf("one seed gives %d faults and then %d others", len(first), len(second))
	}
	if slices.Equal(first, other) {
		t.Errorf("two seeds give the same %d faults", len(first))
	}
	// 400 calls of which 2 in 5 fail; four standard deviations on either side.
	if n := len(first); n < 120 || n > 200 {
		t.Errorf("%d of 400 calls failed, want about 160", n)
	}
}

func TestOnlyChooses(t *testing.T) {
	ctx := context.Background()
	plan := always(fault.Before)
	plan.Only = func(op string, k backend.Key) bool { return op == "get" && k == key }
	b := fault.New(mem.New(nil), plan)
	other := backend.Key{Shelf: "s", Name: "b"}
	if err := errors.Join(put(ctx, b, key, "x"), put(ctx, b, other, "x")); err != nil {
		t.Errorf("Put = %v, want success", err)
	}
	if _, err := get(ctx, b, other); err != nil {
		t.Errorf("Get of the other key = %v, want success", err)
	}
	if _, err := get(ctx, b, key); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Get of the key = %v, want %v", err, backend.ErrUnavailable)
	}
}

func TestTimesLetsRetriesThrough(t *testing.T) {
	ctx := context.Background()
	plan := always(fault.Before)
	plan.Times, plan.Err = 2, errors.New("the disk is full")
	b := fault.New(mem.New(nil), plan)
	for i := range 2 {
		if err := put(ctx, b, key, "x"); !errors.Is(err, plan.Err) || backend.Retryable(err) {
			t.Errorf("Put number %d = %v, want %v", i, err, plan.Err)
		}
	}
	if err := put(ctx, b, key, "x"); err != nil {
		t.Errorf("Put number 2 = %v, want success", err)
	}
	if got := len(b.Faults()); got != 2 {
		t.Errorf("Faults = %d, want 2", got)
	}
}
