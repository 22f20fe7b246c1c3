package larder_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
)

// lockable opens two handles of each kind of store that has locks.
func lockable(t *testing.T, ttl time.Duration) map[string][2]*larder.Store {
	t.Helper()
	m := mem.New(nil)
	dir, files := t.TempDir(), t.TempDir()
	all := map[string][2]*larder.Store{}
	for i := range 2 {
		shelf, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := file.Open(files, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string]backend.Backend{"mem": m, "shelve": shelf, "file": f} {
			pair := all[name]
			pair[i] = larder.New(b, &larder.Options{LeaseTTL: ttl})
			all[name] = pair
		}
		t.Cleanup(func() { shelf.Close(); f.Close() })
	}
	return all
}

// A lock is given up also after the end of the caller's context, as by Ctrl-C.
func TestUnlockAfterTheEnd(t *testing.T) {
	for name, stores := range lockable(t, time.Minute) {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := stores[0].TryLock(ctx, "a")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cancel()
		if err := l.Unlock(ctx); err != nil {
			t.Errorf("%s: Unlock = %v", name, err)
		}
		other, err := stores[1].TryLock(t.Context(), "a")
		if err != nil {
			t.Fatalf("%s: after Unlock: %v", name, err)
		}
		other.Unlock(t.Context())
	}
}

// Of all that lock a name one has it, whatever handle they use, and epochs grow.
func TestLockExcludes(t *testing.T) {
	for name, stores := range lockable(t, time.Minute) {
		ctx := context.Background()
		inside, last := 0, uint64(0)
		var mu sync.Mutex // guards both: the lock alone would hide a race from the detector
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 5 {
					l, err := stores[i%2].Lock(ctx, "Ünïcode name / with anything")
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					mu.Lock()
					if inside++; inside != 1 || l.Epoch() <= last {
						t.Errorf("%s: %d holders, epoch %d after %d", name, inside, l.Epoch(), last)
					}
					last = l.Epoch()
					mu.Unlock()
					mu.Lock()
					inside--
					mu.Unlock()
					if err := l.Unlock(ctx); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		group.Wait()
	}
}

func TestTryLock(t *testing.T) {
	for name, stores := range lockable(t, time.Minute) {
		ctx, cancel := context.WithCancel(context.Background())
		l, err := stores[0].TryLock(ctx, "a")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cancel() // which ends no lock
		ctx = context.Background()
		if _, err := stores[1].TryLock(ctx, "a"); !errors.Is(err, larder.ErrLocked) || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("%s: TryLock of a held lock = %v, want ErrLocked with its name", name, err)
		}
		other, err := stores[1].TryLock(ctx, "b")
		if err != nil {
			t.Errorf("%s: another name: %v", name, err)
		} else {
			other.Unlock(ctx)
		}
		for patience := 20 * time.Millisecond; ; patience *= 2 { // a slow machine may not have asked once
			waiting, cancel := context.WithTimeout(ctx, patience)
			_, err := stores[1].Lock(waiting, "a")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: Lock beside a holder = %v, want the end of its context", name, err)
			}
			if errors.Is(err, larder.ErrLocked) {
				break
			}
			if patience > time.Minute {
				t.Fatalf("%s: Lock beside a holder = %v, want ErrLocked too", name, err)
			}
		}
		select {
		case <-l.Done():
			t.Errorf("%s: the lock is said to be lost", name)
		default:
		}
		for range 2 {
			if err := l.Unlock(ctx); err != nil {
				t.Errorf("%s: Unlock = %v", name, err)
			}
		}
		again, err := stores[1].TryLock(ctx, "a")
		if err != nil || again.Epoch() <= l.Epoch() {
			t.Errorf("%s: after Unlock: %v", name, err)
			continue
		}
		again.Unlock(ctx)
	}
}

// cutting ends a context as soon as its second Get begins.
type cutting struct {
	backend.Backend
	cancel context.CancelFunc
	gets   int
}

func (c *cutting) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if c.gets++; c.gets > 1 {
		c.cancel()
		return nil, backend.Info{}, context.Cause(ctx)
	}
	return c.Backend.Get(ctx, key)
}

func (c *cutting) Limits() backend.Limits { return backend.LimitsOf(c.Backend) }

// TestLockCut ends a wait while the store is being asked: the holder that was seen before is still named.
func TestLockCut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	place := mem.New(nil)
	l, err := larder.New(&away{Backend: place}, nil).TryLock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock(context.Background())
	waiter := larder.New(&cutting{Backend: place, cancel: cancel}, nil)
	if _, err := waiter.Lock(ctx, "a"); !errors.Is(err, context.Canceled) || !errors.Is(err, larder.ErrLocked) {
		t.Errorf("Lock = %v, want the end of its context, and ErrLocked", err)
	}
}

// away refuses every Put once it is told to, as a service that went away.
type away struct {
	backend.Backend
	mu     sync.Mutex
	gone   bool
	silent bool // to Get
}

func (a *away) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	a.mu.Lock()
	silent := a.silent
	a.mu.Unlock()
	if silent {
		return nil, backend.Info{}, backend.ErrUnavailable
	}
	return a.Backend.Get(ctx, key)
}

func (a *away) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	a.mu.Lock()
	gone := a.gone
	a.mu.Unlock()
	if gone {
		return backend.Info{}, backend.ErrUnavailable
	}
	return a.Backend.Put(ctx, key, body, opts)
}

func (a *away) Limits() backend.Limits { return backend.LimitsOf(a.Backend) }

// A holder that cannot renew its lock learns that it is lost.
func TestLockIsLost(t *testing.T) {
	b := &away{Backend: mem.New(nil)}
	s := larder.New(b, &larder.Options{LeaseTTL: 150 * time.Millisecond})
	l, err := s.TryLock(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.gone = true
	b.mu.Unlock()
	<-l.Done() // or the test hangs
	b.mu.Lock()
	b.gone = false
	b.mu.Unlock()
	if err := l.Unlock(context.Background()); err != nil {
		t.Errorf("Unlock of a lost lock = %v", err)
	}
}

// A lock is taken over from a holder that is silent, also by a store that takes no leases itself.
func TestLockOfADeadHolder(t *testing.T) {
	m := mem.New(nil)
	dead := &away{Backend: m}
	opts := &larder.Options{LeaseTTL: 200 * time.Millisecond, NoLease: true}
	l, err := larder.New(dead, opts).TryLock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	dead.mu.Lock()
	dead.gone = true
	dead.mu.Unlock()
	<-l.Done()
	heir := larder.New(&away{Backend: m}, opts)
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		taken, err := heir.TryLock(t.Context(), "a")
		if err == nil {
			if taken.Epoch() <= l.Epoch() {
				t.Errorf("epoch %d after %d", taken.Epoch(), l.Epoch())
			}
			taken.Unlock(t.Context())
			break
		}
		if !errors.Is(err, larder.ErrLocked) || time.Since(begin) > time.Minute {
			t.Fatalf("TryLock = %v, want that the dead holder's lock is taken over", err)
		}
	}
	l.Unlock(t.Context())
}

// Sweep goes over all that belongs to a store: its leases too.
func TestSweepCountsLeases(t *testing.T) {
	s := larder.New(mem.New(nil), nil)
	ctx := context.Background()
	l, err := larder.New(&away{Backend: s.Backend()}, nil).TryLock(ctx, "a") // by an object, as in a bucket
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock(ctx)
	report, err := s.Sweep(ctx, backend.SweepOptions{})
	if err != nil || report.Kept != 1 || report.Orphans != 0 {
		t.Errorf("Sweep = %+v, %v; want the lease spared", report, err)
	}
}
