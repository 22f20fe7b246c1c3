package evict_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// order is what a process of a test is to do.
type order struct {
	Do      string // put, gc, or hang: a gc that stops for ever after its first batch
	URL     string
	Seed    int
	Puts    int
	Size    int
	MaxSize int64
}

// variable has the order of a process.
const variable = "LARDER_EVICT_TEST"

// patience is for how long a process is waited for. Nothing is judged by it but a hang.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	text := os.Getenv(variable)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := o.run(ctx); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

var quiet = &larder.Options{Logger: slog.New(slog.DiscardHandler)}

func (o order) run(ctx context.Context) error {
	store, err := larder.Open(ctx, o.URL, quiet)
	if err != nil {
		return err
	}
	defer store.Close()
	switch o.Do {
	case "put":
		return o.put(ctx, store)
	case "gc":
		return gc(ctx, store, o.MaxSize)
	case "hang":
		store = larder.New(&hanging{Backend: store.Backend()}, quiet)
		return gc(ctx, store, o.MaxSize)
	}
	return fmt.Errorf("there is nothing to do like %q", o.Do)
}

func gc(ctx context.Context, store *larder.Store, maxSize int64) error {
	plan, err := catalog.PlanEviction(ctx, store, catalog.Policy{MaxSize: maxSize})
	if err != nil {
		return err
	}
	_, err = catalog.Evict(ctx, store, plan)
	return err
}

// put stores values, and reads such as others may have stored: each is right, or a miss.
func (o order) put(ctx context.Context, store *larder.Store) error {
	for i := range o.Puts {
		n := o.Seed*1_000_000 + i
		if _, err := store.Put(ctx, numbered(n), "x", valueOf(n, o.Size)); err != nil {
			return err
		}
		n = (1+rand.N(3))*1_000_000 + rand.N(o.Puts)
		if err := right(ctx, store, n, o.Size); err != nil && !errors.Is(err, larder.ErrNotFound) {
			return err
		}
	}
	return nil
}

// numbered returns a component that is known by a digest.
func numbered(n int) component.Component {
	digest := sha256.Sum256(fmt.Append(nil, n))
	return component.Ref(hex.EncodeToString(digest[:]))
}

func valueOf(n, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, "value", n)))
	_, _ = r.Read(b)
	return b
}

// right reads a value, which must be what was stored.
func right(ctx context.Context, store *larder.Store, n, size int) error {
	got, err := larder.Get[[]byte](ctx, store, numbered(n), "x")
	if err == nil && string(got) != string(valueOf(n, size)) {
		return fmt.Errorf("value %d is wrong", n)
	}
	return err
}

// hanging is a backend that says so when it has deleted its first batch, and deletes no second one.
type hanging struct {
	backend.Backend
	batches int
}

func (h *hanging) DeleteMatch(ctx context.Context, seen []backend.Seen) error {
	if h.batches++; h.batches > 1 {
		fmt.Println("hanging")
		<-ctx.Done()
		return ctx.Err()
	}
	return backend.DeleteMatch(ctx, h.Backend, seen)
}

// Unwrap makes its other abilities found.
func (h *hanging) Unwrap() backend.Backend { return h.Backend }

// process is one that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
}

func start(t *testing.T, o order) *process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), variable+"="+string(text), "GORACE=atexit_sleep_ms=10")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// end waits for the end of a process that must succeed.
func (p *process) end() {
	p.t.Helper()
	_, _ = io.Copy(io.Discard, p.out)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s: %v", p.cmd.Env[len(p.cmd.Env)-2], err)
	}
}

// kill kills it.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
}
