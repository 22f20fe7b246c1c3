//go:build unix

package sql_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/pgtest"
)

func init() {
	backend.Register("faulty", func(ctx context.Context, u *url.URL, _ *backend.Params) (backend.Backend, error) {
		b, err := backend.Open(ctx, "file://"+u.Path)
		return &faulty{Backend: b}, err
	})
}

var errBucket = errors.New("the bucket fails")

// faulty is a bucket that fails at one call, before or after its effect.
type faulty struct{ backend.Backend }

var plan struct {
	mu    sync.Mutex // guards the rest
	calls int
	at    int
	after bool
}

// step counts a call, and tells how it fails.
func step() (before, after error) {
	plan.mu.Lock()
	defer plan.mu.Unlock()
	plan.calls++
	switch {
	case plan.calls != plan.at:
		return nil, nil
	case plan.after:
		return nil, errBucket
	}
	return errBucket, nil
}

func (f *faulty) Limits() backend.Limits { return backend.LimitsOf(f.Backend) }

func (f *faulty) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	before, after := step()
	if err := errors.Join(before, after); err != nil {
		return nil, backend.Info{}, err
	}
	return f.Backend.Get(ctx, key)
}

func (f *faulty) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	before, after := step()
	if before != nil {
		return backend.Info{}, before
	}
	info, err := f.Backend.Put(ctx, key, body, opts)
	return info, errors.Join(err, after)
}

func (f *faulty) Delete(ctx context.Context, key backend.Key) error {
	before, after := step()
	if before != nil {
		return before
	}
	return errors.Join(f.Backend.Delete(ctx, key), after)
}

// The bucket fails at each call of each operation, before its effect and after it. What was acknowledged is there,
// what failed left the old value, and what nobody names goes.
func TestBucketFails(t *testing.T) {
	server := pgtest.URL(t)
	fail := func(at int, after bool) {
		plan.mu.Lock()
		defer plan.mu.Unlock()
		plan.calls, plan.at, plan.after = 0, at, after
	}
	for _, op := range append(operations(), operation{name: "sweep", after: old, do: func(b backend.Backend, _ string) error {
		_, err := backend.Sweep(context.Background(), b, backend.SweepOptions{Grace: 1})
		return err
	}}) {
		calls := 0
		for at := 0; at <= calls; at++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d after %v", op.name, at, after), func(t *testing.T) {
					fail(0, false)
					loc := strings.Replace(place(t, server), "data=file", "data=faulty", 1)
					b := open(t, loc)
					mustPut(t, b, theKey, text(largeSize, 8)) // to be replaced, and swept
					version := mustPut(t, b, theKey, old).Version
					fail(at, after)
					err := op.do(b, version)
					plan.mu.Lock()
					calls = max(calls, plan.calls)
					plan.mu.Unlock()
					fail(0, false)
					if at == 0 && !errors.Is(err, op.fails) {
						t.Fatalf("error = %v, want %v", err, op.fails)
					}
					got := get(t, b, theKey)
					switch {
					case err == nil && got != op.after:
						t.Errorf("acknowledged, and then the key holds %.8q, want %.8q", got, op.after)
					case got != old && got != op.after:
						t.Errorf("the key holds %.8q, want %.8q or %.8q", got, old, op.after)
					}
					expire(t, loc)
					swept(t, loc, "s")
				})
			}
		}
		if calls == 0 && strings.Contains(op.name, "large") && op.fails == nil {
			t.Errorf("%s: the bucket was not asked for anything", op.name)
		}
	}
}

// victim tells a helper process which operation to do, and where.
const victim = "LARDER_TEST_VICTIM"

// The client is killed at each of its turns, before the server hears of it and after it has done it. The new value is there
// wholly or not at all, and what nobody names goes.
func TestKilledClients(t *testing.T) {
	if asked := os.Getenv(victim); asked != "" {
		name, rest, _ := strings.Cut(asked, "|")
		version, loc, _ := strings.Cut(rest, "|")
		b, err := openURL(context.Background(), loc)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for _, op := range operations() {
			if op.name == name {
				_ = op.do(b, version)
			}
		}
		b.Close()
		os.Exit(0)
	}
	c := pgtest.Shared(t)
	proxy := pgtest.NewProxy(t, c)
	for _, op := range operations() {
		if op.name != "large if match" && op.name != "batch" { // those have all the steps there are
			continue
		}
		turns := 1
		for turn := 0; turn <= turns; turn++ {
			for _, how := range []pgtest.Cut{pgtest.Before, pgtest.After} {
				t.Run(fmt.Sprintf("%s/%d %s", op.name, turn, how), func(t *testing.T) {
					loc, version := prepare(t, c.URL())
					cmd := exec.Command(os.Args[0], "-test.run=^TestKilledClients$")
					cmd.Env = append(os.Environ(), victim+"="+op.name+"|"+version+"|"+moved(t, loc, proxy.URL))
					started := make(chan struct{})
					proxy.Cut(func(n int) pgtest.Cut {
						if n == turn {
							return how
						}
						return pgtest.None
					}, func() {
						<-started
						_ = cmd.Process.Signal(syscall.SIGKILL)
					})
					var out bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &out
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					close(started)
					err := cmd.Wait()
					if turn == 0 {
						turns = proxy.Turns()
						if err != nil {
							t.Fatalf("the helper fails: %v: %s", err, &out)
						}
					}
					proxy.Cut(nil, nil)
					switch got := get(t, open(t, loc), theKey); {
					case turn == 0 && got != op.after:
						t.Errorf("the key holds %.8q, want %.8q", got, op.after)
					case got != old && got != op.after:
						t.Errorf("the key holds %.8q, want %.8q or %.8q", got, old, op.after)
					}
					expire(t, loc)
					swept(t, loc, "s")
				})
			}
		}
		if turns < 2 {
			t.Errorf("%s takes %d turns", op.name, turns)
		}
	}
}
