package mem_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

func put(t testing.TB, b backend.Backend, name, body string) backend.Info {
	t.Helper()
	info, err := b.Put(context.Background(), backend.Key{Shelf: "s", Name: name}, strings.NewReader(body),
		backend.PutOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatalf("Put(%q) failed: %v", name, err)
	}
	return info
}

func names(t testing.TB, b backend.Backend, opts backend.ListOptions) []string {
	t.Helper()
	var got []string
	for info, err := range b.List(context.Background(), "s", opts) {
		if err != nil {
			t.Fatalf("List(%+v) failed: %v", opts, err)
		}
		got = append(got, info.Key.Name)
	}
	return got
}

func TestOpenURL(t *testing.T) {
	ctx := context.Background()
	open := func(url string) backend.Backend {
		t.Helper()
		b, err := backend.Open(ctx, url)
		if err != nil {
			t.Fatalf("Open(%q) failed: %v", url, err)
		}
		return b
	}
	put(t, open("mem://here"), "a", "1")
	for url, want := range map[string]int{"mem://here": 1, "mem://there": 0, "mem:": 0, "mem://": 0} {
		if got := len(names(t, open(url), backend.ListOptions{})); got != want {
			t.Errorf("a second Open(%q) finds %d entries, want %d", url, got, want)
		}
	}
	for _, url := range []string{"mem:here", "mem:///here", "mem://here/there", "mem://me:secret@here", "mem://here#there", "mem://here?x=1"} {
		if b, err := backend.Open(ctx, url); err == nil {
			t.Errorf("Open(%q) = %v, want an error", url, b)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) shows the password: %v", url, err)
		}
	}
}

func TestClock(t *testing.T) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	b := mem.New(&mem.Options{Now: func() time.Time { return noon }})
	if got := put(t, b, "a", "1").ModTime; !got.Equal(noon) {
		t.Errorf("ModTime = %v, want the clock's %v", got, noon)
	}
}

func TestLeaseEndsByTheClock(t *testing.T) {
	ctx, now := context.Background(), time.Now()
	b := mem.New(&mem.Options{Now: func() time.Time { return now }})
	first, err := b.Acquire(ctx, "l", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute - 1)
	if _, err := b.Acquire(ctx, "l", time.Minute); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("Acquire just before the end = %v, want %v", err, backend.ErrLocked)
	}
	now = now.Add(1)
	if err := first.Renew(ctx); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("Renew at the end = %v, want %v", err, backend.ErrChanged)
	}
	second, err := b.Acquire(ctx, "l", time.Minute)
	if err != nil {
		t.Fatalf("Acquire at the end failed: %v", err)
	}
	if second.Epoch() <= first.Epoch() {
		t.Errorf("the second holder's epoch is %d, want more than %d", second.Epoch(), first.Epoch())
	}
}

func TestMaxValue(t *testing.T) {
	b := mem.New(&mem.Options{MaxValue: 3})
	put(t, b, "a", "123")
	_, err := b.Put(context.Background(), backend.Key{Shelf: "s", Name: "a"}, strings.NewReader("1234"), backend.PutOptions{Size: 4})
	if !errors.Is(err, backend.ErrTooLarge) {
		t.Errorf("Put of 4 bytes = %v, want %v", err, backend.ErrTooLarge)
	}
	if got := backend.LimitsOf(b).MaxValue; got != 3 {
		t.Errorf("MaxValue = %d, want 3", got)
	}
}

// TestManyNames puts names in random order and removes half of them again, so that
// blocks split, shrink and vanish, and compares every page with a plain sorted list.
func TestManyNames(t *testing.T) {
	const n = 3000
	b, rnd := mem.New(nil), rand.New(rand.NewPCG(1, 2))
	for _, i := range rnd.Perm(n) {
		put(t, b, fmt.Sprintf("%06d", i), "x")
	}
	for _, i := range rnd.Perm(n) {
		if i%2 == 0 || i > 500 && i < 1500 {
			if err := b.Delete(context.Background(), backend.Key{Shelf: "s", Name: fmt.Sprintf("%06d", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for i := range n {
		if !(i%2 == 0 || i > 500 && i < 1500) {
			want = append(want, fmt.Sprintf("%06d", i))
		}
	}
	if got := names(t, b, backend.ListOptions{}); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("List yields %d names, want %d, or in another order", len(got), len(want))
	}
	for i, after := range want {
		got := names(t, b, backend.ListOptions{After: after, Limit: 1})
		if i+1 < len(want) && (len(got) != 1 || got[0] != want[i+1]) || i+1 == len(want) && len(got) != 0 {
			t.Fatalf("List after %q = %q, want the next name", after, got)
		}
	}
}

func BenchmarkPutAndList(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				m := mem.New(nil)
				for _, i := range rand.Perm(n) {
					put(b, m, fmt.Sprintf("%08d", i), "x")
				}
				if got := len(names(b, m, backend.ListOptions{})); got != n {
					b.Fatalf("List yields %d names, want %d", got, n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry")
		})
	}
}

// TestForget: a dropped name leads to a fresh place, and open handles on the old one go on working.
func TestForget(t *testing.T) {
	ctx := context.Background()
	key := backend.Key{Shelf: "s", Name: "k"}
	old := mem.Open("forgotten", nil)
	defer old.Close()
	put(t, old, key.Name, "v")
	mem.Forget("forgotten")
	anew := mem.Open("forgotten", nil)
	defer anew.Close()
	if _, err := anew.Stat(ctx, key); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("stat in the fresh place: %v", err)
	}
	if _, err := old.Stat(ctx, key); err != nil {
		t.Errorf("stat in the old one: %v", err)
	}
}
