package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/ramdisk"
	"github.com/larder-store/larder/session"
)

// kinds make an empty store of each kind.
var kinds = map[string]func(testing.TB) *larder.Store{
	"mem": func(t testing.TB) *larder.Store { return opened(t, mem.New(nil)) },
	"shelve": func(t testing.TB) *larder.Store {
		b, err := shelve.Open(ramdisk.Dir(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, b)
	},
	"file": func(t testing.TB) *larder.Store {
		b, err := file.Open(ramdisk.Dir(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		return opened(t, b)
	},
	"costly": func(t testing.TB) *larder.Store { return opened(t, frugal{Backend: mem.New(nil)}) },
}

func opened(t testing.TB, b larder.Backend) *larder.Store {
	s := larder.New(b, silent)
	t.Cleanup(func() { s.Close() })
	return s
}

// frugal is a backend of the manner of a bucket: each request costs, and lists say nothing of digests.
type frugal struct{ larder.Backend }

func (f frugal) Limits() backend.Limits {
	l := backend.LimitsOf(f.Backend)
	l.CostlyRequests, l.Lasting = true, true
	return l
}

func (f frugal) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		for info, err := range f.Backend.List(ctx, shelf, opts) {
			if !yield(backend.Info{Key: info.Key, Size: info.Size, ModTime: info.ModTime}, err) {
				return
			}
		}
	}
}

// contents returns all that travels: key to the bytes, their codec and their cost.
func contents(t testing.TB, s *larder.Store) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := map[string]string{}
	for shelf, err := range s.Backend().Shelves(ctx, backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(shelf, "larder.") || shelf == "leases" {
			continue
		}
		for info, err := range s.Backend().List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			value, info, err := backend.GetVerified(ctx, s.Backend(), info.Key)
			if err != nil {
				t.Fatal(err)
			}
			all[info.Key.String()] = fmt.Sprint(info.Meta["codec"], info.Meta["cost_ms"], " ", string(value))
		}
	}
	return all
}

// sound removes what fill puts into a store that is no sound value.
func sound(t testing.TB, s *larder.Store) {
	t.Helper()
	if err := s.Backend().Delete(context.Background(), stray); err != nil {
		t.Fatal(err)
	}
}

var stray = backend.Key{Shelf: backend.ShelfCache, Name: strings.Repeat("e", 64) + "/stray"}

// furnish fills a store with values small and large, and sessions open and closed.
func furnish(t *testing.T, s *larder.Store) map[string]string {
	t.Helper()
	ctx := context.Background()
	ids := fill(t, s)
	sound(t, s)
	large := component.New("lab/large", "1", nil)
	for name, size := range map[string]int{"empty": 0, "edge": 64 << 10, "beyond": 64<<10 + 1, "big": 3<<20 + 5} {
		if _, err := s.Put(ctx, large, name, bytes.Repeat([]byte{byte(size), 7}, size/2)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := larder.Memo(ctx, s, large, "cost", func(context.Context) (float64, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.Open(ctx, s, "sweep", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"closed", "open"} {
		w, err := m.Session(ctx, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close(context.Background()) })
		for i := range 5 {
			if err := w.Put(ctx, fmt.Sprint(name, i), float64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if name == "closed" {
			if err := w.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}

func TestCopyBetweenAllKinds(t *testing.T) {
	ctx := context.Background()
	for from, newSource := range kinds {
		for to, newDestination := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				src, dst := newSource(t), newDestination(t)
				furnish(t, src)
				want := contents(t, src)
				if r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{DryRun: true}); err != nil || r.Copied() != len(want) || len(contents(t, dst)) != 0 {
					t.Fatalf("dry run = %+v, %v, want %d entries and nothing copied", r, err, len(want))
				}
				r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
				if err != nil || r.Copied() != len(want) || r.Findings() != 0 || r.Present != 0 {
					t.Fatalf("Copy = %+v, %v, want %d entries", r, err, len(want))
				}
				if got := contents(t, dst); !maps.Equal(got, want) {
					t.Errorf("the copy holds %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
				}
				r, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
				if err != nil || r.Copied() != 0 || r.Present != len(want) || r.Findings() != 0 {
					t.Errorf("a second Copy = %+v, %v, want %d entries present", r, err, len(want))
				}
				sessionsReadAlike(t, dst, src)
				for info, err := range dst.Backend().List(ctx, backend.ShelfStore, backend.ListOptions{Prefix: "copy/"}) {
					t.Errorf("the copy left %v, %v", info.Key, err)
				}
			})
		}
	}
}

// sessionsReadAlike compares what the sessions of two stores say.
func sessionsReadAlike(t *testing.T, a, b *larder.Store) {
	t.Helper()
	ctx := context.Background()
	var texts []string
	for _, s := range []*larder.Store{a, b} {
		m, err := session.Open(ctx, s, "sweep", nil)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for name, err := range m.Sessions(ctx) {
			info, infoErr := m.Info(ctx, name)
			fmt.Fprintln(&text, name, err, infoErr, info.Closed)
		}
		for item, err := range session.Matching[float64](ctx, m, session.All) {
			fmt.Fprintln(&text, item.Session, item.Key, item.Value, err)
		}
		texts = append(texts, text.String())
	}
	if texts[0] != texts[1] || strings.Count(texts[0], "\n") != 12 {
		t.Errorf("the sessions read\n%s\nand\n%s", texts[0], texts[1])
	}
}

func TestCopyByCondition(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src, dst := newStore(t), kinds["mem"](t)
		ids := furnish(t, src)
		where := component.Where(component.FieldType, component.Equal, "lab/fit")
		r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Where: where})
		if err != nil || r.Values != 2 || r.Others != 0 {
			t.Errorf("%s: Copy = %+v, %v, want 2 values", name, r, err)
		}
		if got := found(t, dst, ids, component.Query{}); !slices.Equal(got, []string{"fit2/model", "fit3.5/model"}) {
			t.Errorf("%s: the copy holds %q", name, got)
		}
		// What the fits come from is known, though its values were left out.
		for _, of := range []string{"spikes2", "spikes3.5", "rec"} {
			if d, ok, err := catalog.Describe(ctx, dst, ids[of]); !ok || err != nil {
				t.Errorf("%s: Describe(%s) = %+v, %v, %v", name, of, d, ok, err)
			}
		}
		r, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{Where: where, Sessions: true})
		if err != nil || r.Values != 0 || r.Others == 0 {
			t.Errorf("%s: Copy with sessions = %+v, %v", name, r, err)
		}
		sessionsReadAlike(t, dst, src)
	}
}

