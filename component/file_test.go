package component_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

func write(t *testing.T, path, contents string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	one, two, other := filepath.Join(dir, "one.dat"), filepath.Join(dir, "two.dat"), filepath.Join(dir, "other.dat")
	big := strings.Repeat("0123456789abcdef", 100_000)
	write(t, one, big)
	write(t, two, big)
	write(t, other, "")
	a, err := component.File(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := component.File(two)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := component.File(other)
	if err != nil {
		t.Fatal(err)
	}
	if a.Type() != component.FileType || a.Version() != "1" || a.Inputs() != nil {
		t.Errorf("File answers %q, %q, %v", a.Type(), a.Version(), a.Inputs())
	}
	if a.Parameters() != b.Parameters() || a.Parameters() == empty.Parameters() {
		t.Errorf("parameters %v, %v and %v, want the first two equal", a.Parameters(), b.Parameters(), empty.Parameters())
	}
	if a.Path() != one || a.Digest() != sha256.Sum256([]byte(big)) || a.Size() != int64(len(big)) {
		t.Errorf("Path() = %q, Digest() = %x, Size() = %d", a.Path(), a.Digest(), a.Size())
	}
	if same := component.Content(a.Digest(), a.Size()); same.Parameters() != a.Parameters() || same.Path() != "" {
		t.Errorf("Content answers %v at %q, want what File does, without a path", same.Parameters(), same.Path())
	}
	if again, err := component.File(one); again != a || err != nil {
		t.Errorf("File again = %v, %v, want an equal component", again, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	if c, err := component.File(link); err != nil || c.Parameters() != a.Parameters() {
		t.Errorf("File of a link = %v, %v, want what it leads to", c, err)
	}
	write(t, one, "short")
	if c, err := component.File(one); err != nil || c.Parameters() == a.Parameters() {
		t.Errorf("File after a change = %v, %v, want another component", c, err)
	}
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.dat")
	for _, tt := range []struct {
		path, want string
		is         error
	}{
		{missing, "check the path", fs.ErrNotExist},
		{dangling, "check the path", fs.ErrNotExist},
		{"", "check the path", fs.ErrNotExist},
		{dir, "is a directory; name the files in it", nil},
		{"a\x00b", "cannot be read", nil},
	} {
		c, err := component.File(tt.path)
		if c != (component.FileContent{}) || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), fmt.Sprintf("input file %q", tt.path)) {
			t.Errorf("File(%q) = %v, %v, want an error with the path and %q", tt.path, c, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("File(%q) = %v, want %v", tt.path, err, tt.is)
		}
	}
}

func TestFileRemedies(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "check its permissions"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, "check the path"},
		{&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, "cannot be read"},
		{syscall.EIO, "cannot be read"},
	} {
		got := component.Remedy(tt.err)
		var cause syscall.Errno
		if !strings.Contains(got.Error(), tt.want) || !errors.As(got, &cause) || strings.Contains(got.Error(), "x:") {
			t.Errorf("Remedy(%v) = %v, want %q and the cause, without the path", tt.err, got, tt.want)
		}
	}
}

// clock is a time that tests can move.
type clock struct{ ahead time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.ahead) }

func TestDigestsAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording.dat")
	write(t, path, "one")
	later := &clock{}
	d := component.NewDigests(10, later.now)
	read := func(contents string, known bool) {
		t.Helper()
		digest, got, err := d.Read(path)
		if err != nil || digest != sha256.Sum256([]byte(contents)) || got != known {
			t.Errorf("Read = %x, known %v, %v, want the digest of %q, known %v", digest, got, err, contents, known)
		}
	}
	// What was just written may change again without a trace in its times.
	read("one", false)
	read("one", false)
	later.ahead = time.Minute
	read("one", false)
	read("one", true)
	read("one", true)

	// Every trace of a change makes it be read again.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "two") // the same size
	read("two", false)
	read("two", true)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	read("two", false)
	read("two", true)
	replacement := path + ".new"
	write(t, replacement, "six")
	if err := os.Chtimes(replacement, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(replacement, path); err != nil {
		t.Fatal(err)
	}
	read("six", false)
	read("six", true)
	write(t, path, "longer")
	read("longer", false)
	read("longer", true)

	// What was known of a file that changes now is forgotten.
	later.ahead = 0
	write(t, path, "even longer")
	read("even longer", false)
	if d.Len() != 0 {
		t.Errorf("%d files are remembered, want none", d.Len())
	}

	// A file that is gone is not known any more.
	later.ahead = time.Minute
	read("even longer", false)
	read("even longer", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Read(path); !errors.Is(err, fs.ErrNotExist) || d.Len() != 0 {
		t.Errorf("Read of a removed file = %v with %d known, want ErrNotExist and none", err, d.Len())
	}
}

// A file from the future cannot be distinguished from one that changes now.
func TestDigestsDistrustTheFuture(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording.dat")
	write(t, path, "one")
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, future, future); err != nil {
		t.Fatal(err)
	}
	d := component.NewDigests(10, (&clock{time.Minute}).now)
	for range 2 {
		if _, known, err := d.Read(path); known || err != nil {
			t.Errorf("Read = known %v, %v, want it read again", known, err)
		}
	}
}

func TestDigestsAreBounded(t *testing.T) {
	dir := t.TempDir()
	d := component.NewDigests(3, (&clock{time.Minute}).now)
	for i := range 10 {
		path := filepath.Join(dir, fmt.Sprint(i))
		write(t, path, "x")
		if _, _, err := d.Read(path); err != nil {
			t.Fatal(err)
		}
		if d.Len() > 3 {
			t.Fatalf("%d files are remembered, want at most 3", d.Len())
		}
	}
	if d.Len() != 3 {
		t.Errorf("%d files are remembered, want 3", d.Len())
	}
}

func TestFileChangedWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording.dat")
	write(t, path, "one")
	// The clock is asked between the first look at the file and its last byte.
	growing := component.NewDigests(10, func() time.Time {
		write(t, path, "one more")
		return time.Now().Add(time.Minute)
	})
	_, _, err := growing.Read(path)
	if err == nil || !strings.Contains(err.Error(), "changed while it was read") || growing.Len() != 0 {
		t.Errorf("Read = %v with %d remembered, want an error and none", err, growing.Len())
	}
}

func TestFileConcurrently(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		write(t, filepath.Join(dir, fmt.Sprint(i)), strings.Repeat("x", i))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 40 {
				c, err := component.File(filepath.Join(dir, fmt.Sprint(i%4)))
				if err != nil {
					t.Error(err)
					return
				}
				want := sha256.Sum256([]byte(strings.Repeat("x", i%4)))
				if got := c.Digest(); got != want {
					t.Errorf("digest %x, want %x", got, want)
				}
			}
		})
	}
	wg.Wait()
}
