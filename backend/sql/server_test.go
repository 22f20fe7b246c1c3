//go:build unix

package sql_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/pgtest"
)

// The server dies and comes back, again and again, under writers: what was acknowledged is there, and the data is
// that of the entries.
func TestServerDiesUnderWriters(t *testing.T) {
	c := pgtest.New(t)
	loc := place(t, c.URL())
	b := open(t, loc)
	mustPut(t, b, theKey, old)
	const writers, rounds = 4, 2
	type write struct {
		key   backend.Key
		value string
	}
	var mu sync.Mutex
	var acknowledged []write
	wrote := make(chan struct{}, 1000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				size := smallSize
				if i%4 == 0 {
					size = largeSize / 2
				}
				wr := write{backend.Key{Shelf: "s", Name: fmt.Sprintf("w%d-%d", w, i)}, text(size, i)}
				_, err := put(b, wr.key, wr.value, backend.PutOptions{IfAbsent: i%2 == 0})
				switch {
				case err == nil:
					mu.Lock()
					acknowledged = append(acknowledged, wr)
					mu.Unlock()
					select {
					case wrote <- struct{}{}:
					default:
					}
				case !errors.Is(err, backend.ErrUnavailable):
					t.Errorf("Put(%v): %v, want %v", wr.key, err, backend.ErrUnavailable)
				}
			}
		})
	}
	for range rounds {
		for range 40 {
			<-wrote
		}
		c.Stop(true)
		if err := c.Start(); err != nil {
			close(stop)
			t.Fatal(err)
		}
	}
	for range 40 {
		<-wrote
	}
	close(stop)
	wg.Wait()
	for _, wr := range acknowledged {
		if got := get(t, b, wr.key); got != wr.value {
			t.Errorf("%v was acknowledged, and holds %.16q, want %.16q", wr.key, got, wr.value)
		}
	}
	expire(t, loc)
	swept(t, loc, "s")
}

// Calls wait for a server that is away, as long as they are told to.
func TestServerAway(t *testing.T) {
	c := pgtest.New(t)
	loc := place(t, c.URL())
	patient, hasty := open(t, loc), open(t, pgtest.With(loc, "timeout", "150ms"))
	mustPut(t, patient, theKey, old)
	get(t, hasty, theKey)
	c.Stop(true)
	_, err := hasty.Stat(context.Background(), theKey)
	if !errors.Is(err, backend.ErrUnavailable) || !backend.Retryable(err) {
		t.Errorf("Stat = %v, want %v", err, backend.ErrUnavailable)
	}
	if _, err := put(hasty, theKey, old, backend.PutOptions{}); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Put = %v, want %v", err, backend.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := patient.Stat(ctx, theKey); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stat with a context that ends = %v, want %v", err, context.DeadlineExceeded)
	}
	got := make(chan string)
	go func() {
		_, err := patient.Stat(context.Background(), theKey)
		got <- fmt.Sprint(err)
	}()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "<nil>" {
		t.Errorf("Stat across the absence of the server = %s", text)
	}
	mustPut(t, hasty, otherKey, old) // and the pool is whole
}

