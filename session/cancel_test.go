package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/session"
)

// A collation that is cut off says so: what it did not yield does not look absent.
func TestCancelledCollation(t *testing.T) {
	for _, layout := range []session.Layout{session.LayoutItems, session.LayoutPacks} {
		t.Run(string(layout), func(t *testing.T) {
			m := manager(t, mem.New(nil), "m", &session.Options{Layout: layout})
			s := opened(t, m, "s", nil)
			for i := range 2000 {
				put(t, s, fmt.Sprint(i), i)
			}
			closed(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n, last := 0, error(nil)
			for _, err := range session.Items[int](ctx, m) {
				cancel()
				n, last = n+1, err
			}
			if !errors.Is(last, context.Canceled) {
				t.Errorf("the last of %d steps has the error %v, want %v", n, last, context.Canceled)
			}
			why := errors.New("enough")
			ctx, end := context.WithCancelCause(t.Context())
			end(why)
			if n, err := session.Count(ctx, m, session.All); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
				t.Errorf("Count with a context that ended = %d, %v, want an error", n, err)
			}
		})
	}
}
