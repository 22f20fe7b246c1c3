package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-store/larder/internal/backoff"
)

// Pauses grow from the first to the last, each between half and one and a half.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff.New(10*time.Millisecond, 50*time.Millisecond)
		for _, want := range []time.Duration{10, 15, 22, 33, 49, 50, 50} {
			want *= time.Millisecond
			began := time.Now()
			if err := b.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got < want/2 || got > want*3/2+2*time.Millisecond {
				t.Errorf("a pause of %v, want about %v", got, want)
			}
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		why := errors.New("enough")
		cancel(why)
		if err := backoff.New(time.Hour, time.Hour).Wait(ctx); !errors.Is(err, why) {
			t.Errorf("after the end of ctx: %v, want its cause", err)
		}
	})
}
