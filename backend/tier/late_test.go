package tier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

// Values that failed while the far store was away do not wait behind those that always fail, once it is there again.
func TestAwayForAWhileBesideSomeThatAlwaysFail(t *testing.T) {
	ctx := context.Background()
	for _, shelf := range []string{backend.ShelfCache, "made"} {
		t.Run(shelf, func(t *testing.T) {
			far := &never{newAway(), map[string]bool{"c": true, "f": true}}
			far.gone.Store(true)
			b, _ := pairOf(t, far, tier.Options{Write: tier.Back, Drain: -1})
			var keys []backend.Key
			for name := range strings.SplitSeq("abcdefgh", "") {
				for _, shelf := range []string{shelf, backend.ShelfCache} {
					k := backend.Key{Shelf: shelf, Name: name}
					if _, err := backend.PutBytes(ctx, b, k, []byte(name), backend.PutOptions{}); err != nil {
						t.Fatal(err)
					}
					if !far.of[name] {
						keys = append(keys, k)
					}
				}
			}
			for range 20 {
				b.(flusher).Flush(ctx)
			}
			far.gone.Store(false)
			for range 20 {
				b.(flusher).Flush(ctx)
			}
			for _, k := range keys {
				if _, err := far.Stat(ctx, k); err != nil {
					t.Errorf("%v waits behind values that fail: %v", k, err)
				}
			}
		})
	}
}

// forgetful is a near store that cannot note doubts while it is full.
type forgetful struct {
	backend.Backend
	backend.Leaser
	backend.MatchDeleter
	full    atomic.Bool
	refused chan struct{}
}

func (f *forgetful) Limits() backend.Limits { return backend.LimitsOf(f.Backend) }

func (f *forgetful) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if key.Shelf == "larder.tier.doubt" && strings.Contains(key.Name, "/") && f.full.Load() {
		select {
		case f.refused <- struct{}{}:
		default:
		}
		return backend.Info{}, backend.Wrap("put", "forgetful", key, fmt.Errorf("%w: no space", backend.ErrUnavailable))
	}
	return f.Backend.Put(ctx, key, body, opts)
}

// A write whose answer was lost is in doubt, also if the near store could not note that.
func TestDoubtThatCannotBeNoted(t *testing.T) {
	far := &slow{away: newAway(), kept: make(chan func(), 1)}
	n, err := shelve.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	near := &forgetful{Backend: n, Leaser: n, MatchDeleter: n, refused: make(chan struct{}, 1)}
	near.full.Store(true)
	b, err := tier.Open(context.Background(), near, far, &tier.Options{Write: tier.Back})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	putA(1)(t, b)
	late := <-far.kept
	far.kept <- nil // no other one is kept
	<-near.refused
	near.full.Store(false)
	flushed := func() {
		for b.(flusher).Flush(context.Background()) != nil {
		}
	}
	flushed()
	putA(2)(t, b)
	flushed()
	late()
	tier.SetLanded(t, 0)
	flushed()
	wants(t, far.Backend, "a", value(2, 80))
}

// A far store that is away for a moment is asked again after a moment, by a sender that nobody wakes.
func TestAwayForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newAway()
		far.gone.Store(true)
		b := openNear(t, "file://"+filepath.ToSlash(t.TempDir()), far, tier.Options{Drain: -1})
		defer b.Close()
		put(t, b, "a", "1")
		synctest.Wait()
		far.gone.Store(false)
		time.Sleep(time.Second) // of the clock in the bubble
		synctest.Wait()
		wants(t, far.Backend, "a", "1")
	})
}

// A doubt that is over goes, also while another value always fails.
func TestDoubtIsOverBesideOneThatFails(t *testing.T) {
	ctx := context.Background()
	far := &never{newAway(), map[string]bool{"p": true}}
	far.gone.Store(true)
	b, near := pairOf(t, far, tier.Options{Write: tier.Back, Drain: -1})
	for _, name := range []string{"a", "b", "p"} { // on either side of it in the order of their own values
		put(t, b, name, value(1, 80))
	}
	for range 5 {
		b.(flusher).Flush(ctx) // each is in doubt
	}
	far.gone.Store(false)
	tier.SetLanded(t, 0)
	for range 5 {
		b.(flusher).Flush(ctx)
	}
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	waiting, doubts := map[string]bool{}, 0
	for info, err := range n.List(ctx, "larder.tier.own", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		waiting[info.Key.Name] = true
	}
	for info, err := range n.List(ctx, "larder.tier.doubt", backend.ListOptions{}) {
		if doubts++; err != nil || !waiting[info.Key.Name] {
			t.Errorf("%v is in doubt still, %v", info.Key, err)
		}
	}
	if len(waiting) != 1 || doubts != 1 {
		t.Errorf("%d values wait, and %d are in doubt; want the one that fails", len(waiting), doubts)
	}
}

// Flush names the value that keeps it from success.
func TestFlushNamesTheValue(t *testing.T) {
	far := &never{newAway(), map[string]bool{"b": true}}
	b, _ := pairOf(t, far, tier.Options{Write: tier.Back, Drain: -1})
	for _, name := range []string{"a", "b", "c"} {
		put(t, b, name, name)
	}
	var e *backend.Error
	if err := b.(flusher).Flush(context.Background()); !errors.As(err, &e) || e.Op != "flush" || e.Key != key("b") || !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("Flush = %v, want one that names %v", err, key("b"))
	}
}

// gated is a near store whose Puts of own values wait, and say that they began.
type gated struct {
	forgetful
	began, let chan struct{}
}

func (g *gated) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if key.Shelf == "larder.tier.own" {
		g.began <- struct{}{}
		<-g.let
	}
	return g.forgetful.Put(ctx, key, body, opts)
}

// What is being put counts as waiting, also after what waits was counted anew.
func TestQueueOfPutsUnderWay(t *testing.T) {
	far := newAway()
	n, err := shelve.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	near := &gated{forgetful{Backend: n, Leaser: n, MatchDeleter: n}, make(chan struct{}, 10), make(chan struct{})}
	b, err := tier.Open(context.Background(), near, far, &tier.Options{Write: tier.Back, Queue: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	done := make(chan error, 2)
	start := func(name string, n int) {
		_, err := backend.PutBytes(context.Background(), b, key(name), []byte(value(n, 8000)), backend.PutOptions{})
		done <- err
	}
	go start("a", 1)
	<-near.began
	flush(t, b) // counts
	go start("b", 2)
	for range 20 {
		flush(t, b)
	}
	if len(near.began) > 0 {
		t.Error("two values of 8,000 bytes are put at a time, queue= allows 10,000")
	}
	close(near.let)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	flush(t, b)
	wants(t, far.Backend, "a", value(1, 8000))
	wants(t, far.Backend, "b", value(2, 8000))
}