// A server that takes connections and never answers, as one that is stopped or behind a network that swallows everything:
// calls without a deadline of their own fail all the same, a statement that only takes long does not.
func TestSilentServer(t *testing.T) {
	c := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, c)
	loc, _ := prepare(t, c.URL())
	impatient := pgtest.With(moved(t, loc, proxy.URL), "timeout", "200ms")
	b := open(t, pgtest.With(impatient, "connect_timeout", "3"))
	// On a busy machine a server that answers may be taken for a silent one within these times.
	heard := func(t *testing.T, what string, call func() error) {
		t.Helper()
		err := call()
		for end := time.Now().Add(time.Minute); errors.Is(err, backend.ErrUnavailable) && time.Now().Before(end); err = call() {
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%s, where the server answers: %v", what, err)
		}
	}
	looks := func() error { _, err := b.Stat(context.Background(), theKey); return err }
	heard(t, "a look", looks)

	t.Run("slow", func(t *testing.T) {
		b := open(t, impatient)
		conn, schema := connect(t, loc)
		tx, err := conn.Begin(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(context.Background(), "SELECT FROM "+schema+".entries FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		time.AfterFunc(time.Second, func() { ended <- tx.Rollback(context.Background()) })
		mustPut(t, b, theKey, "waited for a lock")
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for name, call := range map[string]func() error{
		"get": func() error { _, _, err := b.Get(context.Background(), theKey); return err },
		"put": func() error { _, err := put(b, theKey, "lost", backend.PutOptions{}); return err },
		"list": func() error {
			for _, err := range b.List(context.Background(), "s", backend.ListOptions{}) {
				return err
			}
			return nil
		},
		"open": func() error {
			_, err := openURL(context.Background(), pgtest.With(pgtest.With(proxy.URL, "timeout", "200ms"), "connect_timeout", "3"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "open" {
				heard(t, "a look before", looks) // the connection is there
			}
			end := proxy.Silence()
			defer end()
			if err := call(); !errors.Is(err, backend.ErrUnavailable) {
				t.Errorf("%s = %v, want %v", name, err, backend.ErrUnavailable)
			}
		})
	}
	heard(t, "a put", func() error { _, err := put(b, theKey, "heard again", backend.PutOptions{}); return err })
}

// A handle that is closed while its calls wait for the server ends them.
func TestCloseWhileAway(t *testing.T) {
	c := pgtest.New(t)
	b := open(t, place(t, c.URL()))
	c.Stop(true)
	got := make(chan error)
	go func() {
		_, err := b.Stat(context.Background(), theKey)
		got <- err
	}()
	time.Sleep(50 * time.Millisecond) // the call has begun, or comes after Close: it fails either way
	b.Close()
	if err := <-got; !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Stat = %v, want %v", err, backend.ErrClosed)
	}
}

// The server's own limits end a statement, not the pool.
func TestStatementTimeout(t *testing.T) {
	loc, _ := prepare(t, pgtest.URL(t))
	b := open(t, pgtest.With(pgtest.With(loc, "statement_timeout", "100"), "pool_max_conns", "1"))
	conn, schema := connect(t, loc)
	tx, err := conn.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), "SELECT FROM "+schema+".entries FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := put(b, theKey, "new", backend.PutOptions{}); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "statement_timeout") {
		t.Errorf("Put = %v, want %v and advice", err, backend.ErrUnavailable)
	}
	if got := get(t, b, theKey); got != old {
		t.Errorf("the key holds %.8q, want the old value", got)
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, theKey, "new")
}

// Behind PgBouncer, which gives each transaction a connection of its own and knows no prepared statements; and with a
// pool of one connection, which is enough for everything.
func TestConformanceBehindPgBouncer(t *testing.T) {
	bouncer := pgtest.Bouncer(t, pgtest.Shared(t), 4)
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return pgtest.With(place(t, bouncer), "pool_max_conns", "1") },
		Open:  openURL,
		Quick: true,
		Skip:  map[string]string{"cancel/steps": "each step takes 100 ms here, and cancel/any-time is tried"},
	})
}

// Without data, values are kept in rows, up to a limit.
func TestConformanceAlone(t *testing.T) {
	server := pgtest.URL(t)
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return alone(t, server) },
		Open:  openURL,
		Quick: true,
		Skip:  map[string]string{"history/linear": "tried with data", "cancel/steps": "tried with data"},
	})
}

// migrator is what a helper process does: it opens a place.
const migrator = "LARDER_TEST_MIGRATE"

// Any number of processes may find that there is no store yet: they make one, and all of them use it.
func TestManyProcessesMigrate(t *testing.T) {
	if loc := os.Getenv(migrator); loc != "" {
		b, err := openURL(context.Background(), loc)
		if err == nil {
			_, err = put(b, backend.Key{Shelf: "s", Name: fmt.Sprint("p", os.Getpid())}, "here", backend.PutOptions{})
			b.Close()
		}
		if err != nil {
			fmt.Println("FAILED:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	c := pgtest.Shared(t)
	for name, server := range map[string]string{"direct": c.URL(), "bouncer": pgtest.Bouncer(t, c, 2)} {
		t.Run(name, func(t *testing.T) {
			const processes = 20
			loc := place(t, server)
			var wg sync.WaitGroup
			for range processes {
				wg.Go(func() {
					cmd := exec.Command(os.Args[0], "-test.run=^TestManyProcessesMigrate$")
					cmd.Env = append(os.Environ(), migrator+"="+loc)
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
			wg.Wait()
			n := 0
			for _, err := range open(t, loc).List(context.Background(), "s", backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != processes {
				t.Errorf("%d processes stored a value, want %d", n, processes)
			}
		})
	}
}
