package larder_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/place"
)

// memo computes 42 for an attribute.
func memo(t testing.TB, s *larder.Store, c larder.Component, attribute string) error {
	t.Helper()
	v, err := larder.Memo(t.Context(), s, c, attribute, func(context.Context) (int, error) { return 42, nil })
	if err == nil && v != 42 {
		t.Errorf("Memo = %d, want 42", v)
	}
	return err
}

// patience bounds waits that only a defect makes long.
const patience = 30 * time.Second

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

func TestMemoComputesOnce(t *testing.T) {
	s := open(t, mem.New(nil))
	var computed atomic.Int64
	for range 3 {
		v, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) ([]float64, error) {
			computed.Add(1)
			return []float64{1, 2}, nil
		})
		if err != nil || !slices.Equal(v, []float64{1, 2}) {
			t.Errorf("Memo = %v, %v", v, err)
		}
	}
	if computed.Load() != 1 {
		t.Errorf("computed %d times, want once", computed.Load())
	}
	if st := s.Stats(); st.Computed != 1 || st.Hits != 2 || st.Misses != 1 || st.Puts != 1 {
		t.Errorf("Stats = %+v; want 1 computed, 2 hits, 1 miss, 1 put", st)
	}
}

// Many callers of one key: one computation, and for each a value that it may change.
func TestMemoOneFlight(t *testing.T) {
	b := newTap()
	s := open(t, b)
	for round := range 50 {
		var computed atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				v, err := larder.Memo(t.Context(), s, fit(round), "x", func(context.Context) ([]float64, error) {
					computed.Add(1)
					runtime.Gosched()
					return []float64{1, 2}, nil
				})
				if err != nil || !slices.Equal(v, []float64{1, 2}) {
					t.Errorf("Memo = %v, %v", v, err)
					return
				}
				v[0], v[1] = -1, -1
			})
		}
		wg.Wait()
		if computed.Load() != 1 {
			t.Fatalf("round %d: computed %d times, want once", round, computed.Load())
		}
	}
}

// What cannot be encoded cannot be copied: then each caller computes a value of its own, rather than share one that
// another may change.
func TestMemoSharesNothing(t *testing.T) {
	type result struct {
		M map[string]int
		F func()
	}
	s := open(t, mem.New(nil))
	const callers = 4
	var computed atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			v, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (result, error) {
				computed.Add(1)
				time.Sleep(10 * time.Millisecond) // the others come
				return result{map[string]int{}, func() {}}, nil
			})
			if err != nil || len(v.M) != 0 {
				t.Errorf("Memo = %v, %v, want a result that nobody changed", v.M, err)
				return
			}
			v.M["mine"] = 1
		})
	}
	wg.Wait()
	if computed.Load() != callers {
		t.Errorf("computed %d times, want once for each caller", computed.Load())
	}
}

// What another process stored, and a third removed before each caller had a copy, is computed anew: a miss is no answer of Memo.
func TestMemoFoundAndGone(t *testing.T) {
	b := newTap()
	s := open(t, b)
	other := open(t, b.Backend)
	const lookups = 2
	b.onGet = func(key backend.Key) error {
		if b.gets.Load() == lookups+2 { // one caller has what the flight found, and the other reads it
			return b.Backend.Delete(t.Context(), key)
		}
		return nil
	}
	var wg sync.WaitGroup
	for range lookups {
		wg.Go(func() {
			v, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (string, error) {
				if b.gets.Load() > lookups {
					return "anew", nil
				}
				for larder.Waiting(s) < lookups {
					time.Sleep(time.Millisecond)
				}
				put(t, other, fit(1), "x", "theirs")
				return "mine", nil
			})
			if v != "theirs" && v != "anew" || err != nil {
				t.Errorf("Memo = %q, %v; want theirs, or what was computed anew", v, err)
			}
		})
	}
	wg.Wait()
}

func TestMemoErrorIsNotStored(t *testing.T) {
	s := open(t, mem.New(nil))
	_, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (int, error) { return 7, errBoom })
	if !errors.Is(err, errBoom) {
		t.Errorf("Memo: %v, want boom", err)
	}
	if ok, err := s.Has(t.Context(), fit(1), "x"); ok || err != nil {
		t.Errorf("Has after a failed computation = %v, %v; want false", ok, err)
	}
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("Memo after a failure: %v", err)
	}
}

