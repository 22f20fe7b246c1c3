package shelve_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
)

func TestLeaseExpires(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	first, err := b.Acquire(ctx, "job", 30*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Renew(ctx); err != nil {
		t.Errorf("renew: %v", err)
	}
	var second backend.Lease
	for second == nil {
		if second, err = b.Acquire(ctx, "job", time.Hour); err != nil && !errors.Is(err, backend.ErrLocked) {
			t.Fatal(err)
		}
	}
	if err := first.Renew(ctx); !errors.Is(err, backend.ErrChanged) {
		t.Errorf("renew of an expired lease: %v, want %v", err, backend.ErrChanged)
	}
	if err := first.Release(ctx); err != nil {
		t.Errorf("release of an expired lease: %v", err)
	}
	if err := second.Renew(ctx); err != nil {
		t.Errorf("renew by the second: %v", err)
	}
	if second.Epoch() <= first.Epoch() {
		t.Errorf("epoch %d after %d", second.Epoch(), first.Epoch())
	}
	if err := second.Release(ctx); err != nil {
		t.Error(err)
	}
}

func TestLeaseNames(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	for _, tc := range []struct {
		name string
		ttl  time.Duration
		want error
	}{
		{"a/b", time.Minute, backend.ErrInvalidKey},
		{"", time.Minute, backend.ErrInvalidKey},
		{"Job", time.Minute, backend.ErrInvalidKey},
		{strings.Repeat("a", backend.MaxSegment+1), time.Minute, backend.ErrTooLarge},
		{strings.Repeat("a", backend.MaxSegment), time.Minute, nil},
		{"con", time.Minute, nil},
	} {
		l, err := b.Acquire(context.Background(), tc.name, tc.ttl)
		if !errors.Is(err, tc.want) {
			t.Errorf("Acquire(%.20q) = %v, want %v", tc.name, err, tc.want)
		}
		if err == nil {
			l.Release(context.Background())
		}
	}
	if _, err := b.Acquire(context.Background(), "job", 0); err == nil {
		t.Error("Acquire with a ttl of 0 = nil, want an error")
	}
}