// What stages left travels with them: with the shelf, or with the descriptions that a condition chooses.
func TestCopyOfOutputs(t *testing.T) {
	ctx := context.Background()
	for _, where := range []component.Condition{{}, component.Where(component.FieldType, component.Equal, "sh")} {
		src, dst := kinds["mem"](t), kinds["mem"](t)
		stage := component.New("sh", "1", nil)
		put(t, src, stage, "run", "archive", false)
		id, err := src.Key(ctx, stage)
		if err != nil {
			t.Fatal(err)
		}
		left := []byte("left by the stage")
		if err := catalog.NoteOutputs(ctx, src, id, []catalog.Output{{Path: "out", SHA256: digestOf(left), Size: int64(len(left))}}); err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Where: where}); err != nil {
			t.Fatal(err)
		}
		notes := 0
		for _, err := range dst.Backend().List(ctx, catalog.ShelfOutputs, backend.ListOptions{Prefix: id + "/"}) {
			if err != nil {
				t.Fatal(err)
			}
			notes++
		}
		if notes != 1 {
			t.Errorf("with the condition %+v %d notes are copied, want 1", where, notes)
		}
	}
}

func TestCopyConflicts(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	for _, tt := range []struct {
		prefer      catalog.Preference
		oursIsNewer bool
		what        string
		want        string
	}{
		{catalog.PreferNone, false, catalog.Conflict, "ours"},
		{catalog.PreferOurs, false, catalog.Kept, "ours"},
		{catalog.PreferTheirs, true, catalog.Replaced, "theirs"},
		{catalog.PreferNewer, true, catalog.Kept, "ours"},
		{catalog.PreferNewer, false, catalog.Replaced, "theirs"},
	} {
		for name, newStore := range kinds {
			src, dst := newStore(t), newStore(t)
			put(t, src, c, "model", "theirs", tt.oursIsNewer)
			put(t, dst, c, "model", "ours", !tt.oursIsNewer)
			var findings []catalog.CopyFinding
			r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Prefer: tt.prefer, Found: func(f catalog.CopyFinding) { findings = append(findings, f) }})
			if err != nil {
				t.Fatal(err)
			}
			if len(findings) != 1 || findings[0].What != tt.what || findings[0].Theirs.Size != 6 || findings[0].Ours.Size != 4 {
				t.Errorf("%s, prefer %q, ours newer %v: found %+v, want %s", name, tt.prefer, tt.oursIsNewer, findings, tt.what)
			}
			if n := map[string]int{catalog.Conflict: r.Conflicts, catalog.Kept: r.Kept, catalog.Replaced: r.Replaced}[tt.what]; n != 1 || r.Conflicts+r.Kept+r.Replaced != 1 {
				t.Errorf("%s, prefer %q: report %+v", name, tt.prefer, r)
			}
			if got, err := larder.Get[string](ctx, dst, c, "model"); got != tt.want || err != nil {
				t.Errorf("%s, prefer %q, ours newer %v: the destination holds %q, %v, want %q", name, tt.prefer, tt.oursIsNewer, got, err, tt.want)
			}
		}
	}
	if _, err := catalog.Copy(ctx, kinds["mem"](t), kinds["mem"](t), catalog.CopyOptions{Prefer: "mine"}); err == nil || !strings.Contains(err.Error(), "newer, ours and theirs") {
		t.Errorf("Copy with an unknown preference = %v", err)
	}
}

