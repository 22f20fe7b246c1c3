package shelve_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/internal/ramdisk"
)

// TestURLs opens stores by all forms of URL.
func TestURLs(t *testing.T) {
	ctx := context.Background()
	t.Chdir(t.TempDir())
	abs, err := filepath.Abs("store")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, open(t, abs, nil), cache("k"), []byte("v"))
	for _, url := range []string{
		abs,
		"store",
		"./store",
		"shelve:store",
		"shelve:./store",
		"shelve:%73tore",
		"shelve://" + filepath.ToSlash(abs),
		"shelve://" + filepath.ToSlash(abs) + "/?sync=index&inline=1KiB&timeout=3s&readonly=false&network=true",
		"shelve:store?inline=0",
	} {
		if runtime.GOOS == "windows" && strings.HasPrefix(url, "shelve://") {
			url = strings.Replace(url, "://", ":///", 1)
		}
		b, err := backend.Open(ctx, url)
		if err != nil {
			t.Errorf("Open(%q) = %v", url, err)
			continue
		}
		if v, _, err := get(b.(*shelve.Backend), cache("k")); err != nil || string(v) != "v" {
			t.Errorf("Open(%q), get = %q, %v", url, v, err)
		}
		b.Close()
	}
	for url, want := range map[string]string{
		"shelve://host/dir":           "shelve:///dir",
		"shelve://user:secret@h/dir":  "names a host",
		"shelve:":                     "names no directory",
		"shelve:///a#b":               "%23",
		"shelve:%zz":                  "",
		"shelve:store?sync=never":     "full, index",
		"shelve:store?snyc=full":      "inline, network, readonly, sync, timeout",
		"shelve:store?sync=full&sync": "2 times",
		"shelve:store?timeout=5ms":    "at least 1s",
		"shelve:store?inline=2MiB":    "1048576",
		"shelve:store?inline=much":    "64KiB",
		"shelve:store?readonly=maybe": "true or false",
		"shelve:none?readonly=true":   "no store",
	} {
		b, err := backend.Open(ctx, url)
		if err == nil {
			b.Close()
			t.Errorf("Open(%q) = nil, want an error", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) = %v, want it to say %q", url, err, want)
		}
	}
}

// TestForeign: what is not a store is refused, by name, and left as it was.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) string {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		path  string
		want  string
		wantE error
	}{
		{write("file", "x"), "is a file", nil},
		{filepath.Dir(write("other/thesis.tex", "x")), "thesis.tex", nil},
		{filepath.Dir(filepath.Dir(write("files/.larder/lock", "x"))), "give it as file:///", nil},
		{filepath.Dir(write("newer/FORMAT", "larder shelve 2\n")), "newer Larder", nil},
		{filepath.Dir(write("garbled/FORMAT", "larder shelve one\n")), "FORMAT", backend.ErrCorrupt},
		{filepath.Dir(write("strange/FORMAT", "RIFF")), "FORMAT", backend.ErrCorrupt},
		{filepath.Join(write("file2", "x"), "under"), "file2", nil},
		{"", "empty", nil},
	} {
		_, err := shelve.Open(tc.path, nil)
		var wrapped *backend.Error
		if err == nil || !errors.As(err, &wrapped) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Open(%q) = %v, want it to say %q", tc.path, err, tc.want)
		}
		if tc.wantE != nil && !errors.Is(err, tc.wantE) {
			t.Errorf("Open(%q) = %v, want %v", tc.path, err, tc.wantE)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "other")); err != nil || len(entries) != 1 {
		t.Errorf("the foreign directory holds %v, %v", entries, err)
	}
}