// A panic reaches every waiter, and the next call computes again.
func TestMemoPanicReachesEveryWaiter(t *testing.T) {
	s := open(t, mem.New(nil))
	entered, release := make(chan bool, 1), make(chan bool)
	call := func() (panicked any) {
		defer func() { panicked = recover() }()
		larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (int, error) {
			entered <- true
			<-release
			panic(errBoom)
		})
		return nil
	}
	got := make(chan any, 3)
	go func() { got <- call() }()
	await(t, entered, "the computation")
	for range 2 {
		go func() { got <- call() }()
	}
	waitFor(t, func() bool { return larder.Waiting(s) == 3 })
	close(release)
	for range 3 {
		err, _ := await(t, got, "a panic").(error)
		if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "memo_test.go") {
			t.Errorf("a waiter's panic: %v; want boom with the stack of compute", err)
		}
	}
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("Memo after a panic: %v", err)
	}
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what was waited for did not happen")
		}
	}
}

func TestMemoGoexit(t *testing.T) {
	s := open(t, mem.New(nil))
	_, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (int, error) {
		runtime.Goexit()
		return 0, nil
	})
	if err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("Memo of a computation that leaves its goroutine: %v; want an error that says so", err)
	}
}

func TestMemoNests(t *testing.T) {
	s := open(t, mem.New(nil))
	var depth func(ctx context.Context, n int) (int, error)
	depth = func(ctx context.Context, n int) (int, error) {
		return larder.Memo(ctx, s, fit(n), "depth", func(ctx context.Context) (int, error) {
			if n == 0 {
				return 0, nil
			}
			below, err := depth(ctx, n-1)
			return below + 1, err
		})
	}
	if v, err := depth(t.Context(), 100); v != 100 || err != nil {
		t.Errorf("100 nested = %d, %v", v, err)
	}
}

// A computation that asks for its own result gets an error with the whole loop, also if
// the loop is closed by another goroutine's computation.
func TestMemoLoop(t *testing.T) {
	s := open(t, mem.New(nil))
	var own func(ctx context.Context, n int) (int, error)
	own = func(ctx context.Context, n int) (int, error) {
		return larder.Memo(ctx, s, fit(n), "x", func(ctx context.Context) (int, error) { return own(ctx, (n+1)%3) })
	}
	_, err := own(t.Context(), 0)
	if !errors.Is(err, larder.ErrLoop) {
		t.Fatalf("a loop of three: %v, want ErrLoop", err)
	}
	for n := range 3 {
		if name := at(t, s, fit(n), "x").Name; !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not show %s: %v", name, err)
		}
	}

	var both sync.WaitGroup // each has begun before either asks for the other
	both.Add(2)
	results := make(chan error, 2)
	for n := range 2 {
		go func() {
			_, err := larder.Memo(t.Context(), s, fit(10+n), "x", func(ctx context.Context) (int, error) {
				both.Done()
				both.Wait()
				return larder.Memo(ctx, s, fit(10+1-n), "x", func(context.Context) (int, error) { return 0, nil })
			})
			results <- err
		}()
	}
	for range 2 {
		if err := await(t, results, "the end of a loop between two goroutines"); !errors.Is(err, larder.ErrLoop) {
			t.Errorf("a loop between two goroutines: %v, want ErrLoop", err)
		}
	}
}

// compute goes on while anyone waits, and is cancelled when the last one left.
func TestMemoCancel(t *testing.T) {
	s := open(t, mem.New(nil))
	entered, ended := make(chan bool, 1), make(chan error, 1)
	compute := func(ctx context.Context) (int, error) {
		entered <- true
		<-ctx.Done()
		ended <- ctx.Err()
		return 0, ctx.Err()
	}
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancelCause(t.Context())
	results := make(chan error, 2)
	go func() { _, err := larder.Memo(first, s, fit(1), "x", compute); results <- err }()
	await(t, entered, "the computation")
	go func() { _, err := larder.Memo(second, s, fit(1), "x", compute); results <- err }()
	waitFor(t, func() bool { return larder.Waiting(s) == 2 })

	leaveFirst()
	if err := await(t, results, "the first one's return"); !errors.Is(err, context.Canceled) {
		t.Errorf("the call that was cancelled got %v, want context.Canceled", err)
	}
	select {
	case <-ended:
		t.Fatal("compute was cancelled while one still waited")
	case <-time.After(20 * time.Millisecond):
	}
	leaveSecond(errBoom)
	if err := await(t, results, "the second one's return"); !errors.Is(err, errBoom) {
		t.Errorf("the call that was cancelled with a cause got %v, want it", err)
	}
	if err := await(t, ended, "the end of compute"); !errors.Is(err, context.Canceled) {
		t.Errorf("compute's context said %v", err)
	}
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("Memo after an abandoned flight: %v", err)
	}
}

