package interop_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// leaseWire is a bucket behind a proxy, where requests for leases are told from others.
type leaseWire struct {
	url string

	mu     sync.Mutex // guards the rest
	leases map[string]int
	others int
	fault  func(lease bool, r *http.Request) proxy.Fault
	change chan struct{} // closed at the next request for a lease, if somebody waits
}

func newLeaseWire(t *testing.T) *leaseWire {
	t.Helper()
	s := servers.GoFakeS3(t)
	p := proxy.New(t, s.URL)
	w := &leaseWire{url: s3URL(t, s, p.URL), leases: map[string]int{}}
	p.Faults(func(op string, r *http.Request) proxy.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		lease := strings.Contains(r.URL.Path, "/leases/")
		if !lease {
			w.others++
		} else if w.leases[op]++; w.change != nil {
			close(w.change)
			w.change = nil
		}
		if w.fault == nil {
			return proxy.Fault{}
		}
		return w.fault(lease, r)
	})
	return w
}

// faults chooses what happens to requests from now on; nil: nothing.
func (w *leaseWire) faults(f func(lease bool, r *http.Request) proxy.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// counted returns the requests for leases since the last call.
func (w *leaseWire) counted() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	leases := w.leases
	w.leases = map[string]int{}
	return leases
}

// writes waits for n more writes of leases.
func (w *leaseWire) writes(t *testing.T, n int) {
	timeout := time.After(patience)
	w.mu.Lock()
	want := w.leases["PUT"] + n
	w.mu.Unlock()
	for {
		w.mu.Lock()
		if w.change == nil {
			w.change = make(chan struct{})
		}
		there, change := w.leases["PUT"], w.change
		w.mu.Unlock()
		if there >= want {
			return
		}
		select {
		case <-change:
		case <-timeout:
			t.Errorf("%d writes of the lease, want %d", there, want)
			return
		}
	}
}

func (w *leaseWire) open(t *testing.T, parameters string, opts larder.Options) *larder.Store {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	s, err := larder.Open(t.Context(), w.url+parameters, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// compute asks s for the result, which during makes.
func compute(t *testing.T, s *larder.Store, want string, during func()) {
	t.Helper()
	got, err := larder.Memo(t.Context(), s, shared, "x", func(context.Context) (string, error) {
		during()
		return "the result", nil
	})
	if got != want || err != nil {
		t.Errorf("Memo = %q, %v; want %q", got, err, want)
	}
}

// Leases are switched off by an option, and by the URL.
func TestLeasesSwitchedOff(t *testing.T) {
	for _, c := range []struct {
		parameters string
		opts       larder.Options
		want       map[string]int
	}{
		{"", larder.Options{}, map[string]int{"PUT": 2}},
		{"", larder.Options{NoLease: true}, map[string]int{}},
		{"&lease=none", larder.Options{}, map[string]int{}},
		{"&if_absent=none", larder.Options{}, map[string]int{}},
	} {
		w := newLeaseWire(t)
		compute(t, w.open(t, c.parameters, c.opts), "the result", func() {})
		if got := w.counted(); !maps.Equal(got, c.want) {
			t.Errorf("with %q and %+v a miss makes %v requests for leases, want %v", c.parameters, c.opts, got, c.want)
		}
		if w.others == 0 {
			t.Error("the proxy saw nothing")
		}
	}
}

// A result that was lost is computed again under a lease that somebody had before: who takes it
// has to see its epoch.
func TestLeaseTakenAgain(t *testing.T) {
	w := newLeaseWire(t)
	s := w.open(t, "", larder.Options{})
	compute(t, s, "the result", func() {})
	if err := s.Backend().Delete(t.Context(), stored(t, w.url).Key); err != nil {
		t.Fatal(err)
	}
	w.counted()
	compute(t, s, "the result", func() {})
	if got, want := w.counted(), map[string]int{"PUT": 3, "GET": 1}; !maps.Equal(got, want) {
		t.Errorf("a lease that is taken again takes %v, want %v", got, want)
	}
}

// A heartbeat comes each third of the ttl: never sooner, and as long as the computation takes. On a busy machine an answer may come so
// late that the heartbeat is sent again, after a look at what became of the first: such a round says nothing, and there are three.
func TestHeartbeats(t *testing.T) {
	const ttl, n, rounds = 3 * time.Second, 3, 3
	for round := 1; ; round++ {
		w := newLeaseWire(t)
		compute(t, w.open(t, "&lease=3s", larder.Options{}), "the result", func() {
			began := time.Now()
			w.writes(t, n)
			if took := time.Since(began); took < (n-1)*ttl/3 {
				t.Errorf("%d heartbeats in %v, want one each %v", n, took, ttl/3)
			}
		})
		got := w.counted()
		if got["GET"] != 0 && round < rounds {
			continue
		}
		if got["GET"] != 0 || got["PUT"] < n+2 {
			t.Errorf("%d heartbeats take %v, want a PUT each, and one before and after", n, got)
		}
		compute(t, w.open(t, "", larder.Options{}), "the result", func() { t.Error("computed again") })
		if got := w.counted(); len(got) > 0 {
			t.Errorf("a hit makes %v requests for leases, want none", got)
		}
		return
	}
}

// A server that goes away while a result is computed takes nothing from the result. Who comes
// later computes it again.
func TestServerGoesAway(t *testing.T) {
	w := newLeaseWire(t)
	s := w.open(t, "&lease=300ms", larder.Options{})
	compute(t, s, "the result", func() {
		w.faults(func(bool, *http.Request) proxy.Fault { return proxy.Fault{DropRequest: true} })
		w.writes(t, 1)
	})
	if got := s.Stats(); got.Computed != 1 || got.StoreFailures != 1 {
		t.Errorf("computed %d, not stored %d; want 1 of each", got.Computed, got.StoreFailures)
	}
	w.faults(nil)
	later := w.open(t, "&lease=300ms", larder.Options{})
	compute(t, later, "the result", func() {}) // after the lease that was not released
	compute(t, w.open(t, "", larder.Options{}), "the result", func() { t.Error("computed again") })
	if got := later.Stats(); got.Computed != 1 || got.StoreFailures != 0 {
		t.Errorf("later: computed %d, not stored %d; want 1 and 0", got.Computed, got.StoreFailures)
	}
}

// Heartbeats whose requests or answers are lost for a while cost neither the lease nor the result.
func TestServerComesBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault proxy.Fault
	}{
		{"requests are lost", proxy.Fault{DropRequest: true}},
		{"answers are lost", proxy.Fault{DropResponse: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newLeaseWire(t)
			s, computing, waits := w.open(t, "&lease=6s", larder.Options{}), make(chan bool), make(chan bool)
			go func() {
				<-computing
				compute(t, w.open(t, "", larder.Options{}), "the result", func() { t.Error("another took the lease") })
				close(waits)
			}()
			compute(t, s, "the result", func() {
				close(computing)
				w.faults(func(lease bool, r *http.Request) proxy.Fault {
					if lease && r.Header.Get("If-Match") != "" {
						return c.fault
					}
					return proxy.Fault{}
				})
				w.writes(t, 3) // attempts of one heartbeat
				w.faults(nil)
				w.writes(t, 2)
			})
			<-waits
			if got := s.Stats(); got.Computed != 1 || got.StoreFailures != 0 {
				t.Errorf("computed %d, not stored %d; want 1 and 0", got.Computed, got.StoreFailures)
			}
		})
	}
}
