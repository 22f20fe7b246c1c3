package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// held opens a store whose next commit, once armed, tells reached and waits for release.
type held struct {
	dir     string
	b       *shelve.Backend
	armed   atomic.Bool
	commits atomic.Int32
	reached chan struct{}
	release chan struct{}
}

func openHeld(t *testing.T) *held {
	t.Helper()
	h := &held{dir: t.TempDir(), reached: make(chan struct{}), release: make(chan struct{})}
	h.b = open(t, h.dir, shelve.WithHook(shelve.Options{}, func(step, path string) error {
		if step != "before commit" {
			return nil
		}
		h.commits.Add(1)
		if h.armed.CompareAndSwap(true, false) {
			h.reached <- struct{}{}
			<-h.release
		}
		return nil
	}))
	mustPut(t, h.b, cache("first"), nil)
	h.commits.Store(0)
	h.armed.Store(true)
	return h
}

// waitFor waits until f is true.
func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for begin := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s never happens", what)
		}
	}
}

// TestCancelInGroup: a request that is cancelled while its group is being committed returns, and the
// group goes on; one that is cancelled before is not stored and leaves nothing behind.
func TestCancelInGroup(t *testing.T) {
	h := openHeld(t)
	v := value("v", large)
	start := func(name string) (cancel func(), result chan error) {
		ctx, cancel := context.WithCancel(context.Background())
		result = make(chan error, 1)
		go func() {
			_, err := h.b.Put(ctx, cache(name), bytes.NewReader(v), options(v))
			result <- err
		}()
		return cancel, result
	}
	cancelA, resultA := start("committing")
	<-h.reached
	cancelB, resultB := start("queued")
	waitFor(t, "the second upload", func() bool { return len(dataFiles(t, h.dir)) == 2 })
	cancelB()
	if err := <-resultB; !errors.Is(err, context.Canceled) {
		t.Errorf("queued put: %v, want %v", err, context.Canceled)
	}
	if files := dataFiles(t, h.dir); len(files) > 2 || len(files) == 0 {
		t.Errorf("value files: %v", files)
	}
	cancelA()
	if err := <-resultA; !errors.Is(err, context.Canceled) {
		t.Errorf("put in the group: %v, want %v", err, context.Canceled)
	}
	close(h.release)
	waitFor(t, "the commit", func() bool {
		_, _, err := get(h.b, cache("committing"))
		return err == nil
	})
	h.b.Close()
	checkSwept(t, h.dir, len(h.names(t))-1)
}

// names returns the names on the shelf cache.
func (h *held) names(t *testing.T) (names []string) {
	t.Helper()
	b := open(t, h.dir, nil)
	defer b.Close()
	for info, err := range b.List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Key.Name)
	}
	return names
}

// TestGroup: requests that come during a commit share the next one, each with a condition of
// its own; and conditions that all fail cost no commit.
func TestGroup(t *testing.T) {
	h := openHeld(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	wg.Go(func() { mustPut(t, h.b, cache("holds"), nil) })
	<-h.reached
	var winners atomic.Int32
	const n = 60
	for i := range n {
		wg.Go(func() {
			key, v := cache(fmt.Sprint("k", i)), fmt.Appendf(nil, "v%d", i)
			if err := put(h.b, key, v); err != nil {
				t.Error(err)
			}
			if got, _, err := get(h.b, key); err != nil || !bytes.Equal(got, v) {
				t.Errorf("get %q = %q, %v, want %q", key, got, err, v)
			}
		})
		wg.Go(func() {
			o := options(nil)
			o.IfAbsent = true
			switch _, err := h.b.Put(ctx, cache("race"), bytes.NewReader(nil), o); {
			case err == nil:
				winners.Add(1)
			case !errors.Is(err, backend.ErrExists):
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // for most of them to queue
	close(h.release)
	wg.Wait()
	if got := h.commits.Load(); got > n/4 {
		t.Errorf("%d puts at the same time took %d commits", 2*n+1, got)
	}
	if got := winners.Load(); got != 1 {
		t.Errorf("%d puts if absent succeeded, want 1", got)
	}

	h.commits.Store(0)
	o := options(nil)
	o.IfAbsent = true
	if _, err := h.b.Put(ctx, cache("race"), bytes.NewReader(nil), o); !errors.Is(err, backend.ErrExists) {
		t.Errorf("put if absent: %v, want %v", err, backend.ErrExists)
	}
	o = options(nil)
	o.IfMatch = "another"
	if _, err := h.b.Put(ctx, cache("race"), bytes.NewReader(nil), o); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("put if match: %v, want %v", err, backend.ErrChanged)
	}
	if err := h.b.Delete(ctx, cache("absent")); err != nil {
		t.Error(err)
	}
	if err := h.b.Delete(ctx, backend.Key{Shelf: "absent", Name: "k"}); err != nil {
		t.Error(err)
	}
	if got := h.commits.Load(); got != 0 {
		t.Errorf("what changed nothing took %d commits", got)
	}
}

// TestBatchOneCommit: a value with its description is one commit, another shelf one more.
func TestBatchOneCommit(t *testing.T) {
	h := openHeld(t)
	h.armed.Store(false)
	var items []backend.Item
	for i := range 300 {
		shelf := []string{backend.ShelfCache, backend.ShelfComponents, "run"}[i%3]
		v := fmt.Appendf(nil, "v%d", i)
		items = append(items, backend.Item{
			Key:  backend.Key{Shelf: shelf, Name: fmt.Sprint("k", 1000-i)},
			Body: bytes.NewReader(v), PutOptions: options(v),
		})
	}
	infos, err := h.b.PutBatch(context.Background(), items)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.commits.Load(); got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
	for i, it := range items {
		if _, info, err := get(h.b, it.Key); err != nil || info.Version != infos[i].Version {
			t.Errorf("get %q: version %q, %v, want %q", it.Key, info.Version, err, infos[i].Version)
		}
	}
}
