package turnstile_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/turnstile"
)

// TestEnterSoon: who would rather not come in gives up, and keeps nobody out afterwards.
func TestEnterSoon(t *testing.T) {
	at := turnstile.Turnstile(filepath.Join(t.TempDir(), "x"))
	inside, err := at.Enter(t.Context(), turnstile.WaitPolicy{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.EnterSoon(t.Context(), turnstile.WaitPolicy{}, time.Millisecond); !errors.Is(err, turnstile.ErrBusy) {
		t.Fatalf("EnterSoon beside a process that stays = %v, want %v", err, turnstile.ErrBusy)
	}
	beside, err := at.Enter(t.Context(), turnstile.WaitPolicy{}, true)
	if err != nil {
		t.Fatalf("Enter after EnterSoon gave up = %v", err)
	}
	beside.Leave()
	inside.Leave()
	h, err := at.EnterSoon(t.Context(), turnstile.WaitPolicy{}, time.Minute)
	if err != nil {
		t.Fatalf("EnterSoon where nobody is = %v", err)
	}
	h.Leave()
}