// put stores a value; one that is old says that it was stored in 2001.
func put(t testing.TB, s *larder.Store, c larder.Component, attribute, value string, old bool) larder.Info {
	t.Helper()
	ctx := context.Background()
	info, err := s.Put(ctx, c, attribute, value)
	if err == nil && old {
		info, err = s.Backend().Stat(ctx, info.Key)
		meta := backend.Meta{larder.MetaStored: "2001-02-03T04:05:06Z"}
		maps.Copy(meta, info.Meta)
		if err == nil {
			info, err = backend.PutBytes(ctx, s.Backend(), info.Key, []byte(value), backend.PutOptions{Meta: meta})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestCopyReportsWhatIsCorrupt(t *testing.T) {
	ctx := context.Background()
	for to, newStore := range kinds {
		b := mem.New(nil)
		src, dst := opened(t, b), newStore(t)
		furnish(t, src)
		want := contents(t, src)
		body := bytes.Repeat([]byte("x"), 100<<10)
		bad := []backend.Key{}
		for i, size := range []int{0, 1, 5, len(body)} {
			for j, opts := range []backend.PutOptions{{Digest: digestOf(body[:size])}, {Sum: sumOf(body[:size])}} {
				opts.Size = int64(size)
				if size == 0 && j == 0 {
					opts.Sum = 1
				}
				key := backend.Key{Shelf: backend.ShelfCache, Name: fmt.Sprintf("%064d/bad%d", i, j)}
				if _, err := b.Put(ctx, key, bytes.NewReader(body[:size]), opts); err != nil {
					t.Fatal(err)
				}
				bad = append(bad, key)
			}
		}
		// A description under the name of another one.
		key := backend.Key{Shelf: backend.ShelfComponents, Name: strings.Repeat("ab", 32)}
		if _, err := backend.PutBytes(ctx, b, key, []byte("text"), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, key)
		var got []backend.Key
		r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{Found: func(f catalog.CopyFinding) {
			if f.What != catalog.Corrupt || !errors.Is(f.Err, larder.ErrCorrupt) {
				t.Errorf("%s: found %+v", to, f)
			}
			got = append(got, f.Key)
		}})
		if err != nil || r.Corrupt != len(bad) || r.Findings() != len(bad) || r.Copied() != len(want) {
			t.Errorf("%s: Copy = %+v, %v, want %d corrupt and %d copied", to, r, err, len(bad), len(want))
		}
		byName := func(a, b backend.Key) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(got, byName)
		slices.SortFunc(bad, byName)
		if !slices.Equal(got, bad) {
			t.Errorf("%s: corrupt are %v, want %v", to, got, bad)
		}
		if !maps.Equal(contents(t, dst), want) {
			t.Errorf("%s: the copy is not what is sound in the source", to)
		}
	}
}

func TestStoredTravels(t *testing.T) {
	ctx := context.Background()
	src, mid, dst := kinds["shelve"](t), kinds["file"](t), kinds["mem"](t)
	c := component.New("lab/fit", "1", nil)
	put(t, src, c, "old", "text", true)
	young := put(t, src, c, "young", "text", false)
	for _, step := range [][2]*larder.Store{{mid, src}, {dst, mid}} {
		if _, err := catalog.Copy(ctx, step[0], step[1], catalog.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for attribute, want := range map[string]string{"old": "2001-02-03T04:05:06Z", "young": young.ModTime.UTC().Format("2006-01-02T15:04:05Z")} {
		info, err := dst.Stat(ctx, c, attribute)
		if err != nil {
			t.Fatal(err)
		}
		if got := larder.Stored(info).UTC().Format("2006-01-02T15:04:05Z"); got != want {
			t.Errorf("%s was stored %s, want %s", attribute, got, want)
		}
	}
	// A copy does not make a value fresh.
	if v, err := larder.Get[string](ctx, dst, c, "old", larder.MaxAge(time.Hour)); !errors.Is(err, larder.ErrStale) {
		t.Errorf("Get of an old value = %q, %v, want ErrStale", v, err)
	}
	if v, err := larder.Get[string](ctx, dst, c, "young", larder.MaxAge(time.Hour)); v != "text" || err != nil {
		t.Errorf("Get of a young value = %q, %v", v, err)
	}
}

func digestOf(b []byte) [32]byte { return sha256.Sum256(b) }
func sumOf(b []byte) uint32      { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
