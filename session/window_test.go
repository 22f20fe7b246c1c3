package session_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/session"
)

// gets counts the bodies that are fetched. It has no Scanner.
type gets struct {
	backend.Backend
	n atomic.Int32
}

func (g *gets) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	g.n.Add(1)
	return g.Backend.Get(ctx, key)
}

// A collation reads ahead of a session by a window of bytes, not by a number of items: of large items, one that is
// yielded and one that waits for the window to be free are in memory.
func TestLargeItemsAreNotReadAhead(t *testing.T) {
	ctx := t.Context()
	b := &gets{Backend: mem.Open(t.TempDir(), nil)}
	m := manager(t, b, "m", &session.Options{Layout: session.LayoutItems})
	s := opened(t, m, "", nil) // of a random name: no conditions are promised
	const items, size = 10, 1 << 20
	for i := range items {
		if err := s.Put(ctx, fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	b.n.Store(0)
	yielded := int32(0)
	for item, err := range session.Matching[[]byte](ctx, m, session.All) {
		if err != nil {
			t.Fatal(err)
		}
		if len(item.Value) != size || item.Value[0] != byte(yielded) {
			t.Fatalf("item %q has %d bytes, the first is %d", item.Key, len(item.Value), item.Value[0])
		}
		yielded++
		for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end) && b.n.Load() <= yielded+1; {
			time.Sleep(time.Millisecond) // time for a reader that reads too far
		}
		if got := b.n.Load(); got > yielded+1 {
			t.Fatalf("%d items were read when %d was yielded, want %d at most", got, yielded, yielded+1)
		}
	}
	if yielded != items {
		t.Errorf("%d items were yielded, want %d", yielded, items)
	}
}

// All at once is not more than there are.
func TestParallelOfAny(t *testing.T) {
	m := manager(t, mem.New(nil), "m", nil)
	s := opened(t, m, "s", nil)
	put(t, s, "k", 1)
	closed(t, s)
	same(t, "what was put", collected[int](t, m, session.All, session.Parallel(math.MaxInt)), []string{"s:k=1"})
}
