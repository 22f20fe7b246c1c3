package catalog_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/session"
)

// wrote puts items into the session "one" of a place, each in a pack of its own unless it is closed. All have the value that tells whose they are.
func wrote(t *testing.T, b backend.Backend, layout session.Layout, whose float64, items int, closed bool) {
	t.Helper()
	ctx := t.Context()
	m, err := session.Open(ctx, opened(t, b), "sweep", &session.Options{Layout: layout})
	if err != nil {
		t.Fatal(err)
	}
	w, err := m.Session(ctx, "one", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range items {
		if err := w.Put(ctx, fmt.Sprintf("%v-%d", whose, i), whose); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := w.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// whose counts the items of the session by whose they are.
func whose(t *testing.T, s *larder.Store) map[float64]int {
	t.Helper()
	m, err := session.Open(context.Background(), s, "sweep", nil)
	if err != nil {
		t.Fatal(err)
	}
	n := map[float64]int{}
	for item, err := range session.Matching[float64](context.Background(), m, session.All) {
		if err != nil {
			t.Fatal(err)
		}
		n[item.Value]++
	}
	return n
}

// Packs replace one another by their numbers, so two sessions of one name are never mixed where one of them is in packs: the copy has one of
// them, whole, or says that it is a conflict.
func TestCopyOfAnotherSessionOfOneName(t *testing.T) {
	const ours, theirs = 1, 2
	type want struct {
		whose int
		what  string // became of the session; "" where it was replaced
	}
	for _, tc := range []struct {
		ourLayout, theirLayout session.Layout
		ours, theirs           int // items
		closed                 bool
		want                   map[catalog.Preference]want
		exported               map[catalog.Preference]want // where it differs
	}{
		{session.LayoutPacks, session.LayoutPacks, 2, 5, true, map[catalog.Preference]want{
			catalog.PreferNone: {ours, catalog.Conflict}, catalog.PreferOurs: {ours, catalog.Kept}, catalog.PreferTheirs: {theirs, ""},
		}, nil},
		{session.LayoutPacks, session.LayoutPacks, 5, 2, false, map[catalog.Preference]want{
			catalog.PreferNone: {ours, catalog.Conflict}, catalog.PreferOurs: {ours, catalog.Kept}, catalog.PreferTheirs: {ours, catalog.Conflict},
		}, map[catalog.Preference]want{catalog.PreferTheirs: {theirs, ""}}},
		{session.LayoutItems, session.LayoutPacks, 3, 4, true, map[catalog.Preference]want{
			catalog.PreferNone: {ours, catalog.Conflict}, catalog.PreferOurs: {ours, catalog.Kept}, catalog.PreferTheirs: {ours, catalog.Conflict},
		}, map[catalog.Preference]want{catalog.PreferTheirs: {theirs, ""}}},
		{session.LayoutPacks, session.LayoutItems, 3, 4, true, map[catalog.Preference]want{
			catalog.PreferNone: {ours, catalog.Conflict}, catalog.PreferOurs: {ours, catalog.Kept}, catalog.PreferTheirs: {ours, catalog.Conflict},
		}, map[catalog.Preference]want{catalog.PreferTheirs: {theirs, ""}}},
	} {
		for prefer, to := range tc.want {
			for _, exports := range []bool{false, true} {
				if other, ok := tc.exported[prefer]; ok && exports {
					to = other
				}
				name := fmt.Sprintf("%d in %s, of %d in %s, prefer %q, exported %t", tc.ours, tc.ourLayout, tc.theirs, tc.theirLayout, prefer, exports)
				t.Run(name, func(t *testing.T) {
					src, dst := mem.New(nil), mem.New(nil)
					wrote(t, dst, tc.ourLayout, ours, tc.ours, tc.closed)
					wrote(t, src, tc.theirLayout, theirs, tc.theirs, tc.closed)
					var said []string
					opts := catalog.CopyOptions{Prefer: prefer, Found: func(f catalog.CopyFinding) {
						if f.Key.Name == "m" {
							said = append(said, f.What)
						}
					}}
					result := opened(t, dst)
					var err error
					if exports {
						path := filepath.Join(t.TempDir(), "store.tar")
						export(t, path, result, opened(t, src), opts)
						result = openTar(t, path)
					} else {
						_, err = catalog.Copy(t.Context(), result, opened(t, src), opts)
					}
					items := map[int]int{ours: tc.ours, theirs: tc.theirs}[to.whose]
					if got := whose(t, result); err != nil || len(got) != 1 || got[float64(to.whose)] != items {
						t.Errorf("the items by whose they are: %v, %v; want %d of number %d alone", got, err, items, to.whose)
					}
					if to.what != "" && fmt.Sprint(said) != fmt.Sprint([]string{to.what}) {
						t.Errorf("it said %q of the session, want %q", said, to.what)
					}
				})
			}
		}
	}
}

// A session that was copied goes on at one place or at both. A copy brings what the source has more, and takes nothing from what the
// destination has more, though packs of the source cover the numbers of both.
func TestCopyOfASessionThatWentOn(t *testing.T) {
	const first, ours, theirs = 1, 2, 3
	for name, tc := range map[string]struct {
		ours, theirs int // items since
		want         map[float64]int
	}{
		"at the source":           {0, 4, map[float64]int{first: 3, theirs: 4}},
		"at the destination":      {4, 0, map[float64]int{first: 3, ours: 4}},
		"at both, ours further":   {4, 2, map[float64]int{first: 3, ours: 4}},
		"at both, theirs further": {2, 4, map[float64]int{first: 3, ours: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := mem.New(nil), mem.New(nil)
			wrote(t, src, session.LayoutPacks, first, 3, true)
			copied := func() catalog.CopyReport {
				r, err := catalog.Copy(t.Context(), opened(t, dst), opened(t, src), catalog.CopyOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			if r := copied(); r.Findings() > 0 {
				t.Fatalf("the first Copy = %+v", r)
			}
			if tc.ours > 0 {
				wrote(t, dst, session.LayoutPacks, ours, tc.ours, true)
			}
			if tc.theirs > 0 {
				wrote(t, src, session.LayoutPacks, theirs, tc.theirs, true)
			}
			r := copied()
			if got := whose(t, opened(t, dst)); !maps.Equal(got, tc.want) || r.Conflicts != 1 {
				t.Errorf("the items by whose they are: %v, want %v; Copy = %+v, want one conflict, that of what the session is", got, tc.want, r)
			}
		})
	}
}
