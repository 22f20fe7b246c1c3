// Package sessiontest has the processes that tests of sessions start: the test's own binary again, with its order in
// the environment. The binary must import the backends of the URLs.
package sessiontest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/session"
)

// Order is what a worker does.
type Order struct {
	Role    string // write, hold, count, update
	URL     string
	Session string        // "" is a name of its own
	TTL     time.Duration // of leases
	N       int
	Flush   int // a flush after so many items; 0: Sync
	Layout  session.Layout
}

// ManagerName is the manager of all workers.
const ManagerName = "workers"

// variable holds the order.
const variable = "LARDER_TEST_SESSION_ORDER"

// Main follows the order in the environment and ends the process, or returns where there is none. Call it first.
func Main() {
	text := os.Getenv(variable)
	if text == "" {
		return
	}
	var o Order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.follow()
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Open opens the manager of all workers.
func (o Order) Open(ctx context.Context) (*session.Manager, func(), error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := larder.Open(ctx, o.URL, &larder.Options{LeaseTTL: o.TTL, Logger: quiet})
	if err != nil {
		return nil, nil, err
	}
	m, err := session.Open(ctx, store, ManagerName, &session.Options{Layout: o.Layout, Logger: quiet})
	return m, func() { store.Close() }, err
}

func (o Order) follow() error {
	ctx := context.Background()
	m, end, err := o.Open(ctx)
	if err != nil {
		return err
	}
	defer end()
	in := bufio.NewScanner(os.Stdin)
	switch o.Role {
	case "write":
		return o.write(ctx, m)
	case "count":
		return o.count(ctx, m)
	case "hold":
		return o.hold(ctx, m, in)
	case "update":
		return o.update(ctx, m, in)
	}
	return fmt.Errorf("no role %q", o.Role)
}

// write puts items and says what was acknowledged: "acknowledged <session> <number of items>".
func (o Order) write(ctx context.Context, m *session.Manager) error {
	s, err := m.Session(ctx, o.Session, &session.SessionOptions{Wait: true, Sync: o.Flush == 0})
	if err != nil {
		return err
	}
	for i := range o.N {
		if err := s.Put(ctx, Key(i), i); err != nil {
			return err
		}
		if o.Flush > 0 && (i+1)%o.Flush == 0 {
			if err := s.Flush(ctx); err != nil {
				return err
			}
		}
		if o.Flush == 0 || (i+1)%o.Flush == 0 {
			fmt.Println("acknowledged", s.Name(), i+1)
		}
	}
	if err := s.Close(ctx); err != nil {
		return err
	}
	fmt.Println("acknowledged", s.Name(), o.N)
	return nil
}

// Key is the key of a writer's item, which is i.
func Key(i int) string { return fmt.Sprintf("item/%06d", i) }

// Counter is the key that all who count increment.
const Counter = "counter"

// count increments the counter.
func (o Order) count(ctx context.Context, m *session.Manager) error {
	s, err := m.LockingSession(ctx, o.Session, nil)
	if err != nil {
		return err
	}
	for range o.N {
		err := session.Update(ctx, s, Counter, func(n int, _ bool) (int, error) { return n + 1, nil })
		if err != nil {
			return err
		}
	}
	return s.Close(ctx)
}

// hold opens a session, puts an item, says so, and after a word puts another over it. It says what became of that.
func (o Order) hold(ctx context.Context, m *session.Manager, in *bufio.Scanner) error {
	s, err := m.Session(ctx, o.Session, &session.SessionOptions{Sync: true, Wait: true})
	if err != nil {
		return err
	}
	if err := s.Put(ctx, "shared", "first"); err != nil {
		return err
	}
	fmt.Println("held")
	in.Scan()
	return tell(s.Put(ctx, "shared", "stale"))
}

// update acquires the lock of a locking session, reads, says so, and after a word writes what it read and more.
func (o Order) update(ctx context.Context, m *session.Manager, in *bufio.Scanner) error {
	s, err := m.LockingSession(ctx, o.Session, nil)
	if err != nil {
		return err
	}
	h, err := s.Acquire(ctx)
	if err != nil {
		return err
	}
	fmt.Println("held")
	in.Scan()
	return tell(h.Put(ctx, "shared", "stale"))
}

func tell(err error) error {
	switch {
	case err == nil:
		fmt.Println("stored")
	case errors.Is(err, session.ErrLost):
		fmt.Println("lost")
	default:
		return err
	}
	return nil
}
