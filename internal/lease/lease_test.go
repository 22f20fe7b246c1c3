package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/internal/lease"
)

// plain is a backend that grants no leases itself, and whose Puts can be made to fail.
type plain struct {
	backend.Backend
	fail func(n int) (before, after error) // for the n-th Put: instead of it, or though it was done

	mu   sync.Mutex // guards what follows
	puts int
	gets int
}

func (p *plain) Limits() backend.Limits { return backend.LimitsOf(p.Backend) }

func (p *plain) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	p.mu.Lock()
	p.gets++
	p.mu.Unlock()
	return p.Backend.Get(ctx, key)
}

func (p *plain) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	p.mu.Lock()
	p.puts++
	n, fail := p.puts, p.fail
	p.mu.Unlock()
	if fail == nil {
		return p.Backend.Put(ctx, key, body, opts)
	}
	before, after := fail(n)
	if before != nil {
		return backend.Info{}, before
	}
	info, err := p.Backend.Put(ctx, key, body, opts)
	if err == nil && after != nil {
		return backend.Info{}, after
	}
	return info, err
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

const ttl = time.Minute

// pair is two processes that look at one place by the same watch.
func pair(t *testing.T) (p *plain, a, b *lease.Client, watch *clock) {
	t.Helper()
	p, watch = &plain{Backend: mem.New(nil)}, &clock{time.Now()}
	a, b = lease.New(p, ttl), lease.New(p, ttl)
	a.SetClock(watch.now)
	b.SetClock(watch.now)
	return p, a, b, watch
}

func acquire(t *testing.T, c *lease.Client) backend.Lease {
	t.Helper()
	l, err := c.Acquire(context.Background(), "work")
	if err != nil {
		t.Fatalf("Acquire = %v, want the lease", err)
	}
	return l
}

func refused(t *testing.T, c *lease.Client) {
	t.Helper()
	if l, err := c.Acquire(context.Background(), "work"); !errors.Is(err, backend.ErrLocked) {
		t.Fatalf("Acquire = %v, %v; want %v", l, err, backend.ErrLocked)
	}
}

func TestOneHolder(t *testing.T) {
	_, a, b, _ := pair(t)
	first := acquire(t, a)
	_, err := b.Acquire(context.Background(), "work")
	if !errors.Is(err, backend.ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("Acquire of a held lease = %v, want %v and who holds it", err, backend.ErrLocked)
	}
	if _, err := b.Acquire(context.Background(), "other work"); err != nil {
		t.Errorf("Acquire of another name = %v, want the lease", err)
	}
	if err := first.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
	second := acquire(t, b)
	if second.Epoch() <= first.Epoch() {
		t.Errorf("the second holder has epoch %d, want more than %d", second.Epoch(), first.Epoch())
	}
	if err := first.Release(context.Background()); err != nil {
		t.Errorf("Release once more = %v, want nothing to happen", err)
	}
	refused(t, a) // the second holder's lease was not released
}

func TestSilenceIsJudgedByTheOnlooker(t *testing.T) {
	_, a, b, watch := pair(t)
	first := acquire(t, a)
	watch.t = watch.t.Add(time.Hour) // however long it was held before anybody looked
	refused(t, b)
	watch.t = watch.t.Add(ttl)
	refused(t, b) // a whole ttl has to pass
	if err := first.Renew(context.Background()); err != nil {
		t.Fatalf("Renew = %v", err)
	}
	watch.t = watch.t.Add(ttl)
	refused(t, b) // a heartbeat came: it begins anew
	watch.t = watch.t.Add(ttl + 1)
	second := acquire(t, b)
	if second.Epoch() <= first.Epoch() {
		t.Errorf("who took over has epoch %d, want more than %d", second.Epoch(), first.Epoch())
	}
	// The first one wakes up.
	if err := first.Renew(context.Background()); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("Renew of a lease that was taken over = %v, want %v", err, backend.ErrChanged)
	}
	if err := first.Release(context.Background()); err != nil {
		t.Errorf("Release of a lease that was taken over = %v, want nothing to happen", err)
	}
	if err := second.Renew(context.Background()); err != nil {
		t.Errorf("Renew by who took over = %v", err)
	}
}

func TestOneTakesOver(t *testing.T) {
	p, a, _, watch := pair(t)
	acquire(t, a)
	const n = 8
	clients := make([]*lease.Client, n)
	for i := range clients {
		clients[i] = lease.New(p, ttl)
		clients[i].SetClock(watch.now)
		refused(t, clients[i])
	}
	watch.t = watch.t.Add(ttl + 1)
	won := make(chan backend.Lease, n)
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			l, err := c.Acquire(context.Background(), "work")
			switch {
			case err == nil:
				won <- l
			case !errors.Is(err, backend.ErrLocked):
				t.Errorf("Acquire = %v, want %v", err, backend.ErrLocked)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d took over, want 1", len(won))
	}
}

