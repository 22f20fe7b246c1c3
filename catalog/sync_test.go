package catalog_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// streaming hands out values as streams, as a backend of files does.
type streaming struct{ backend.Backend }

func (s streaming) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, err := s.Backend.Get(ctx, key)
	if err != nil {
		return nil, info, err
	}
	return struct{ io.ReadCloser }{body}, info, nil
}

func TestSync(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	for name, newStore := range kinds {
		for prefer, want := range map[catalog.Preference][2]string{
			catalog.PreferNone: {"a's", "b's"}, catalog.PreferOurs: {"b's", "b's"}, catalog.PreferTheirs: {"a's", "a's"}, catalog.PreferNewer: {"b's", "b's"},
		} {
			a, b := newStore(t), newStore(t)
			put(t, a, c, "only a", "1", false)
			put(t, b, c, "only b", "22", false)
			put(t, a, c, "both", "333", false)
			put(t, b, c, "both", "333", true)
			put(t, a, c, "differ", "a's", true)
			put(t, b, c, "differ", "b's", false)
			findings := 0
			r, err := catalog.Sync(ctx, a, b, catalog.CopyOptions{Prefer: prefer, Found: func(catalog.CopyFinding) { findings++ }})
			if err != nil || r.There.Values+r.Back.Values < 2 || findings != 1 || r.Back.Conflicts != 0 || r.There.Conflicts != map[bool]int{prefer == catalog.PreferNone: 1}[true] {
				t.Errorf("%s, prefer %q: Sync = %+v, %v, %d findings", name, prefer, r, err, findings)
			}
			for i, s := range []*larder.Store{a, b} {
				for attribute, want := range map[string]string{"only a": "1", "only b": "22", "both": "333", "differ": want[i]} {
					if got, err := larder.Get[string](ctx, s, c, attribute); got != want || err != nil {
						t.Errorf("%s, prefer %q: store %d has %q = %q, %v, want %q", name, prefer, i, attribute, got, err, want)
					}
				}
			}
			if r, err := catalog.Sync(ctx, a, b, catalog.CopyOptions{Prefer: prefer}); err != nil || r.There.Copied()+r.Back.Copied() != 0 {
				t.Errorf("%s, prefer %q: a second Sync = %+v, %v, want nothing to do", name, prefer, r, err)
			}
		}
	}
}

func TestPrune(t *testing.T) {
	ctx := context.Background()
	c, other := component.New("lab/fit", "1", nil), component.New("lab/other", "1", nil)
	for name, newStore := range kinds {
		src, dst := newStore(t), newStore(t)
		if _, err := catalog.Prune(ctx, dst, src, component.Condition{}, false, nil); err == nil || !strings.Contains(err.Error(), "no values") {
			t.Errorf("%s: Prune by an empty source = %v", name, err)
		}
		for i := range 10 {
			put(t, dst, c, fmt.Sprint(i), "text", false)
			if i%2 == 0 {
				put(t, src, c, fmt.Sprint(i), "other text", false)
			}
		}
		put(t, dst, other, "x", "text", false)
		pinned := component.New("lab/fit", "2", nil)
		id, err := dst.Key(ctx, pinned)
		put(t, dst, pinned, "x", "text", false)
		if err == nil {
			err = catalog.PinComponent(ctx, dst, catalog.Pin{ID: id, By: "me"})
		}
		if err != nil {
			t.Fatal(err)
		}
		before := contents(t, dst)
		var found []string
		note := func(e catalog.Entry) { found = append(found, e.Attribute) }
		where := component.Where(component.FieldType, component.Equal, "lab/fit")
		done, err := catalog.Prune(ctx, dst, src, where, true, note)
		if err != nil || done.Values != 5 || done.Bytes != 20 || !maps.Equal(contents(t, dst), before) {
			t.Errorf("%s: a dry Prune = %+v, %v", name, done, err)
		}
		done, err = catalog.Prune(ctx, dst, src, where, false, note)
		slices.Sort(found)
		if err != nil || done.Values != 5 || strings.Join(found, "") != "1133557799" {
			t.Errorf("%s: Prune = %+v, %v, found %q", name, done, err, found)
		}
		if got := contents(t, dst); len(got) != len(before)-5 {
			t.Errorf("%s: %d entries are left of %d", name, len(got), len(before))
		}
		if done, err = catalog.Prune(ctx, dst, src, component.Condition{}, false, nil); err != nil || done.Values != 1 {
			t.Errorf("%s: Prune of the rest = %+v, %v", name, done, err)
		}
	}
}
