package file_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/ramdisk"
	"github.com/larder-store/larder/internal/sums"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return "file://" + filepath.ToSlash(ramdisk.Dir(t)) },
		Open:  func(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) },
		Crash: conformance.Self,
	})
}

// TestConformanceOnDisk is a quick look with a real disk below, where places wait for it.
func TestConformanceOnDisk(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return "file://" + filepath.ToSlash(t.TempDir()) },
		Open:  func(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) },
		Crash: conformance.Self,
		Quick: true,
	})
}

func open(t testing.TB, dir string) backend.Backend {
	t.Helper()
	b, err := file.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func put(t testing.TB, b backend.Backend, name, text string) backend.Info {
	t.Helper()
	info, err := tryPut(b, name, text, backend.PutOptions{})
	if err != nil {
		t.Fatalf("Put(%q) failed: %v", name, err)
	}
	return info
}

func tryPut(b backend.Backend, name, text string, opts backend.PutOptions) (backend.Info, error) {
	return backend.PutBytes(context.Background(), b, key(name), []byte(text), opts)
}

func key(name string) backend.Key { return backend.Key{Shelf: "s", Name: name} }

func get(t testing.TB, b backend.Backend, name string) (string, error) {
	t.Helper()
	text, _, err := backend.GetVerified(context.Background(), b, key(name))
	return string(text), err
}

func TestReadmeTellsHowToReadAValue(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the recipe is for a Unix shell")
	}
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a/b", "the value\n")
	readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var recipe string
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "    ") {
			recipe = line
		}
	}
	cmd := exec.Command("sh", "-c", recipe)
	cmd.Env = append(os.Environ(), "f="+filepath.Join(dir, "s", "a", "b!"))
	if got, err := cmd.CombinedOutput(); string(got) != "the value\n" || err != nil {
		t.Errorf("the recipe %q prints %q, %v; want the value", recipe, got, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	newer := filepath.Join(dir, "newer")
	for path, text := range map[string]string{
		plain:                                    "",
		filepath.Join(dir, "home", "thesis.tex"): "",
		filepath.Join(newer, ".larder", "format"):   "larder files 2\n",
		filepath.Join(newer, ".larder", "whatever"): "",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slash := filepath.ToSlash(dir)
	for url, want := range map[string]string{
		"file://" + slash + "/home":              "thesis.tex",
		"file://" + slash + "/newer":             "larder files 2",
		"file://" + slash + "/plain":             "plain",
		"file://elsewhere" + slash:               "file:///dir",
		"file://me:secret@localhost/" + slash:    "file:///dir",
		"file:":                                  "file:///dir",
		"file:half%zz":                           "%XX",
		"file://" + slash + "/new?timeout=0s":    "timeout",
		"file://" + slash + "/new?sync=no":       "sync",
		"file://" + slash + "/new?timeout=never": "timeout",
		"file://" + slash + "/new#frag":          "%23",
	} {
		b, err := backend.Open(context.Background(), url)
		if err == nil {
			b.Close()
			t.Errorf("Open(%q) succeeds, want an error with %q", url, want)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) = %q, want an error with %q and without the password", url, err, want)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "home")); err != nil || len(left) != 1 {
		t.Errorf("the refused directory holds %d entries, %v; want what it held before", len(left), err)
	}
}

// Whatever happens to the bytes of a file, no wrong value is delivered.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	const value = "a value that matters"
	put(t, b, "a", value)
	path := filepath.Join(dir, "s", "a!")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := get(t, b, "a"); !errors.Is(err, backend.ErrCorrupt) {
			t.Errorf("Get with %s = %q, %v; want %v", what, got, err, backend.ErrCorrupt)
		}
	}
	for i := range whole {
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 1
		try("a bit flipped in byte "+string(whole[i]), damaged)
	}
	for n := range whole {
		try("its tail cut off", whole[:n])
	}
	try("another number of the format", append([]byte("larder-file-9 "), whole[len("larder-file-1 "):]...))
	try("a tail", append(append([]byte(nil), whole...), 'x'))
	try("a stranger's text", []byte("hello"))

	// It is listed, so that it can be seen and deleted, and the next Put heals it.
	n := 0
	for _, err := range b.List(context.Background(), "s", backend.ListOptions{}) {
		if n++; err != nil {
			t.Errorf("List with a damaged file failed: %v", err)
		}
	}
	put(t, b, "a", value)
	if got, err := get(t, b, "a"); n != 1 || got != value || err != nil {
		t.Errorf("%d entries, then Get = %q, %v; want 1 entry, and %q after the next Put", n, got, err, value)
	}
}