// A heartbeat that comes between the look of who takes over and its write keeps the lease.
func TestHeartbeatAtTheLastInstant(t *testing.T) {
	p, a, b, watch := pair(t)
	first := acquire(t, a)
	refused(t, b)
	watch.t = watch.t.Add(ttl + 1)
	takeover := p.puts + 1
	p.fail = func(n int) (before, after error) {
		if n == takeover {
			if err := first.Renew(context.Background()); err != nil {
				t.Errorf("Renew = %v", err)
			}
		}
		return nil, nil
	}
	refused(t, b)
	if err := first.Renew(context.Background()); err != nil {
		t.Errorf("Renew by the holder = %v, want that it holds on", err)
	}
}

// Responses that are lost after the effect do not make a holder lose its lease, nor
// wait for itself.
func TestLostResponses(t *testing.T) {
	lost := fmt.Errorf("%w: no answer", backend.ErrUnavailable)
	for _, c := range []struct {
		name   string
		n      int // the Put whose response is lost; 1 is by Acquire, 2 the first Renew
		effect bool
	}{
		{"of Acquire", 1, true}, {"of Renew", 2, true}, {"of Release", 4, true},
		{"of Renew, which had no effect", 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, a, b, _ := pair(t)
			p.fail = func(n int) (before, after error) {
				switch {
				case n != c.n:
					return nil, nil
				case c.effect:
					return nil, lost
				}
				return lost, nil
			}
			l := acquire(t, a)
			for i := range 2 {
				if err := l.Renew(context.Background()); err != nil && !errors.Is(err, backend.ErrUnavailable) {
					t.Errorf("Renew %d = %v, want nil or %v", i+1, err, backend.ErrUnavailable)
				}
			}
			refused(t, b)
			if err := l.Release(context.Background()); err != nil {
				if !errors.Is(err, backend.ErrUnavailable) {
					t.Errorf("Release = %v, want nil or %v", err, backend.ErrUnavailable)
				}
				if err := l.Release(context.Background()); err != nil {
					t.Errorf("Release once more = %v", err)
				}
			}
			acquire(t, b)
		})
	}
}

// An Acquire whose write had no effect gets no lease.
func TestAcquireWithoutEffect(t *testing.T) {
	p, a, b, _ := pair(t)
	p.fail = func(n int) (before, after error) {
		if n == 1 {
			return backend.ErrUnavailable, nil
		}
		return nil, nil
	}
	if l, err := a.Acquire(context.Background(), "work"); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Acquire = %v, %v; want %v", l, err, backend.ErrUnavailable)
	}
	acquire(t, b)
}

// A waiting process asks by reading: a write costs twelve times as much in a bucket.
func TestWaitingOnlyReads(t *testing.T) {
	p, a, b, _ := pair(t)
	acquire(t, a)
	refused(t, b)
	puts, gets := p.puts, p.gets
	for range 10 {
		refused(t, b)
	}
	if p.puts != puts || p.gets != gets+10 {
		t.Errorf("10 looks at a held lease take %d writes and %d reads, want 0 and 10", p.puts-puts, p.gets-gets)
	}
}

func TestBackendsThatCannot(t *testing.T) {
	b := &struct{ backend.Backend }{mem.New(nil)} // promises nothing
	if c := lease.New(b, ttl); c != nil {
		t.Errorf("New on a backend without conditions = %v, want nil", c)
	}
	if c := lease.New(mem.New(nil), ttl); c == nil {
		t.Error("New on a backend with leases of its own = nil")
	}
}

func TestCorruptLeaseIsAnError(t *testing.T) {
	p, a, b, _ := pair(t)
	acquire(t, a)
	for info, err := range p.List(context.Background(), lease.Shelf, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Put(context.Background(), info.Key, strings.NewReader("{"), backend.PutOptions{Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if l, err := b.Acquire(context.Background(), "work"); err == nil || errors.Is(err, backend.ErrLocked) {
		t.Errorf("Acquire of a corrupt lease = %v, %v; want an error that nobody waits on", l, err)
	}
}

func TestSweep(t *testing.T) {
	now := time.Now()
	m := mem.New(&mem.Options{Now: func() time.Time { return now }})
	p := &plain{Backend: m}
	c := lease.New(p, ttl)
	now = time.Now().Add(-25 * time.Hour)
	old, err := c.Acquire(context.Background(), "old")
	if err != nil {
		t.Fatal(err)
	}
	now = time.Now().Add(-23 * time.Hour)
	if _, err := c.Acquire(context.Background(), "young"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		opts          backend.SweepOptions
		orphans, kept int
	}{
		{backend.SweepOptions{Grace: 48 * time.Hour}, 0, 2},
		{backend.SweepOptions{Grace: time.Second, DryRun: true}, 1, 1},
		{backend.SweepOptions{}, 1, 1},
		{backend.SweepOptions{}, 0, 1},
	} {
		got, err := lease.Sweep(context.Background(), p, s.opts)
		if err != nil || got.Orphans != s.orphans || got.Kept != s.kept {
			t.Errorf("Sweep(%+v) = %+v, %v; want %d orphans and %d kept", s.opts, got, err, s.orphans, s.kept)
		}
	}
	if err := old.Renew(context.Background()); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("Renew of a lease that was swept = %v, want %v", err, backend.ErrChanged)
	}
}
