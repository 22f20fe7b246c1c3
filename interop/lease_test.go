package interop_test

import (
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
)

// The ttls of these tests. Nobody dies where one computes and the others wait; where somebody
// does, all that happens if a busy machine makes a heartbeat late is that the other begins early.
const (
	longTTL  = 5 * time.Minute
	shortTTL = time.Second
)

// newOrder is for a result that nobody asked for yet.
func newOrder(t *testing.T, url string, ttl time.Duration) order {
	return order{URL: url, TTL: ttl, Count: filepath.Join(t.TempDir(), "count")}
}

func (o order) computed(t *testing.T, want int) {
	t.Helper()
	if got := lines(t, o.Count); got != want {
		t.Errorf("computed %d times, want %d", got, want)
	}
}

// stored returns the one value that a store holds.
func stored(t *testing.T, url string) backend.Info {
	t.Helper()
	b, err := backend.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var found []backend.Key
	for info, err := range b.List(t.Context(), "cache", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, info.Key)
	}
	if len(found) != 1 {
		t.Fatalf("the store holds %v, want one value", found)
	}
	info, err := b.Stat(t.Context(), found[0])
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Of eight processes one computes, the others say for whom they wait, and all have its result.
func TestProcessesComputeOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		o := newOrder(t, url, longTTL)
		workers := make([]*process, 8)
		for i := range workers {
			workers[i] = work(t, o)
		}
		for _, w := range workers {
			w.next(t)
		}
		var holder *process
		var waiting []string
		for _, w := range workers {
			if line := w.until(t, "computing", "waiting for another"); line != "computing" {
				waiting = append(waiting, line)
			} else if holder == nil {
				holder = w
			} else {
				t.Error("two compute at once")
				w.next(t)
			}
		}
		for _, line := range waiting {
			names(t, line, holder.pid)
		}
		holder.next(t)
		for _, w := range workers {
			w.gives(t, madeBy(holder.pid))
		}
		o.computed(t, 1)
	})
}

// pair is one process that computes, and another that waits for it.
func pair(t *testing.T, o order) (holder, waiter *process) {
	t.Helper()
	holder, waiter = work(t, o), work(t, o)
	holder.next(t)
	holder.until(t, "computing")
	waiter.next(t)
	names(t, waiter.until(t, "waiting for another"), holder.pid)
	return holder, waiter
}

// The death of a holder costs one computation more, and no result.
func TestProcessTakesOverFromTheDead(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		o := newOrder(t, url, shortTTL)
		holder, waiter := pair(t, o)
		holder.kill(t)
		began := time.Now()
		waiter.until(t, "computing")
		t.Logf("taken over %v after the death, with a ttl of %v", time.Since(began), o.TTL)
		waiter.next(t)
		waiter.gives(t, madeBy(waiter.pid))
		o.computed(t, 2)
		stored(t, url)
	})
}

// A holder that slept while its lease was taken learns of it, and returns what the other one
// stored.
func TestProcessWakesTooLate(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		o := newOrder(t, url, shortTTL)
		sleeper, other := pair(t, o)
		sleeper.signal(t, syscall.SIGSTOP)
		other.until(t, "computing")
		other.next(t)
		other.gives(t, madeBy(other.pid))
		before := stored(t, url)

		sleeper.signal(t, syscall.SIGCONT)
		sleeper.until(t, "lost the lease")
		sleeper.next(t)
		sleeper.gives(t, madeBy(other.pid))
		if after := stored(t, url); after.Version != before.Version {
			t.Errorf("the late one replaced version %q by %q", before.Version, after.Version)
		}
		o.computed(t, 2)
	})
}

// A holder that slept wakes and ends before the one that took over does: its result is
// stored, the other one's is dropped, and the lease stays with the other one.
func TestProcessWakesInTime(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		o := newOrder(t, url, shortTTL)
		sleeper, other := pair(t, o)
		sleeper.signal(t, syscall.SIGSTOP)
		other.until(t, "computing")
		sleeper.signal(t, syscall.SIGCONT)
		sleeper.until(t, "lost the lease")
		sleeper.next(t)
		sleeper.gives(t, madeBy(sleeper.pid))
		before := stored(t, url)
		sleeper.end(t)
		leaseNames(t, url, other.pid)

		other.next(t)
		other.gives(t, madeBy(sleeper.pid))
		if after := stored(t, url); after.Version != before.Version {
			t.Errorf("the second one replaced version %q by %q", before.Version, after.Version)
		}
		o.computed(t, 2)
	})
}

// leaseNames wants the only lease of a store to be held by a process.
func leaseNames(t *testing.T, url string, pid int) {
	t.Helper()
	b, err := backend.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for info, err := range b.List(t.Context(), "leases", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := b.Get(t.Context(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			t.Fatal(err)
		}
		names(t, string(text), pid)
	}
}
