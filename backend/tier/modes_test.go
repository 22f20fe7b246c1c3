package tier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tier"
)

// away is a store that can be away, and counts what it is asked.
type away struct {
	*mem.Backend
	gone  atomic.Bool
	asked atomic.Int64
	after func(op string) // called when a write took effect
}

func (a *away) ask(op string, key backend.Key) error {
	a.asked.Add(1)
	if a.gone.Load() {
		return backend.Wrap(op, "away", key, fmt.Errorf("no route: %w", backend.ErrUnavailable))
	}
	return nil
}

func (a *away) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if err := a.ask("get", key); err != nil {
		return nil, backend.Info{}, err
	}
	return a.Backend.Get(ctx, key)
}

func (a *away) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if err := a.ask("stat", key); err != nil {
		return backend.Info{}, err
	}
	return a.Backend.Stat(ctx, key)
}

func (a *away) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	if err := a.ask("put", key); err != nil {
		return backend.Info{}, err
	}
	info, err := a.Backend.Put(ctx, key, body, opts)
	if a.after != nil {
		a.after("put")
	}
	return info, err
}

// Close leaves the values to the next handle.
func (a *away) Close() error { return nil }

func (a *away) Delete(ctx context.Context, key backend.Key) error {
	if err := a.ask("delete", key); err != nil {
		return err
	}
	return a.Backend.Delete(ctx, key)
}

// pair opens a tier over a fresh near store and a far one that lasts.
func pair(t testing.TB, far *away, opts tier.Options) (b backend.Backend, near string) {
	t.Helper()
	near = t.TempDir()
	return over(t, near, far, opts), near
}

func over(t testing.TB, near string, far backend.Backend, opts tier.Options) backend.Backend {
	t.Helper()
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tier.Open(context.Background(), n, far, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func newAway() *away { return &away{Backend: mem.New(nil)} }

func key(name string) backend.Key { return backend.Key{Shelf: "cache", Name: name} }

func put(t testing.TB, b backend.Backend, name, value string) {
	t.Helper()
	if _, err := backend.PutBytes(context.Background(), b, key(name), []byte(value), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, b backend.Backend, name, want string) {
	t.Helper()
	got, _, err := backend.GetVerified(context.Background(), b, key(name))
	if want == "" && errors.Is(err, backend.ErrNotFound) {
		return
	}
	if err != nil || string(got) != want {
		t.Errorf("%s holds %.40q, %v; want %.40q", name, got, err, want)
	}
}

// value is one of a size at which the near store keeps values in rows, in files, and the tier streams.
func value(n int, size int) string { return strings.Repeat(fmt.Sprintf("%08d", n), size/8) }

var sizes = map[string]int{"small": 80, "large": 200_000, "streamed": 3 << 20}

// What was read or written once is read near from then on, with the far store's Info.
func TestReadsNear(t *testing.T) {
	ctx := context.Background()
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			far := newAway()
			b, _ := pair(t, far, tier.Options{})
			put(t, far.Backend, "old", value(1, size))
			wants(t, b, "old", value(1, size))
			put(t, b, "new", value(2, size))
			asked := far.asked.Load()
			for range 2 {
				wants(t, b, "old", value(1, size))
				wants(t, b, "new", value(2, size))
				for _, name := range []string{"old", "new"} {
					want, err := far.Backend.Stat(ctx, key(name))
					if err != nil {
						t.Fatal(err)
					}
					got, err := b.Stat(ctx, key(name))
					if err != nil || got.Version != want.Version || got.Digest != want.Digest || len(got.Meta) != 0 || got.ModTime.Sub(want.ModTime).Abs() > time.Second {
						t.Errorf("Stat = %+v, %v; want %+v", got, err, want)
					}
				}
			}
			if n := far.asked.Load() - asked; n != 0 {
				t.Errorf("the far store is asked %d times for what is near", n)
			}
			put(t, b, "old", value(3, size))
			wants(t, b, "old", value(3, size))
			if err := b.Delete(ctx, key("new")); err != nil {
				t.Fatal(err)
			}
			wants(t, b, "new", "")
		})
	}
}

