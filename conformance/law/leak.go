package law

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// What is left when the work is done.
var leakLaws = []Law{
	{
		Name: "leak/calls", Alone: true, Fn: callsLeak,
		Rule: "Calls, those left early and cancelled ones too, leave no goroutine and no open file behind for each time they are made.",
	},
	{
		Name: "leak/handles", Alone: true, Fn: handlesLeak,
		Rule: "A handle that was closed leaves no goroutine and no open file behind.",
	},
}

// leaks says what grows when work is done many times. What is there once, such as a
// pool's idle connections, is no leak.
func (e *Env) leaks(ctx context.Context, work func() error) error {
	const times = 20
	for range 3 { // pools and caches fill
		if err := work(); err != nil {
			return err
		}
	}
	goroutines, files := runtime.NumGoroutine(), openFiles()
	for range times {
		if err := work(); err != nil {
			return err
		}
	}
	// What ends by itself soon is no leak either.
	limited, cancel := context.WithTimeout(ctx, time.Duration(5*machine.slowness()*float64(time.Second)))
	defer cancel()
	if !eventually(limited, func() bool { return runtime.NumGoroutine() < goroutines+times/2 }) {
		return fmt.Errorf("%d goroutines became %d while the same was done %d times; most often:\n%s",
			goroutines, runtime.NumGoroutine(), times, commonest())
	}
	if !eventually(limited, func() bool { return openFiles() < files+times/2 }) {
		return fmt.Errorf("%d open files became %d while the same was done %d times", files, openFiles(), times)
	}
	return nil
}

// openFiles counts the files, pipes and sockets of this process where the system lists them.
func openFiles() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil {
			return len(entries)
		}
	}
	return 0
}

// commonest returns the stack that most goroutines have.
func commonest() string {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	times, most := map[string]int{}, ""
	for _, s := range stacks {
		_, frames, _ := strings.Cut(s, "\n")
		first, _, _ := strings.Cut(frames, "\n")
		if times[first]++; times[first] > times[most] {
			most = first
		}
	}
	return fmt.Sprintf("%d times %s", times[most], most)
}

func callsLeak(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 12)
	p.fill(keys)
	big := e.key("s", "big")
	text := noise(300_000, 1)
	p.put(big, text)
	return e.leaks(ctx, func() error {
		p.holds(big, text)
		p.put(keys[1], noise(100_000, 1))
		p.b.Put(ctx, e.key("s", "long"), strings.NewReader(text+"x"), filled(text, backend.PutOptions{}))
		p.absent(e.key("s", "absent"))
		body := p.body(big)
		io.ReadFull(body, make([]byte, 10))
		body.Close()
		p.body(big).Close()
		for _, err := range p.b.List(ctx, big.Shelf, backend.ListOptions{}) {
			if err != nil {
				p.failf("List: %w", err)
			}
			break
		}
		for range p.b.Shelves(ctx, backend.ListOptions{}) {
			break
		}
		for range backend.Scan(ctx, p.b, big.Shelf, backend.ListOptions{}) {
			break
		}
		if part, _, err := backend.GetRange(ctx, p.b, big, "", 5, 200_000); err == nil {
			part.Close()
		}
		p.b.Put(ctx, e.key("s", "broken"), failing(text, 200_000), filled(text, backend.PutOptions{}))
		for steps := range 4 {
			c := newCountdown(ctx, steps)
			load(c, p.b, big)
			p.with(c).try(keys[2], text, backend.PutOptions{})
			collect(p.b.List(c, big.Shelf, backend.ListOptions{}))
			c.cancel()
		}
		return p.err
	})
}

func handlesLeak(ctx context.Context, e *Env) error {
	key := e.key("s", "a")
	return e.leaks(ctx, func() error {
		b, err := e.openBriefly(ctx)
		if err != nil {
			return err
		}
		p := &probe{ctx: ctx, b: b}
		p.put(key, noise(100_000, 1))
		p.holds(key, noise(100_000, 1))
		p.list(key.Shelf, backend.ListOptions{})
		p.close()
		return p.err
	})
}
