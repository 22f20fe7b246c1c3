package stage_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/stage"
)

// The same stage asked for by many at once, each with a handle of its own as processes have:
// one runs it, and all get what it made.
func TestOneRunForMany(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Join(p.dir, "store")
	results := make([]result, 4)
	var group sync.WaitGroup
	for i := range results {
		b, err := shelve.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		q := &place{t, t.TempDir(), larder.New(b, silent)}
		defer q.store.Close()
		s := &stage.Stage{Version: "1", Args: []string{"sh", "-c", "echo run >>$RUNS; sleep 0.2; echo made | tee o"}, Outputs: []string{"o"}, Dir: q.dir}
		t.Setenv("RUNS", filepath.Join(p.dir, "runs"))
		group.Go(func() {
			var err error
			if results[i], err = q.try(s); err != nil {
				t.Error(err)
			}
			if q.read("o") != "made\n" {
				t.Errorf("output %q", q.read("o"))
			}
		})
	}
	group.Wait()
	hits := 0
	for _, r := range results {
		if r.Hit {
			hits++
		}
		if r.Waited != r.Hit {
			t.Errorf("hit %v, waited %v; want the same", r.Hit, r.Waited)
		}
		if r.stdout != "made\n" {
			t.Errorf("stdout %q", r.stdout)
		}
	}
	if p.runs() != 1 || hits != len(results)-1 {
		t.Errorf("%d runs and %d hits, want 1 and %d", p.runs(), hits, len(results)-1)
	}
}

// Runs that race without knowing of each other are kept whole, one of them.
func TestRacingRunsNeverMix(t *testing.T) {
	p := newPlace(t)
	p.store = larder.New(mem.New(nil), &larder.Options{NoLease: true})
	var kept atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		q := &place{t, t.TempDir(), p.store}
		group.Go(func() {
			// every run makes its own number, three times
			s := &stage.Stage{Version: "1", Args: []string{"sh", "-c", "echo $$ | tee a b"}, Outputs: []string{"a", "b"}, Dir: q.dir}
			first, err := q.try(s)
			if err != nil {
				t.Error(err)
			}
			if !first.Hit && !first.Late {
				kept.Add(1)
			}
			if got := q.run(s); !got.Hit || got.stdout != q.read("a") || got.stdout != q.read("b") {
				t.Errorf("hit %v: stdout %q, a %q, b %q; want three times the same", got.Hit, got.stdout, q.read("a"), q.read("b"))
			}
		})
	}
	group.Wait()
	if kept.Load() != 1 {
		t.Errorf("%d runs say that they were kept, want 1", kept.Load())
	}
}

func TestInterrupt(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		exit   int
	}{
		"dies of it":                       {"touch started; exec sleep 60", 128 + int(syscall.SIGTERM)},
		"ends in peace":                    {"trap 'exit 0' TERM; touch started o; while :; do sleep 0.01; done", 0},
		"leaves one that holds its output": {"sleep 60 & echo $! >pid; touch started; wait", 128 + int(syscall.SIGTERM)},
	} {
		p := newPlace(t)
		p.write("o", "old")
		s := p.shell(tc.script, "o")
		signals := make(chan os.Signal, 1)
		go func() {
			for p.read("started") == "absent" {
				time.Sleep(time.Millisecond)
			}
			signals <- syscall.SIGTERM
		}()
		got := p.run(s, func(o *stage.Options) { o.Signals = signals })
		if pid, err := strconv.Atoi(strings.TrimSpace(p.read("pid"))); err == nil {
			if left, err := os.FindProcess(pid); err == nil {
				left.Kill()
			}
		}
		if got.Exit != tc.exit || got.NotKept == "" {
			t.Errorf("%s: %+v, want exit %d and not kept", name, got.Outcome, tc.exit)
		}
		if o, err := s.Lookup(context.Background(), stage.Options{Store: p.store}); err != nil || o.Hit {
			t.Errorf("%s: Lookup = %+v, %v; want a miss", name, o, err)
		}
	}
}

func TestEndOfContextKillsTheCommand(t *testing.T) {
	p := newPlace(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for p.read("started") == "absent" {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	var out bytes.Buffer
	got, err := p.shell("touch started; exec sleep 60").Run(ctx, stage.Options{Store: p.store, Stdout: &out, Stderr: &out})
	if err != nil || got.NotKept == "" || got.Exit != 128+int(syscall.SIGKILL) {
		t.Errorf("Run = %+v, %v; want it killed and not kept", got, err)
	}
}