// A result that cannot be stored is returned all the same, and the failure is not silent.
func TestMemoStoreFailure(t *testing.T) {
	var logged bytes.Buffer
	b := newTap()
	b.onPut = func(backend.Key, backend.PutOptions) error { return errBoom }
	s := larder.New(b, &larder.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("Memo: %v", err)
	}
	if s.Stats().StoreFailures != 1 || !strings.Contains(logged.String(), "boom") {
		t.Errorf("failures counted: %d, logged: %q; want 1, and boom", s.Stats().StoreFailures, logged.String())
	}

	v, err := larder.Memo(t.Context(), s, fit(2), "x", func(context.Context) (chan int, error) { return make(chan int, 3), nil })
	if err != nil || cap(v) != 3 {
		t.Errorf("Memo of what no codec takes = %v, %v; want the value", v, err)
	}
}

// A store that does not answer does not stop the work.
func TestMemoUnavailable(t *testing.T) {
	b := newTap()
	b.onGet = func(backend.Key) error { return fmt.Errorf("%w: connection refused", backend.ErrUnavailable) }
	s := open(t, b)
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("Memo with an unavailable store: %v", err)
	}
	b.onGet = func(backend.Key) error { return errBoom }
	if err := memo(t, s, fit(1), "x"); !errors.Is(err, errBoom) {
		t.Errorf("Memo with a broken store: %v, want its error", err)
	}
}

// Who computed second returns what the first one stored, so that all agree.
func TestMemoReturnsWhatIsStored(t *testing.T) {
	b := newTap()
	s := open(t, b)
	other := open(t, b.Backend)
	v, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (string, error) {
		put(t, other, fit(1), "x", "theirs")
		return "mine", nil
	})
	if v != "theirs" || err != nil {
		t.Errorf("Memo = %q, %v; want theirs", v, err)
	}
	// Unless what they stored is corrupt.
	v, err = larder.Memo(t.Context(), s, fit(2), "x", func(context.Context) (string, error) {
		put(t, other, fit(2), "x", "theirs")
		spoil(t, s, b.Backend, fit(2), "x")
		return "mine", nil
	})
	if v != "mine" || err != nil {
		t.Errorf("Memo beside a corrupt value = %q, %v; want mine", v, err)
	}
	if v, err := larder.Get[string](t.Context(), other, fit(2), "x"); v != "mine" || err != nil {
		t.Errorf("the corrupt value was not replaced: Get = %q, %v", v, err)
	}
}

func TestMemoHealsAndRefreshes(t *testing.T) {
	b := mem.New(nil)
	s := open(t, b)
	for i, spoiled := range []bool{false, true} {
		n := 0
		count := func(context.Context) (int, error) { n++; return n, nil }
		get := func(want int, opts ...larder.GetOption) {
			t.Helper()
			if v, err := larder.Memo(t.Context(), s, fit(i), "x", count, opts...); v != want || err != nil {
				t.Errorf("Memo = %d, %v; want %d", v, err, want)
			}
		}
		get(1)
		get(1)
		if spoiled {
			spoil(t, s, b, fit(i), "x")
			get(2)
		} else {
			get(2, larder.MaxAge(0))
		}
		get(2, larder.MaxAge(time.Hour))
	}
	if s.Stats().Healed != 1 {
		t.Errorf("healed %d, want 1", s.Stats().Healed)
	}
}

// apart makes a backend look like a place that processes share, each Store over it
// like one of them; native leases are hidden, so that IfMatch carries them.
func apart() *tap {
	b := newTap()
	b.limits.Lasting, b.limits.Shared = true, true
	return b
}

func TestMemoOnceAmongStores(t *testing.T) {
	b := apart()
	var computed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		s := larder.New(b, &larder.Options{Logger: quiet})
		for n := range 5 {
			wg.Go(func() {
				v, err := larder.Memo(t.Context(), s, fit(n), "x", func(context.Context) (int, error) {
					computed.Add(1)
					time.Sleep(5 * time.Millisecond)
					return n, nil
				})
				if v != n || err != nil {
					t.Errorf("Memo = %d, %v; want %d", v, err, n)
				}
			})
		}
	}
	wg.Wait()
	if computed.Load() != 5 {
		t.Errorf("computed %d times, want once each of 5", computed.Load())
	}
}

