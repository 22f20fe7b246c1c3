package tier_test

import (
	"context"
	"errors"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tier"
)

// What another machine stored since is not deleted, though the copy is still what was seen.
func TestDeleteMatchAsksFar(t *testing.T) {
	ctx := context.Background()
	for _, write := range []tier.Mode{tier.Through, tier.Back} {
		t.Run(string(write), func(t *testing.T) {
			far := newAway()
			b, _ := pair(t, far, tier.Options{Write: write})
			for _, name := range []string{"a", "b"} {
				put(t, b, name, "1")
			}
			flush(t, b)
			var seen []backend.Seen
			for _, name := range []string{"a", "b"} {
				info, err := b.Stat(ctx, key(name))
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, backend.Seen{Key: key(name), Version: info.Version})
			}
			put(t, far.Backend, "a", "2") // another machine
			err := backend.DeleteMatch(ctx, b, seen)
			if one := backend.ItemError(err, 0); !errors.Is(one, backend.ErrChanged) {
				t.Errorf("DeleteMatch of what was replaced = %v, want %v", one, backend.ErrChanged)
			}
			if one := backend.ItemError(err, 1); one != nil {
				t.Errorf("DeleteMatch of what is as it was = %v", one)
			}
			flush(t, b)
			wants(t, far.Backend, "a", "2")
			wants(t, far.Backend, "b", "")
			wants(t, b, "b", "")
		})
	}
}
