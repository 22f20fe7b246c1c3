package session

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// stale lists packs as a directory is listed: it takes the names first, and leaves out those that are gone when their turn comes.
// Between the two, the first time, it runs a hook.
type stale struct {
	*mem.Backend
	between func()
}

func (s *stale) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	if s.between == nil || !strings.HasPrefix(opts.Prefix, packMark) {
		return s.Backend.List(ctx, shelf, opts)
	}
	return func(yield func(backend.Info, error) bool) {
		var names []backend.Info
		for info := range s.Backend.List(ctx, shelf, opts) {
			names = append(names, info)
		}
		hook := s.between
		s.between = nil
		hook()
		for _, info := range names {
			if _, err := s.Backend.Stat(ctx, info.Key); err == nil && !yield(info, nil) {
				return
			}
		}
	}
}

// A list may lack both the packs that were merged while it went on and what they were merged into. A collation has all
// that was stored before it began all the same.
func TestListBesideAMerge(t *testing.T) {
	ctx := t.Context()
	b := &stale{Backend: mem.New(nil)}
	m, err := Open(ctx, larder.New(b, nil), "m", &Options{Layout: LayoutPacks})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Session(ctx, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	const items = 5
	for i := range items {
		if err := s.Put(ctx, fmt.Sprint(i), i); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.between = func() { // Close merges the packs into one
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	n := 0
	for item, err := range Matching[int](ctx, m, All) {
		if err != nil || item.Value != n {
			t.Fatalf("item %d = %v, %v", n, item, err)
		}
		n++
	}
	if n != items || b.between != nil {
		t.Errorf("%d items are collated of %d; merged meanwhile: %t", n, items, b.between == nil)
	}
}
