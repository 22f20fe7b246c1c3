package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/tar"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// export writes a tar of stores.
func export(t testing.TB, path string, base, src *larder.Store, opts catalog.CopyOptions) catalog.CopyReport {
	t.Helper()
	w, err := tar.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	r, err := catalog.Export(context.Background(), w, base, src, opts)
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openTar(t testing.TB, path string) *larder.Store {
	t.Helper()
	b, err := tar.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, b)
}

// What goes into a tar comes out of it, on every kind of store; and the tar of a copy is the same, byte for byte.
func TestTarOfAStore(t *testing.T) {
	ctx := context.Background()
	for name, newStore := range kinds {
		src, dst := newStore(t), newStore(t)
		ids := furnish(t, src)
		want := contents(t, src)
		a, b := filepath.Join(t.TempDir(), "a.tar"), filepath.Join(t.TempDir(), "b.tar")
		if r := export(t, a, nil, src, catalog.CopyOptions{}); r.Copied() != len(want) || r.Findings() != 0 {
			t.Errorf("%s: Export = %+v, want %d entries", name, r, len(want))
		}
		packed := openTar(t, a)
		if !maps.Equal(contents(t, packed), want) {
			t.Errorf("%s: the tar holds other entries than the store", name)
		}
		if got := found(t, packed, ids, component.Query{Where: component.Where(component.FieldType, component.Equal, "lab/fit")}); len(got) != 2 {
			t.Errorf("%s: Find in the tar yields %q", name, got)
		}
		sessionsReadAlike(t, packed, src)
		if r, err := catalog.Copy(ctx, dst, packed, catalog.CopyOptions{}); err != nil || r.Copied() != len(want) || r.Findings() != 0 {
			t.Errorf("%s: Copy of the tar = %+v, %v", name, r, err)
		}
		if !maps.Equal(contents(t, dst), want) {
			t.Errorf("%s: what came out of the tar is not what went in", name)
		}
		export(t, b, nil, dst, catalog.CopyOptions{})
		same := func(what string) {
			t.Helper()
			textA, errA := os.ReadFile(a)
			textB, errB := os.ReadFile(b)
			if errA != nil || errB != nil || !bytes.Equal(textA, textB) {
				t.Errorf("%s: %s is not the same: %v, %v", name, what, errA, errB)
			}
		}
		same("the tar of a copy")
		export(t, b, openTar(t, a), dst, catalog.CopyOptions{})
		same("a tar to which nothing is new")
		if _, err := packed.Put(ctx, component.New("x", "1", nil), "a", "b"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: Put into a tar = %v, want ErrUnsupported", name, err)
		}
	}
}

func TestTarByCondition(t *testing.T) {
	for name, newStore := range kinds {
		src := newStore(t)
		ids := furnish(t, src)
		path := filepath.Join(t.TempDir(), "x.tar")
		where := component.Where(component.FieldType, component.Equal, "lab/fit")
		if r := export(t, path, nil, src, catalog.CopyOptions{Where: where}); r.Values != 2 || r.Descriptions != 5 || r.Others != 0 {
			t.Errorf("%s: Export = %+v, want 2 values and 5 descriptions", name, r)
		}
		packed := openTar(t, path)
		for _, of := range []string{"spikes2", "spikes3.5", "rec"} {
			if _, ok, err := catalog.Describe(context.Background(), packed, ids[of]); !ok || err != nil {
				t.Errorf("%s: Describe(%s) = %v, %v", name, of, ok, err)
			}
		}
		// The rest is added to it, dry first.
		if r, err := catalog.Export(context.Background(), nil, packed, src, catalog.CopyOptions{DryRun: true}); err != nil || r.Present != 7 || r.Values == 0 {
			t.Errorf("%s: a dry Export = %+v, %v", name, r, err)
		}
		if r := export(t, path, packed, src, catalog.CopyOptions{Where: component.Where(component.FieldAttribute, component.Equal, "trace"), Sessions: true}); r.Values != 1 || r.Others == 0 {
			t.Errorf("%s: Export on top = %+v, want one value and sessions", name, r)
		}
		packed = openTar(t, path)
		sessionsReadAlike(t, packed, src)
		if got := found(t, packed, ids, component.Query{}); len(got) != 3 {
			t.Errorf("%s: the tar holds %q", name, got)
		}
	}
}

func TestTarConflicts(t *testing.T) {
	ctx := context.Background()
	c := component.New("lab/fit", "1", nil)
	for prefer, want := range map[catalog.Preference]string{catalog.PreferNone: "ours", catalog.PreferOurs: "ours", catalog.PreferTheirs: "theirs", catalog.PreferNewer: "theirs"} {
		ours, theirs := kinds["mem"](t), kinds["mem"](t)
		put(t, ours, c, "model", "ours", true)
		put(t, theirs, c, "model", "theirs", false)
		path := filepath.Join(t.TempDir(), "x.tar")
		export(t, path, nil, ours, catalog.CopyOptions{})
		r := export(t, path, openTar(t, path), theirs, catalog.CopyOptions{Prefer: prefer})
		if got, err := larder.Get[string](ctx, openTar(t, path), c, "model"); got != want || err != nil || r.Conflicts+r.Kept+r.Replaced != 1 {
			t.Errorf("prefer %q: the tar holds %q, %v; report %+v", prefer, got, err, r)
		}
	}
	// Keys of two generators do not mix in a tar either, and a store goes into no tar that is itself.
	ours := kinds["mem"](t)
	put(t, ours, component.New("lab/fit", "1", nil), "model", "ours", true)
	if _, err := catalog.Export(ctx, nil, ours, ours, catalog.CopyOptions{}); !errors.Is(err, catalog.ErrSamePlace) {
		t.Errorf("Export of a store onto itself = %v", err)
	}
}

// What is corrupt in the source does not come into a tar, and does no harm to the rest of it.
func TestTarOfACorruptStore(t *testing.T) {
	b := mem.New(nil)
	src := opened(t, b)
	furnish(t, src)
	want := contents(t, src)
	for i, size := range []int{1, 1 << 20} {
		key := backend.Key{Shelf: backend.ShelfCache, Name: fmt.Sprintf("%064d/bad", i)}
		body := bytes.Repeat([]byte("x"), size)
		for _, opts := range []backend.PutOptions{{Digest: digestOf(body)}, {Sum: sumOf(body)}} {
			opts.Size = int64(size)
			key.Name += "x"
			if _, err := b.Put(context.Background(), key, bytes.NewReader(body), opts); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	// Streamed, so that the tar has got some of a value when it turns out to be corrupt.
	r := export(t, path, nil, opened(t, streaming{b}), catalog.CopyOptions{})
	if r.Corrupt != 4 || r.Copied() != len(want) {
		t.Errorf("Export = %+v, want 4 corrupt and %d copied", r, len(want))
	}
	if !maps.Equal(contents(t, openTar(t, path)), want) {
		t.Error("the tar is not what is sound in the source")
	}
}