// A program that opens the near store by itself takes neither copies nor marks for values: a mark is empty, and would be a wrong hit.
func TestNearByItself(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	b, near := pair(t, far, tier.Options{})
	put(t, b, "a", "1")
	put(t, b, "gone", "2")
	if err := b.Delete(ctx, key("gone")); err != nil {
		t.Fatal(err)
	}
	n, err := shelve.Open(near, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	wants(t, n, "a", "")
	wants(t, n, "gone", "")
	put(t, n, "a", "by itself")
	wants(t, b, "a", "1")
}

// While the far store is away, what is near is read, and the rest is ErrUnavailable. Nothing is taken for absent.
func TestFarAway(t *testing.T) {
	ctx := context.Background()
	far := newAway()
	b, _ := pair(t, far, tier.Options{})
	put(t, b, "near", "1")
	put(t, far.Backend, "far", "2")
	far.gone.Store(true)
	wants(t, b, "near", "1")
	for name, err := range map[string]error{
		"Get":  func() error { _, _, err := b.Get(ctx, key("far")); return err }(),
		"Stat": func() error { _, err := b.Stat(ctx, key("far")); return err }(),
		"Put": func() error {
			_, err := backend.PutBytes(ctx, b, key("near"), []byte("3"), backend.PutOptions{})
			return err
		}(),
		"Delete": b.Delete(ctx, key("near")),
	} {
		if !errors.Is(err, backend.ErrUnavailable) {
			t.Errorf("%s = %v, want %v", name, err, backend.ErrUnavailable)
		}
	}
	far.gone.Store(false)
	wants(t, b, "near", "1") // neither the Put nor the Delete took effect
	wants(t, b, "far", "2")
	informer, _ := backend.As[backend.Informer](b)
	facts, err := informer.Facts(ctx)
	if err != nil || !strings.Contains(fmt.Sprint(facts), "{far store away 4 times}") {
		t.Errorf("Facts = %v, %v; want that the far store was away 4 times", facts, err)
	}
}

// In the mode Back work goes on while the far store is away, and all of it arrives, in order, once it is back.
func TestBack(t *testing.T) {
	ctx := context.Background()
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			far := newAway()
			put(t, far.Backend, "gone", "g")
			put(t, far.Backend, "stays", "s")
			far.gone.Store(true)
			opts := tier.Options{Write: tier.Back}
			b, near := pair(t, far, opts)
			for i := range 3 {
				put(t, b, "a", value(i, size))
				put(t, b, "b", value(10+i, size))
			}
			if err := b.Delete(ctx, key("gone")); err != nil {
				t.Fatal(err)
			}
			wants(t, b, "a", value(2, size))
			wants(t, b, "gone", "")
			if err := b.Close(); err != nil { // which does not wait for a store that is away
				t.Fatal(err)
			}
			b = over(t, near, far, opts)
			wants(t, b, "a", value(2, size))
			far.gone.Store(false)
			if err := b.(interface{ Flush(context.Context) error }).Flush(ctx); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"a": value(2, size), "b": value(12, size), "gone": "", "stays": "s"} {
				wants(t, far.Backend, name, want)
				wants(t, b, name, want)
			}
		})
	}
}

// A near value that is damaged is read far, and replaced.
func TestDamagedCopy(t *testing.T) {
	far := newAway()
	b, near := pair(t, far, tier.Options{})
	put(t, b, "a", value(1, sizes["large"]))
	damaged := 0
	err := filepath.Walk(near, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Size() < int64(sizes["large"]) {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte(value(1, 800))) {
			damaged++
			err = os.WriteFile(path, bytes.ReplaceAll(text, []byte("00000001"), []byte("00000666")), 0o600)
		}
		return err
	})
	if err != nil || damaged != 1 {
		t.Fatalf("%d files were damaged: %v", damaged, err)
	}
	asked := far.asked.Load()
	wants(t, b, "a", value(1, sizes["large"]))
	if far.asked.Load() == asked {
		t.Error("the far store is not asked")
	}
	asked = far.asked.Load()
	wants(t, b, "a", value(1, sizes["large"]))
	if far.asked.Load() != asked {
		t.Error("the copy is not replaced")
	}
}

// A large near copy is mapped; one that is damaged is read far, and replaced.
func TestMappedCopy(t *testing.T) {
	ctx, far := context.Background(), newAway()
	b, near := pair(t, far, tier.Options{})
	text := value(1, 2<<20)
	put(t, b, "a", text)
	sees := func(what string, mapped bool) {
		t.Helper()
		v, info, err := backend.MapVerified(ctx, b, key("a"))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer v.Close()
		if string(v.Bytes()) != text || info.Key != key("a") || info.Size != int64(len(text)) {
			t.Errorf("%s: %d bytes, %+v", what, len(v.Bytes()), info)
		}
		if runtime.GOOS == "linux" && v.Mapped() != mapped {
			t.Errorf("%s is mapped: %v, want %v", what, v.Mapped(), mapped)
		}
	}
	asked := far.asked.Load()
	sees("a sound copy", true)
	if far.asked.Load() != asked {
		t.Error("the far store is asked for what is near")
	}
	files, err := filepath.Glob(filepath.Join(near, "data", "??", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("near are %q, %v; want one file", files, err)
	}
	if err := os.WriteFile(files[0], []byte((text + "x")[1:]), 0o600); err != nil {
		t.Fatal(err)
	}
	sees("a damaged copy", false)
	if far.asked.Load() == asked {
		t.Error("the far store is not asked for what is damaged near")
	}
	sees("the copy that replaced it", true)
}

// With near_max the oldest copies go, and what waits for the far store stays.
func TestNearMax(t *testing.T) {
	ctx := context.Background()
	for _, mode := range []tier.Mode{tier.Through, tier.Back} {
		t.Run(string(mode), func(t *testing.T) {
			far := newAway()
			opts := tier.Options{Write: mode, NearMax: 100_000}
			b, near := pair(t, far, opts)
			for i := range 100 {
				put(t, b, fmt.Sprint("a", i), value(i, 10_000))
			}
			if mode == tier.Back {
				if err := b.(interface{ Flush(context.Context) error }).Flush(ctx); err != nil {
					t.Fatal(err)
				}
				far.gone.Store(true)
				put(t, b, "waits", value(7, 200_000))
			}
			n, err := shelve.Open(near, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
				total := int64(0)
				for info, err := range n.List(ctx, "near.cache", backend.ListOptions{}) {
					if err != nil {
						t.Fatal(err)
					}
					total += info.Size
				}
				if total > 0 && total <= 120_000 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d bytes are near, 100,000 allowed", total)
				}
			}
			b.Close()
			b = over(t, near, far, opts)
			if mode == tier.Back {
				wants(t, b, "waits", value(7, 200_000))
				far.gone.Store(false)
			}
			for i := range 100 {
				wants(t, b, fmt.Sprint("a", i), value(i, 10_000))
			}
		})
	}
}
