//go:build unix

package sessiontest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/session"
)

// open opens the manager of all workers in this process.
func open(t testing.TB, o Order) *session.Manager {
	t.Helper()
	m, end, err := o.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return m
}

// Counting has processes increment one counter in a locking session: no increment is lost.
func Counting(t *testing.T, o Order, processes int) {
	o.Role, o.Session, o.TTL = "count", "counters", 0 // a lease that is renewed late is no part of this
	m := open(t, o)
	var all []*Process
	for range processes {
		all = append(all, Start(t, o))
	}
	for _, p := range all {
		p.Wait()
	}
	n := 0
	for item, err := range session.Get[int](context.Background(), m, Counter) {
		if err != nil {
			t.Fatal(err)
		}
		n = item.Value
	}
	if want := processes * o.N; n != want {
		t.Errorf("%d processes made %d increments of %d", processes, n, want)
	}
}

// Killing has processes write sessions of their own while two others collate, and kills some of the writers at
// random: what was acknowledged before a collation began is in it, and nothing that was not put ever is.
func Killing(t *testing.T, o Order, processes, kills int) {
	o.Role, o.TTL = "write", 0
	order := rand.Perm(processes)[:kills]
	var writers []*Process
	for i := range processes {
		endless := o
		if slices.Contains(order, i) {
			endless.N = 1 << 30
			writers = append(writers, Start(t, endless))
			continue
		}
		writers = append(writers, Start(t, o))
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer func() {
		close(stop)
		readers.Wait()
		checkKilled(t, o, writers, order)
	}()
	for range 2 {
		m := open(t, o)
		readers.Go(func() {
			for ended := false; !ended; {
				select {
				case <-stop:
					ended = true // once more, when all is over
				default:
				}
				acked := map[string]int{}
				for _, w := range writers {
					if name, n := w.Acknowledged(); name != "" {
						acked[name] = n
					}
				}
				checkCollated(t, m, acked)
			}
		})
	}
	for _, i := range order {
		w := writers[i]
		for n := 0; n < o.N/10; { // it is at work
			select {
			case err := <-w.done:
				w.done <- err
				t.Errorf("a writer ended after %d items: %v", n, err)
				return
			case <-time.After(time.Millisecond):
			}
			_, n = w.Acknowledged()
		}
		w.Kill()
	}
	for i, w := range writers {
		if !slices.Contains(order, i) {
			w.Wait()
		}
	}
}

// checkKilled wants the sessions of the writers that were killed, and of no others, not to be closed.
func checkKilled(t *testing.T, o Order, writers []*Process, order []int) {
	m := open(t, o)
	for i, w := range writers {
		name, _ := w.Acknowledged()
		info, err := m.Info(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		if killed := slices.Contains(order, i); info.Closed == killed {
			t.Errorf("session of a writer that was killed: %v; closed: %v", killed, info.Closed)
		}
	}
}

// checkCollated wants the items of each session to be the first so many, and no fewer than were acknowledged.
func checkCollated(t *testing.T, m *session.Manager, acked map[string]int) {
	found := map[string]int{}
	for item, err := range session.Matching[int](context.Background(), m, session.Prefix("item/")) {
		if err != nil {
			t.Errorf("collate: %v", err)
			return
		}
		if i := found[item.Session]; item.Key != Key(i) || item.Value != i {
			t.Errorf("session %q: item %d is %q = %d", item.Session, i, item.Key, item.Value)
			return
		}
		found[item.Session]++
	}
	for name, n := range acked {
		if found[name] < n {
			t.Errorf("session %q: %d items are collated of %d that were acknowledged", name, found[name], n)
		}
	}
}

// Sleeping stops a process that has a session, or the lock of one, until another has taken it over and written;
// then wakes it: what it writes is refused, and what was written since stays. Where a stopped process keeps what it
// has, keeps says so: then nobody takes it over, and it goes on.
func Sleeping(t *testing.T, o Order, role string, keeps bool) {
	ctx := context.Background()
	o.Role, o.Session = role, "shared "+role
	p := Start(t, o)
	p.Hear("held")
	p.Signal(syscall.SIGSTOP)
	o.TTL = 0 // ours is not to be lost on a busy machine
	m := open(t, o)
	if keeps {
		_, err := m.Session(ctx, o.Session, nil)
		if role == "hold" && !errors.Is(err, larder.ErrLocked) {
			t.Errorf("Session that a stopped process has = %v, want ErrLocked", err)
		}
		p.Signal(syscall.SIGCONT)
		p.Tell()
		p.Hear("stored")
		p.Wait()
		return
	}
	switch role {
	case "hold":
		s, err := m.Session(ctx, o.Session, &session.SessionOptions{Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Put(ctx, "shared", "second"), s.Flush(ctx)); err != nil {
			t.Fatal(err)
		}
		defer s.Close(ctx)
	default:
		s, err := m.LockingSession(ctx, o.Session, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(ctx, "shared", "second"); err != nil {
			t.Fatal(err)
		}
		defer s.Close(ctx)
	}
	p.Signal(syscall.SIGCONT)
	p.Tell()
	p.Hear("lost")
	p.Wait()
	n := 0
	for item, err := range session.Get[string](ctx, m, "shared") {
		if err != nil {
			t.Fatal(err)
		}
		if item.Session != o.Session {
			continue
		}
		if n++; item.Value != "second" {
			t.Errorf("after the sleeper woke the item is %q", item.Value)
		}
	}
	if n != 1 {
		t.Errorf("the item is there %d times", n)
	}
}

// Dying kills a process that has a session: what it acknowledged is there, and another has the session after at most a lease.
func Dying(t *testing.T, o Order, atOnce bool) {
	ctx := context.Background()
	o.Role, o.Session, o.N, o.Flush = "hold", "dying", 10, 0
	p := Start(t, o)
	p.Hear("held")
	p.Kill()
	o.TTL = 0
	s, err := open(t, o).Session(ctx, "dying", &session.SessionOptions{Wait: !atOnce})
	if err != nil {
		t.Fatalf("the session of a dead process: %v", err)
	}
	var got string
	if err := s.Get(ctx, "shared", &got); err != nil || got != "first" {
		t.Errorf("what the dead process stored = %q, %v", got, err)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}