// TestMaking: an empty directory becomes a store, also one that a process that died left
// half made, and by many at once; with a README for strangers, for its owner alone.
func TestMaking(t *testing.T) {
	var dir string
	for range 20 {
		dir = filepath.Join(ramdisk.Dir(t), "a", "b")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				b, err := shelve.Open(dir, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer b.Close()
				if err := put(b, cache("k"), []byte("v")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README"))
	if err != nil || !strings.Contains(string(readme), "larder") {
		t.Errorf("README = %.20q, %v", readme, err)
	}
	mustPut(t, open(t, dir, nil), backend.Key{Shelf: "run", Name: "k"}, value("v", large))
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if runtime.GOOS != "windows" && err == nil && fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the permissions %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}

	half := t.TempDir()
	for _, name := range []string{"FORMAT.123", "lost+found"} {
		if err := os.WriteFile(filepath.Join(half, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, open(t, half, nil), cache("k"), []byte("v"))
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	mustPut(t, open(t, dir, nil), cache("k"), value("v", large))
}

// TestNetwork: a network file system is refused by name, with the remedies, before
// anything is written; and may be allowed.
func TestNetwork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	_, err := shelve.Open(dir, shelve.OnNetwork(shelve.Options{}, "nfs"))
	if err == nil || !strings.Contains(err.Error(), "nfs") || !strings.Contains(err.Error(), "network=true") {
		t.Errorf("Open = %v, want it to name nfs and network=true", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	mustPut(t, open(t, dir, shelve.OnNetwork(shelve.Options{Network: true}, "nfs")), cache("k"), []byte("v"))
	if _, err := shelve.Open(dir, shelve.OnNetwork(shelve.Options{}, "nfs")); err == nil {
		t.Error("Open of an existing store = nil, want an error")
	}
}

// TestReadOnly: a store that is opened to be read is not written, by any method.
func TestReadOnly(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	b := open(t, dir, nil)
	mustPut(t, b, cache("small"), []byte("v"))
	mustPut(t, b, cache("large"), value("v", large))
	b.Close()
	b = open(t, dir, &shelve.Options{ReadOnly: true})
	for _, name := range []string{"small", "large"} {
		if _, _, err := get(b, cache(name)); err != nil {
			t.Errorf("get %s: %v", name, err)
		}
	}
	_, sweepErr := b.Sweep(ctx, backend.SweepOptions{})
	_, leaseErr := b.Acquire(ctx, "job", time.Minute)
	for op, err := range map[string]error{
		"put":       put(b, cache("k"), []byte("v")),
		"put large": put(b, cache("k"), value("v", large)),
		"delete":    b.Delete(ctx, cache("small")),
		"sweep":     sweepErr,
		"acquire":   leaseErr,
	} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%s: %v, want %v", op, err, errors.ErrUnsupported)
		}
	}
	if _, err := b.Sweep(ctx, backend.SweepOptions{DryRun: true}); err != nil {
		t.Errorf("dry sweep: %v", err)
	}
}

// TestOneProcess: handles on one directory, by whatever path, share it without waiting for
// each other; the last to close ends it.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, dir, nil), open(t, link, &shelve.Options{Inline: -1})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			key := cache(fmt.Sprint("k", i))
			if err := put(a, key, []byte("a")); err != nil {
				t.Error(err)
			}
			if v, _, err := get(b, key); err != nil || string(v) != "a" {
				t.Errorf("get = %q, %v", v, err)
			}
			if err := put(b, key, []byte("b")); err != nil {
				t.Error(err)
			}
			if v, _, err := get(a, key); err != nil || string(v) != "b" {
				t.Errorf("get = %q, %v", v, err)
			}
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := put(a, cache("k"), nil); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("put: %v, want %v", err, backend.ErrClosed)
	}
	if err := put(b, cache("k"), nil); err != nil {
		t.Errorf("put on the other handle: %v", err)
	}
}

// TestManyShelves uses more shelves at once than files are kept open.
func TestManyShelves(t *testing.T) {
	const n = 150
	dir := t.TempDir()
	b := open(t, dir, &shelve.Options{NoSync: true})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			key := backend.Key{Shelf: fmt.Sprint("run-", i), Name: "k"}
			for range 3 {
				if err := put(b, key, []byte(key.Shelf)); err != nil {
					t.Error(err)
				}
				if v, _, err := get(b, key); err != nil || string(v) != key.Shelf {
					t.Errorf("get %q = %q, %v", key, v, err)
				}
			}
		})
	}
	wg.Wait()
	count := 0
	for _, err := range b.Shelves(context.Background(), backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != n {
		t.Errorf("%d shelves, want %d", count, n)
	}
}

// TestRemovedStore: a store that is removed and made anew under an open handle is the new
// one from then on.
func TestRemovedStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	old := open(t, dir, nil)
	mustPut(t, old, cache("k"), []byte("old"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) { // until its files are closed, which are not used meanwhile
		_, _, err := get(old, cache("k"))
		if errors.Is(err, backend.ErrNotFound) {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("get = %v, want %v", err, backend.ErrNotFound)
		}
	}
	fresh := open(t, dir, nil)
	mustPut(t, fresh, cache("k"), []byte("new"))
	if v, _, err := get(old, cache("k")); err != nil || string(v) != "new" {
		t.Errorf("get = %q, %v, want the new store's value", v, err)
	}
}
