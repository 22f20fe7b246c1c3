package tier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

type flusher interface{ Flush(context.Context) error }

// blocked is a far store whose first write hangs until it is let go.
type blocked struct {
	*away
	started, let chan struct{}
	once         atomic.Bool
}

func newBlocked() *blocked {
	return &blocked{away: newAway(), started: make(chan struct{}), let: make(chan struct{})}
}

func (f *blocked) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if f.once.CompareAndSwap(false, true) {
		close(f.started)
		select {
		case <-f.let:
		case <-ctx.Done():
			return backend.Info{}, ctx.Err()
		}
	}
	return f.away.Put(ctx, key, body, opts)
}

func openNear(t testing.TB, near string, far backend.Backend, opts tier.Options) backend.Backend {
	t.Helper()
	n, err := backend.Open(context.Background(), near)
	if err != nil {
		t.Fatal(err)
	}
	opts.Write = tier.Back
	b, err := tier.Open(context.Background(), n, far, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// One handle sends at a time, on every kind of near store.
func TestOneSends(t *testing.T) {
	for _, near := range []string{"shelve://", "file://"} {
		t.Run(near, func(t *testing.T) {
			near += filepath.ToSlash(t.TempDir())
			far := newBlocked()
			a := openNear(t, near, far, tier.Options{})
			put(t, a, "a", "1")
			<-far.started
			for _, b := range []backend.Backend{openNear(t, near, far, tier.Options{}), a} {
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				if err := b.(flusher).Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Flush while another handle sends = %v, want %v", err, context.DeadlineExceeded)
				}
				cancel()
			}
			wants(t, far.Backend, "a", "")
			close(far.let)
			flush(t, a)
			wants(t, far.Backend, "a", "1")
		})
	}
}

// acquiring counts the attempts to take a lease.
type acquiring struct {
	backend.Backend
	backend.Leaser
	backend.MatchDeleter
	n atomic.Int64
}

func (a *acquiring) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	a.n.Add(1)
	return a.Leaser.Acquire(ctx, name, ttl)
}

func (a *acquiring) Limits() backend.Limits { return backend.LimitsOf(a.Backend) }

