package session_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/session"
)

// damaged is a backend on which the metadata of sessions cannot be read while unread is set, and a list of keys is deleted
// no further than to a session's metadata.
type damaged struct {
	*mem.Backend
	unread, interrupted bool
}

var errInterrupted = errors.New("interrupted")

func isMeta(key backend.Key) bool { return key.Shelf[:2] == "s." && key.Name == "m" }

func (d *damaged) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if d.unread && isMeta(key) {
		return nil, backend.Info{}, backend.Wrap("get", "damaged", key, backend.ErrCorrupt)
	}
	return d.Backend.Get(ctx, key)
}

func (d *damaged) Delete(ctx context.Context, key backend.Key) error {
	return d.DeleteBatch(ctx, []backend.Key{key})
}

func (d *damaged) DeleteBatch(ctx context.Context, keys []backend.Key) error {
	if d.interrupted {
		if i := slices.IndexFunc(keys, isMeta); i >= 0 {
			d.Backend.Delete(ctx, keys[i])
		}
		return errInterrupted
	}
	for _, key := range keys {
		if err := d.Backend.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// What an interrupted removal leaves is known as a session, and can be removed.
func TestInterruptedRemoval(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []session.Layout{session.LayoutItems, session.LayoutPacks} {
		t.Run(string(layout), func(t *testing.T) {
			d := &damaged{Backend: mem.New(nil), interrupted: true}
			m := manager(t, d, "m", &session.Options{Layout: layout})
			s := opened(t, m, "s", nil)
			put(t, s, "a", 1)
			closed(t, s)
			if err := m.Remove(ctx, "s"); !errors.Is(err, errInterrupted) {
				t.Fatalf("Remove = %v, want %v", err, errInterrupted)
			}
			if _, err := m.Info(ctx, "s"); err != nil {
				t.Errorf("Info after an interrupted removal: %v", err)
			}
			d.interrupted = false
			if err := m.Remove(ctx, "s"); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Info(ctx, "s"); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("Info of a removed session = %v, want ErrNotFound", err)
			}
			if err := m.Remove(ctx, "s"); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("Remove of a removed session = %v, want ErrNotFound", err)
			}
		})
	}
}

// A session whose metadata is damaged beyond a version can be opened, which heals it.
func TestUnreadableMetadata(t *testing.T) {
	d := &damaged{Backend: mem.New(nil)}
	m := manager(t, d, "m", nil)
	s := opened(t, m, "s", nil)
	put(t, s, "a", 1)
	closed(t, s)
	d.unread = true
	s = opened(t, m, "s", nil)
	put(t, s, "b", 2)
	d.unread = false
	closed(t, s)
	same(t, "the items", collected[int](t, m, session.All), []string{"s:a=1", "s:b=2"})
	if info, err := m.Info(t.Context(), "s"); err != nil || !info.Closed {
		t.Errorf("Info = %+v, %v, want a session that was closed", info, err)
	}
}
