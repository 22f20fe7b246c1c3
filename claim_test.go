package larder_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/component"
)

// openShelf opens the store in dir once more.
func openShelf(t *testing.T, dir string, opts *larder.Options) *larder.Store {
	t.Helper()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := larder.New(b, opts)
	t.Cleanup(func() { s.Close() })
	return s
}

func silent() *larder.Options {
	return &larder.Options{Logger: slog.New(slog.DiscardHandler)}
}

// Of two who claim the same, the second one waits until the first one is done, and finds
// what it stored, and what that took.
func TestClaimIsHeldByOne(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	c := component.New("claim", "1", nil)
	first, second := openShelf(t, dir, silent()), openShelf(t, dir, silent())

	held, err := first.Claim(ctx, c, "x")
	if err != nil {
		t.Fatal(err)
	}
	other, err := second.Claim(ctx, c, "y")
	if err != nil {
		t.Fatalf("Claim of another attribute: %v", err)
	}
	other.Release()

	granted := make(chan *larder.Claim)
	go func() {
		claim, err := second.Claim(ctx, c, "x")
		if err != nil {
			t.Error(err)
		}
		granted <- claim
	}()
	time.Sleep(30 * time.Millisecond) // what the computation takes
	select {
	case <-granted:
		t.Fatal("the claim was granted twice")
	default:
	}
	if _, err := held.Put(ctx, strings.NewReader("made")); err != nil {
		t.Fatal(err)
	}
	held.Release()
	held.Release()
	claim := <-granted
	defer claim.Release()
	if !claim.LookAgain {
		t.Error("the second one is not told to look again")
	}
	body, info, err := second.Reader(ctx, c, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || string(text) != "made" {
		t.Errorf("found %q, %v; want made", text, err)
	}
	if took, ok := larder.Cost(info); !ok || took < 30*time.Millisecond {
		t.Errorf("Cost = %v, %v; want at least what it took", took, ok)
	}
	if got := second.Stats().Saved; got < 30*time.Millisecond {
		t.Errorf("the hit saved %v, want what the first one took", got)
	}
	if got := first.Stats().Computed; got != 1 {
		t.Errorf("Computed = %d, want 1", got)
	}
	if _, err := claim.Put(ctx, "other", larder.IfAbsent()); !errors.Is(err, larder.ErrExists) {
		t.Errorf("Put IfAbsent over a value: %v, want ErrExists", err)
	}
}

func TestClaimEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	c := component.New("claim", "1", nil)
	held, err := openShelf(t, dir, silent()).Claim(t.Context(), c, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := openShelf(t, dir, silent()).Claim(ctx, c, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Claim = %v, want DeadlineExceeded", err)
	}
}

// Where nobody can be waited for, or nobody wants to, the claim is granted at once.
func TestClaimWithoutLease(t *testing.T) {
	c := component.New("claim", "1", nil)
	dir := t.TempDir()
	none := &larder.Options{NoLease: true}
	for name, s := range map[string]*larder.Store{"mem": larder.New(mem.New(nil), nil), "NoLease": openShelf(t, dir, none)} {
		for range 2 { // neither is released before the other
			claim, err := s.Claim(t.Context(), c, "x")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if claim.LookAgain {
				t.Errorf("%s: LookAgain, though nobody was waited for", name)
			}
			defer claim.Release()
		}
	}
}

func TestCostOfOtherValues(t *testing.T) {
	for _, text := range []string{"", "x", "-5"} {
		if took, ok := larder.Cost(larder.Info{Meta: map[string]string{"cost_ms": text}}); ok {
			t.Errorf("Cost of %q = %v", text, took)
		}
	}
}
