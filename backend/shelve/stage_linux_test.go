package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// stage writes v to a draft.
func stage(t *testing.T, b *shelve.Backend, v []byte) backend.Draft {
	t.Helper()
	d, err := b.Stage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if _, err := d.Write(v); err != nil {
		t.Fatal(err)
	}
	return d
}

// holds makes sure that key holds v.
func holds(t *testing.T, b *shelve.Backend, key backend.Key, v []byte) {
	t.Helper()
	got, _, err := get(b, key)
	if err != nil || !bytes.Equal(got, v) {
		t.Errorf("%q holds %d bytes, %v; want %d", key, len(got), err, len(v))
	}
}

// A Put takes a draft over without writing its bytes again, and makes them durable.
func TestStagedIsWrittenOnce(t *testing.T) {
	var mu sync.Mutex
	var steps []string
	b, err := shelve.Open(t.TempDir(), shelve.WithHook(shelve.Options{}, func(step, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, step)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	v := value("new", large)
	d := stage(t, b, v)
	mu.Lock()
	steps = nil
	mu.Unlock()
	if _, err := b.Put(context.Background(), cache("k"), d, options(v)); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(steps, "before write") || !slices.Contains(steps, "after link") || !slices.Contains(steps, "after sync") || !slices.Contains(steps, "after sync directory") {
		t.Errorf("the steps of a Put of a draft: %q; want a link and two syncs, and no write", steps)
	}
	if _, err := d.Write([]byte("more")); err == nil {
		t.Error("a draft that was taken can be written to")
	}
	holds(t, b, cache("k"), v)
}

// What cannot be taken over is copied: a draft of another store, and one that cannot get a name.
func TestStagedIsCopied(t *testing.T) {
	a, b := open(t, t.TempDir(), nil), open(t, t.TempDir(), nil)
	v := value("new", large)
	d := stage(t, a, v)
	for _, to := range []*shelve.Backend{b, a} {
		if _, err := to.Put(context.Background(), cache("k"), d, options(v)); err != nil {
			t.Fatal(err)
		}
		holds(t, to, cache("k"), v)
	}
	defer shelve.HideOpenFiles()()
	d = stage(t, a, v)
	if _, err := a.Put(context.Background(), cache("nameless"), d, options(v)); err != nil {
		t.Fatal(err)
	}
	holds(t, a, cache("nameless"), v)
	if _, err := a.Stage(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Stage where no draft can get a name: %v, want errors.ErrUnsupported", err)
	}
}

func TestStageRefused(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	ctx, cancel := context.WithCancel(context.Background())
	d, err := b.Stage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	cancel()
	if _, err := d.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("writing to a draft that nobody waits for: %v", err)
	}
	if _, err := b.Stage(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stage after its context ended: %v", err)
	}
	reader := open(t, dir, &shelve.Options{ReadOnly: true})
	if _, err := reader.Stage(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Stage on a store that is only read: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stage(context.Background()); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Stage after Close: %v", err)
	}
}

// A mapped file that is cut off is corrupt where a View guards it, before it is verified and after.
func TestViewOfACutFile(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	v := value("whole", 1<<20)
	mustPut(t, b, cache("k"), v)
	view, info, err := b.Map(ctx, cache("k"))
	if err != nil || !view.Mapped() {
		t.Fatalf("Map: %v, mapped %v", err, view.Mapped())
	}
	defer view.Close()
	files, err := filepath.Glob(filepath.Join(dir, "data", "??", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the data: %q, %v", files, err)
	}
	if err := os.Truncate(files[0], 4096); err != nil {
		t.Fatal(err)
	}
	if err := view.Verify(info); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Verify of a file that was cut off: %v, want ErrCorrupt", err)
	}
	err = view.Use(func(b []byte) error {
		_, err := io.Copy(io.Discard, bytes.NewReader(append([]byte(nil), b...)))
		return err
	})
	if !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Use of a file that was cut off: %v, want ErrCorrupt", err)
	}
	if _, _, err := backend.MapVerified(ctx, b, cache("k")); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("MapVerified of a file that is too short: %v, want ErrCorrupt", err)
	}
}

// A byte that changed on the disk is found before anybody sees the View.
func TestViewOfAChangedFile(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	mustPut(t, b, cache("k"), value("whole", 1<<20))
	files, _ := filepath.Glob(filepath.Join(dir, "data", "??", "*"))
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("!"), 700_000); err != nil {
		t.Fatal(err)
	}
	v, _, err := backend.MapVerified(ctx, b, cache("k"))
	if !errors.Is(err, backend.ErrCorrupt) || v != nil {
		t.Errorf("MapVerified = %v, %v; want ErrCorrupt", v, err)
	}
}