// A Put that waits for room while another handle sends does not ask all the time.
func TestFullWhileAnotherSends(t *testing.T) {
	far := newBlocked()
	a, near := pairOf(t, far, tier.Options{Write: tier.Back})
	put(t, a, "a", value(1, 8000))
	<-far.started
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	count := &acquiring{Backend: n, Leaser: n, MatchDeleter: n}
	b, err := tier.Open(context.Background(), count, far, &tier.Options{Write: tier.Back, Queue: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		_, err := backend.PutBytes(context.Background(), b, key("b"), []byte(value(2, 8000)), backend.PutOptions{})
		done <- err
	}()
	time.Sleep(time.Second)
	if n := count.n.Load(); n > 50 {
		t.Errorf("the lease is asked for %d times in a second", n)
	}
	close(far.let)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func pairOf(t testing.TB, far backend.Backend, opts tier.Options) (backend.Backend, string) {
	t.Helper()
	near := t.TempDir()
	return over(t, near, far, opts), near
}

// The queue is bounded for processes that come and go, too, which have not yet asked the far store in vain.
func TestQueueOfManyHandles(t *testing.T) {
	far := newAway()
	far.gone.Store(true)
	b, near := pair(t, far, tier.Options{Write: tier.Back, Queue: 20_000, Drain: -1})
	stored, refused := 0, 0
	for i := range 10 {
		b.Close()
		b = over(t, near, far, tier.Options{Write: tier.Back, Queue: 20_000, Drain: -1})
		_, err := backend.PutBytes(context.Background(), b, key(fmt.Sprint(i)), []byte(value(i, 8000)), backend.PutOptions{})
		switch {
		case err == nil:
			stored++
		case errors.Is(err, backend.ErrUnavailable):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if stored > 2 || refused == 0 {
		t.Errorf("%d values of 8,000 bytes wait, queue= allows 20,000", stored)
	}
}

// damage spoils what the near store in dir has on one of its own shelves, but for the names that are spared.
func damage(t *testing.T, dir, shelf string, spare func(name string) bool) {
	t.Helper()
	spoiled := 0
	files, err := filepath.Glob(filepath.Join(dir, "shelves", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket([]byte(shelf))
			if bucket == nil {
				return nil
			}
			return bucket.ForEach(func(name, record []byte) error {
				if spare(string(name)) {
					return nil
				}
				record = bytes.Clone(record)
				record[20]++
				spoiled++
				return bucket.Put(name, record)
			})
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(filepath.Join(dir, shelf), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || spare(e.Name()) {
			return nil
		}
		spoiled++
		return os.Truncate(path, 10)
	})
	if err != nil || spoiled == 0 {
		t.Fatalf("%d records were spoiled, %v", spoiled, err)
	}
}

func noneSpared(string) bool { return false }

// A key whose doubt cannot be read is in doubt, and others are sent.
func TestDamagedDoubt(t *testing.T) {
	for _, scheme := range []string{"shelve", "file"} {
		t.Run(scheme, func(t *testing.T) {
			dir := t.TempDir()
			near := scheme + "://" + filepath.ToSlash(dir)
			far := &slow{away: newAway(), kept: make(chan func(), 1)}
			b := openNear(t, near, far, tier.Options{})
			putA(1)(t, b)
			late := <-far.kept
			putA(2)(t, b)
			for b.(flusher).Flush(context.Background()) != nil {
			}
			b.Close()
			damage(t, dir, "larder.tier.doubt", noneSpared)
			b = openNear(t, near, far, tier.Options{})
			put(t, b, "b", "1")
			flush(t, b)
			wants(t, far.Backend, "b", "1")
			late()
			wants(t, b, "a", value(2, 80))
			tier.SetLanded(t, 0)
			flush(t, b)
			wants(t, far.Backend, "a", value(2, 80))
		})
	}
}

// A waiting value whose record cannot be read keeps no other from being sent or listed, and no list is taken for whole.
func TestDamagedRecord(t *testing.T) {
	for _, scheme := range []string{"shelve", "file"} {
		t.Run(scheme, func(t *testing.T) {
			ctx := context.Background()
			dir := t.TempDir()
			near := scheme + "://" + filepath.ToSlash(dir)
			far := newAway()
			far.gone.Store(true)
			opts := tier.Options{Drain: -1}
			b := openNear(t, near, far, opts)
			for i := range 5 {
				put(t, b, fmt.Sprint(i), value(i, 80))
			}
			b.Close()
			first := ""
			damage(t, dir, "larder.tier.own", func(name string) bool {
				if first == "" {
					first = name
				}
				return name != first
			})
			far.gone.Store(false)
			b = openNear(t, near, far, opts)
			listed, last := 0, error(nil)
			for _, err := range b.List(ctx, "cache", backend.ListOptions{}) {
				if last = err; err == nil {
					listed++
				}
			}
			if listed != 4 || last != nil && !errors.Is(last, backend.ErrCorrupt) {
				t.Errorf("List yields %d values and then %v, want 4", listed, last)
			}
			if err := b.(flusher).Flush(ctx); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("Flush = %v, want %v", err, backend.ErrCorrupt)
			}
			put(t, b, "6", "6")
			_ = b.(flusher).Flush(ctx)
			sent := 0
			for _, err := range far.Backend.List(ctx, "cache", backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				sent++
			}
			if sent != 5 {
				t.Errorf("%d values were sent, want 5", sent)
			}
			for i := range 5 { // it heals
				put(t, b, fmt.Sprint(i), value(i, 80))
			}
			flush(t, b)
		})
	}
}

// locked is a far store that is held by a process that stopped.
type locked struct{ *away }

func (f *locked) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	return backend.Info{}, backend.Wrap("put", "locked", key, fmt.Errorf("%w: is its holder stopped?", backend.ErrLocked))
}

// A far store that is locked is no other sender to wait for.
func TestFarLocked(t *testing.T) {
	b, _ := pairOf(t, &locked{newAway()}, tier.Options{Write: tier.Back, Drain: -1})
	put(t, b, "a", "1")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.(flusher).Flush(ctx); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("Flush = %v, want %v", err, backend.ErrLocked)
	}
	informer, _ := backend.As[backend.Informer](b)
	if facts, err := informer.Facts(ctx); err != nil || !strings.Contains(fmt.Sprint(facts), "stopped") {
		t.Errorf("Facts = %v, %v; want the reason", facts, err)
	}
}

// never is a far store that is away for some keys, always.
type never struct {
	*away
	of map[string]bool
}

func (f *never) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if f.of[key.Name] {
		return backend.Info{}, backend.Wrap("put", "never", key, fmt.Errorf("%w: it takes too long", backend.ErrUnavailable))
	}
	return f.away.Put(ctx, key, body, opts)
}

// Values that fail as if the far store were away, whenever they are sent, do not keep the others from being sent: neither what is sent with
// results nor ahead of them.
func TestSomeAlwaysFail(t *testing.T) {
	ctx := context.Background()
	for _, shelf := range []string{backend.ShelfCache, "made"} {
		t.Run(shelf, func(t *testing.T) {
			far := &never{newAway(), map[string]bool{"b": true, "c": true, "d": true}}
			b, _ := pairOf(t, far, tier.Options{Write: tier.Back, Drain: -1})
			for name := range strings.SplitSeq("abcde", "") {
				if _, err := backend.PutBytes(ctx, b, backend.Key{Shelf: shelf, Name: name}, []byte(name), backend.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			put(t, b, "result", "r")
			for range 4 {
				if err := b.(flusher).Flush(ctx); !errors.Is(err, backend.ErrUnavailable) {
					t.Fatalf("Flush = %v, want %v", err, backend.ErrUnavailable)
				}
			}
			for _, k := range []backend.Key{{Shelf: shelf, Name: "a"}, {Shelf: shelf, Name: "e"}, key("result")} {
				if _, err := far.Stat(ctx, k); err != nil {
					t.Errorf("%v waits behind values that fail: %v", k, err)
				}
			}
		})
	}
}

// A process that lives for one value sends it, although another one fails.
func TestOneFailsInEachProcess(t *testing.T) {
	far := &never{newAway(), map[string]bool{"a": true}}
	near := filepath.Join(t.TempDir(), "near")
	names := strings.Split("abcdefgh", "")
	for _, name := range names {
		b := over(t, near, far, tier.Options{Write: tier.Back})
		put(t, b, name, name)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names[1:] {
		wants(t, far.Backend, name, name)
	}
}

// A copy of what was read before it was overwritten is not laid after the copy of the new value was evicted.
func TestReadMeetsEviction(t *testing.T) {
	ctx := context.Background()
	for _, write := range []tier.Mode{tier.Through, tier.Back} {
		t.Run(string(write), func(t *testing.T) {
			far := newAway()
			put(t, far.Backend, "a", value(1, 2<<20))
			b, near := pair(t, far, tier.Options{Write: write, NearMax: 100_000})
			body, _, err := b.Get(ctx, key("a"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, b, "a", value(2, 80_000))
			flush(t, b)
			n, err := shelve.Open(near, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			for i := 0; ; i++ {
				info, err := n.Stat(ctx, backend.Key{Shelf: "near.cache", Name: "a"})
				if errors.Is(err, backend.ErrNotFound) || info.Size == 0 {
					break
				}
				put(t, b, fmt.Sprint("other", i), value(i, 40_000))
				flush(t, b)
			}
			if _, err := io.Copy(io.Discard, body); err != nil {
				t.Fatal(err)
			}
			body.Close()
			wants(t, b, "a", value(2, 80_000))
		})
	}
}

// A sender that is stopped, and goes on after another took its place, leaves that one's note that it is at work.
func TestSuccessorsNote(t *testing.T) {
	ctx := context.Background()
	note := backend.Key{Shelf: "larder.tier.doubt", Name: "sending"}
	far := newBlocked()
	b, near := pairOf(t, far, tier.Options{Write: tier.Back})
	put(t, b, "a", "1")
	<-far.started
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := backend.PutBytes(ctx, n, note, []byte("another's"), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, b, "b", "2") // for the next pass
	close(far.let)
	flush(t, b)
	wants(t, far.Backend, "b", "2")
	informer, _ := backend.As[backend.Informer](b)
	if facts, err := informer.Facts(ctx); err != nil || !strings.Contains(fmt.Sprint(facts), "{in doubt 1 keys") {
		t.Errorf("Facts = %v, %v; want that the next sender finds the note, and doubts", facts, err)
	}
}

// Who waits for a sender that is stopped is told so, rather than to wait for ever: Flush, and a Put that finds no room.
func TestStoppedSender(t *testing.T) {
	ctx := context.Background()
	tier.SetSilence(t, 300*time.Millisecond, time.Hour) // it looks stopped
	far := newBlocked()
	a, near := pairOf(t, far, tier.Options{Write: tier.Back})
	put(t, a, "a", value(1, 8000))
	<-far.started
	b := over(t, near, far, tier.Options{Write: tier.Back, Queue: 10_000})
	if err := b.(flusher).Flush(ctx); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("Flush = %v, want %v that asks whether the other is stopped", err, backend.ErrUnavailable)
	}
	if _, err := backend.PutBytes(ctx, b, key("b"), []byte(value(2, 8000)), backend.PutOptions{}); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("Put = %v, want %v that asks whether the other is stopped", err, backend.ErrUnavailable)
	}
	close(far.let)
	for b.(flusher).Flush(ctx) != nil { // it goes on
	}
	wants(t, far.Backend, "a", value(1, 8000))
	put(t, b, "b", value(2, 8000))
}

// A sender shows signs of life while a request takes long.
func TestSenderIsAlive(t *testing.T) {
	ctx := context.Background()
	tier.SetSilence(t, time.Hour, 10*time.Millisecond)
	far := newBlocked()
	a, near := pairOf(t, far, tier.Options{Write: tier.Back})
	put(t, a, "a", "1")
	<-far.started
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	versions := map[string]bool{}
	for len(versions) < 5 {
		info, err := n.Stat(ctx, backend.Key{Shelf: "larder.tier.doubt", Name: "sending"})
		if err != nil {
			t.Fatal(err)
		}
		versions[info.Version] = true
	}
	close(far.let)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := n.Stat(ctx, backend.Key{Shelf: "larder.tier.doubt", Name: "sending"}); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("after the end the note is %v, %v", info, err)
	}
}

// What was sent in a doubt that is over is done with, also where one sender after the other is killed. If it has to be sent again, the doubt begins anew
// ahead of the request.
func TestKilledOverAndOver(t *testing.T) {
	ctx := context.Background()
	for name, differs := range map[string]bool{"as it was sent": false, "replaced by a late request": true} {
		t.Run(name, func(t *testing.T) {
			far := newBlocked()
			far.gone.Store(true)
			opts := tier.Options{Write: tier.Back, Drain: -1}
			b, near := pairOf(t, far, opts)
			put(t, b, "a", value(2, 80))
			b.Close()
			far.gone.Store(false)
			far.once.Store(true) // Puts go through
			put(t, far.Backend, "a", value(2, 80))
			if differs {
				put(t, far.Backend, "a", value(1, 80))
				far.once.Store(false)
			}
			n, err := shelve.Open(near, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			doubt := backend.Key{Shelf: "larder.tier.doubt"}
			for info, err := range n.List(ctx, "larder.tier.own", backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				doubt.Name = info.Key.Name
				if _, err := backend.PutBytes(ctx, n, doubt, nil, backend.PutOptions{Meta: backend.Meta{"since": "1", "sent": info.Version}}); err != nil {
					t.Fatal(err)
				}
			}
			marked(t, near)
			b = over(t, near, far, opts)
			if differs {
				<-far.started
				if info, err := n.Stat(ctx, doubt); err != nil || info.Meta["sent"] != "" || info.Meta["since"] == "1" {
					t.Errorf("while it is sent again the doubt is %v, %v", info.Meta, err)
				}
				close(far.let)
			}
			flush(t, b)
			for info, err := range n.List(ctx, "larder.tier.own", backend.ListOptions{}) {
				t.Errorf("%v still waits, %v", info.Key, err)
			}
			wants(t, far.Backend, "a", value(2, 80))
			wants(t, b, "a", value(2, 80))
		})
	}
}