// A holder that fell silent is waited for no longer than its lease lasts, and the wait for a live one
// is bounded.
func TestMemoDoesNotWaitForever(t *testing.T) {
	for name, opts := range map[string]*larder.Options{
		"the holder is silent": {Logger: quiet, LeaseTTL: 20 * time.Millisecond},
		"the wait is bounded":  {Logger: quiet, MaxWait: 20 * time.Millisecond},
	} {
		b := apart()
		others := &tap{Backend: b.Backend, limits: b.limits}
		holder := larder.New(b, opts)
		release, entered := make(chan bool), make(chan bool, 1)
		held := make(chan error, 1)
		if opts.LeaseTTL > 0 { // its heartbeats get lost
			b.onPut = func(key backend.Key, o backend.PutOptions) error {
				if key.Shelf == "leases" && o.IfMatch != "" {
					return errBoom
				}
				return nil
			}
		}
		go func() {
			_, err := larder.Memo(t.Context(), holder, fit(1), "x", func(context.Context) (string, error) {
				entered <- true
				<-release
				return "late", nil
			})
			held <- err
		}()
		await(t, entered, "the first computation")
		other := larder.New(others, opts)
		v, err := larder.Memo(t.Context(), other, fit(1), "x", func(context.Context) (string, error) { return "early", nil })
		if v != "early" || err != nil {
			t.Errorf("%s: Memo = %q, %v; want early", name, v, err)
		}
		close(release)
		if err := await(t, held, "the late computation"); err != nil {
			t.Errorf("%s: the late one: %v", name, err)
		}
		if v, _ := larder.Get[string](t.Context(), other, fit(1), "x"); v != "early" {
			t.Errorf("%s: the late result replaced the early one: %q", name, v)
		}
	}
}

func TestMemoRefusesStreams(t *testing.T) {
	s := open(t, mem.New(nil))
	v, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) (io.Reader, error) {
		return strings.NewReader("once"), nil
	})
	if err == nil {
		t.Errorf("Memo of an io.Reader = %v; want an error that says to use Put and Reader", v)
	}
}

// A value that a newer version wrote, by a codec that this one does not have, is no hit, no miss and
// not corrupt: Memo computes, and leaves it as it is.
// A result of another type, as after a change without a new version, is neither returned nor lost, and the error names the remedy.
func TestMemoOfAnotherType(t *testing.T) {
	s := open(t, mem.New(nil))
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Fatal(err)
	}
	_, err := larder.Memo(t.Context(), s, fit(1), "x", func(context.Context) ([]string, error) {
		t.Error("it was computed")
		return nil, nil
	})
	if !errors.Is(err, codec.ErrType) || !strings.Contains(fmt.Sprint(err), "fit, version") || !strings.Contains(fmt.Sprint(err), "give the component a new version") {
		t.Errorf("Memo = %v, want an error that names the component and the remedy", err)
	}
	if err := memo(t, s, fit(1), "x"); err != nil {
		t.Errorf("what was stored before: %v", err)
	}
}

func TestMemoLeavesNewer(t *testing.T) {
	b := mem.New(nil)
	s := open(t, b)
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	id, err := s.Key(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := place.Of(id, "x")
	if err != nil {
		t.Fatal(err)
	}
	body := "of the future"
	digest := sha256.Sum256([]byte(body))
	opts := backend.PutOptions{
		Size: int64(len(body)), Digest: digest, Sum: crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)),
		Meta: backend.Meta{codec.MetaKey: "arrow2"},
	}
	if _, err := b.Put(ctx, key, strings.NewReader(body), opts); err != nil {
		t.Fatal(err)
	}
	if _, err := larder.Get[float64](ctx, s, c, "x"); !errors.Is(err, larder.ErrNewer) || errors.Is(err, larder.ErrNotFound) || !strings.Contains(err.Error(), "arrow2") {
		t.Errorf("Get = %v, want ErrNewer that names the codec", err)
	}
	for range 2 {
		v, err := larder.Memo(ctx, s, c, "x", func(context.Context) (float64, error) { return 12.5, nil })
		if v != 12.5 || err != nil {
			t.Errorf("Memo = %v, %v; want it computed", v, err)
		}
	}
	if info, err := b.Stat(ctx, key); err != nil || info.Digest != digest {
		t.Errorf("what a newer version wrote: %+v, %v; want it untouched", info, err)
	}
	if n := s.Stats().StoreFailures; n != 2 {
		t.Errorf("%d results not stored are counted, want 2", n)
	}
}