// A file of a later format is neither corrupt nor absent, and stays.
func TestNewerFormat(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a", "a value")
	path := filepath.Join(dir, "s", "a!")
	const text = "larder-file-2 some other header\nand a value that this version cannot read\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t, b, "a"); !errors.Is(err, backend.ErrNewer) || errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Get = %q, %v; want ErrNewer alone", got, err)
	}
	if _, err := b.Stat(context.Background(), backend.Key{Shelf: "s", Name: "a"}); !errors.Is(err, backend.ErrNewer) {
		t.Errorf("Stat = %v, want ErrNewer", err)
	}
	if _, err := backend.Sweep(context.Background(), b, backend.SweepOptions{Grace: 1}); err != nil {
		t.Errorf("Sweep = %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Errorf("the file holds %q, want it as it was", got)
	}
	b.Close()
	if err := os.WriteFile(filepath.Join(dir, ".larder", "format"), []byte("larder files 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(dir, nil); !errors.Is(err, backend.ErrNewer) {
		t.Errorf("Open of a directory of a later format = %v, want ErrNewer", err)
	}
}

// A value does not pass for another's, even where its file was renamed.
func TestRenamedFileIsNoHit(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a", "1")
	if err := os.Rename(filepath.Join(dir, "s", "a!"), filepath.Join(dir, "s", "b!")); err != nil {
		t.Fatal(err)
	}
	got, err := get(t, b, "b")
	if !errors.Is(err, backend.ErrMisplaced) || !errors.Is(err, backend.ErrCorrupt) || !strings.Contains(err.Error(), "another key") {
		t.Errorf("Get of the renamed file = %q, %v; want an error that says so", got, err)
	}
	put(t, b, "b", "2")
	if got, err := get(t, b, "b"); got != "2" || err != nil {
		t.Errorf("after a Put the renamed file holds %q, %v; want what was put", got, err)
	}
}

func TestStrangersFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a/b", "1")
	for _, path := range []string{"s/notes.txt", "s/a/Large!", "s/a/.hidden!", "other/notes.txt", "top!"} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for info, err := range b.List(context.Background(), "s", backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Key.Name)
	}
	if got := strings.Join(names, " "); got != "a/b" {
		t.Errorf("List yields %q, want a/b alone", got)
	}
	if err := b.Delete(context.Background(), key("a/b")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s", "a", "Large!")); err != nil {
		t.Errorf("after a Delete beside it a stranger's file is gone: %v", err)
	}
}

func TestDeleteLeavesNoEmptyDirectories(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a/b/c", "1")
	put(t, b, "a/d", "1")
	if err := b.Delete(context.Background(), key("a/b/c")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "s", "a", "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of the deleted file is still there (%v)", err)
	}
	if got, err := get(t, b, "a/d"); got != "1" || err != nil {
		t.Errorf("its neighbour is %q, %v", got, err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	put(t, b, "a", "1")
	dead := filepath.Join(dir, ".larder", "temp", "temp-dead")
	if err := os.WriteFile(dead, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	sweep := func(opts backend.SweepOptions) backend.SweepReport {
		t.Helper()
		report, err := backend.Sweep(context.Background(), b, opts)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if got := sweep(backend.SweepOptions{}); got.Orphans != 0 || got.Kept != 1 {
		t.Errorf("Sweep of a file just written = %+v, want it kept", got)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dead, old, old); err != nil {
		t.Fatal(err)
	}
	if got := sweep(backend.SweepOptions{DryRun: true}); got.Orphans != 1 || got.OrphanBytes != 5 {
		t.Errorf("dry Sweep = %+v, want 1 orphan of 5 bytes", got)
	}

	// A Put under way is not disturbed, however old its file looks.
	slow := &slowBody{Reader: strings.NewReader("slowly"), reading: make(chan bool), goOn: make(chan bool)}
	opts := backend.PutOptions{Size: 6}
	opts.Digest, opts.Sum = sums.Of([]byte("slowly"))
	stored := make(chan error)
	go func() {
		_, err := b.Put(context.Background(), key("slow"), slow, opts)
		stored <- err
	}()
	<-slow.reading
	if got := sweep(backend.SweepOptions{Grace: time.Nanosecond}); got.Orphans != 1 || got.Kept != 1 {
		t.Errorf("Sweep beside a Put = %+v, want 1 orphan removed and 1 kept", got)
	}
	close(slow.goOn)
	if err := <-stored; err != nil {
		t.Errorf("the Put beside the Sweep failed: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(dead)); err != nil || len(left) != 0 {
		t.Errorf("%d temporary files are left (%v), want none", len(left), err)
	}
}

// slowBody waits at its first byte.
type slowBody struct {
	*strings.Reader
	reading, goOn chan bool
	once          sync.Once
}

func (s *slowBody) Read(p []byte) (int, error) {
	s.once.Do(func() {
		close(s.reading)
		<-s.goOn
	})
	return s.Reader.Read(p)
}
