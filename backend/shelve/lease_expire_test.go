package shelve

import (
	"errors"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
)

// TestLateExpiry: a timer that fired just before a Renew takes nothing from who renewed.
func TestLateExpiry(t *testing.T) {
	b, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	l, err := b.acquire(t.Context(), "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.expire() // as the timer does that fired before
	if err := l.Renew(t.Context()); err != nil {
		t.Errorf("Renew after a late timer = %v, want none", err)
	}
	l.mu.Lock()
	l.until = time.Now()
	l.mu.Unlock()
	l.expire()
	if err := l.Renew(t.Context()); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("Renew of what expired = %v, want %v", err, backend.ErrChanged)
	}
}
