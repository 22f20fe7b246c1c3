package turnstile_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/turnstile"
)

// TestTurns: readers share, a writer waits for all of them and they see that he waits; whoever
// comes after him, even a reader, comes in after him.
func TestTurns(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	turns := turnstile.Turnstile(filepath.Join(t.TempDir(), "file"))
	enter := func(shared bool) *turnstile.Hold {
		t.Helper()
		h, err := turns.Enter(ctx, turnstile.WaitPolicy{}, shared)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	a, b := enter(true), enter(true)
	if a.Contended() || b.Contended() {
		t.Error("nobody waits, and a reader sees someone wait")
	}

	order := make(chan string)
	go func() {
		h, err := turns.Enter(ctx, turnstile.WaitPolicy{}, false)
		if err != nil {
			t.Error(err)
			return
		}
		order <- "writer"
		for !h.Contended() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		order <- "contended"
		h.Leave()
	}()
	for !a.Contended() || !b.Contended() {
		if ctx.Err() != nil {
			t.Fatal("a writer waits, and the readers do not see it")
		}
		time.Sleep(time.Millisecond)
	}
	go func() {
		h, err := turns.Enter(ctx, turnstile.WaitPolicy{}, true)
		if err != nil {
			t.Error(err)
			return
		}
		order <- "reader"
		h.Leave()
	}()
	a.Leave()
	select {
	case who := <-order:
		t.Errorf("a %s came in beside a reader", who)
	case <-time.After(50 * time.Millisecond):
	}
	b.Leave()
	for _, want := range []string{"writer", "contended", "reader"} {
		select {
		case got := <-order:
			if got != want {
				t.Errorf("then came the %s, want the %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("the %s never came", want)
		}
	}
}
