package stage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/stage"
)

// past is before anything in these tests.
var past = time.Now().Add(-time.Hour).Truncate(time.Second)

func (p *place) info(name string) fs.FileInfo {
	p.t.Helper()
	info, err := os.Lstat(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return info
}

// An output that lies in its place as it was kept stays there, and looks as new as one that was just made, for make. One that differs in
// anything, or that has another name, is made anew.
func TestStandingOutput(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, path string) error
		stays  bool
	}{
		{"unchanged", func(*testing.T, string) error { return nil }, true},
		{"other text of the same length", func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("madf\n"), 0o644) }, false},
		{"longer", func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("made\nmore\n"), 0o644) }, false},
		{"another mode", func(_ *testing.T, path string) error { return os.Chmod(path, 0o600) }, false},
		{"another name", func(_ *testing.T, path string) error { return os.Link(path, path+".link") }, false},
		{"another user's", func(t *testing.T, path string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			return os.Chown(path, 12345, -1)
		}, false},
		{"a link in its place", func(_ *testing.T, path string) error {
			if err := os.Rename(path, path+".moved"); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(path)+".moved", path)
		}, true},
		{"gone", func(_ *testing.T, path string) error { return os.Remove(path) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			s := p.shell("echo made >out; chmod 644 out", "out")
			p.run(s)
			path := filepath.Join(p.dir, "out")
			before := p.info("out")
			if err := c.change(t, path); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(p.dir, "out*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if err := os.Chtimes(file, past, past); err != nil {
					t.Fatal(err)
				}
			}
			if r := p.run(s); !r.Hit {
				t.Fatalf("%+v is no hit", r.Outcome)
			}
			after, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if text := p.read("out"); text != "made\n" || after.Mode() != 0o644 {
				t.Errorf("out is %q with mode %v, want it as it was made", text, after.Mode())
			}
			if !after.ModTime().After(past.Add(time.Minute)) {
				t.Errorf("out is of %v: make would take it for older than what it is made from", after.ModTime())
			}
			// A file that was removed leaves its number to the next one.
			if stays := os.SameFile(before, after); stays != c.stays && c.name != "gone" {
				t.Errorf("the file stayed: %v, want %v", stays, c.stays)
			}
			if other, err := os.Stat(path + ".link"); err == nil && !other.ModTime().Equal(past) {
				t.Error("the file's other name shows a new time")
			}
			if left, _ := filepath.Glob(filepath.Join(p.dir, ".larder*")); len(left) > 0 {
				t.Errorf("%q were left", left)
			}
		})
	}
}

// What was compared may change before all of the run is known to be sound.
func TestStandingOutputChanges(t *testing.T) {
	for _, change := range []string{"", "written", "replaced", "gone"} {
		path := filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(path, []byte("made\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
		put, err := stage.Standing(path, "made\n", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		switch change {
		case "written":
			err = os.WriteFile(path, []byte("other"), 0o644)
		case "replaced":
			if err = os.WriteFile(path+".x", []byte("other"), 0o644); err == nil {
				err = os.Rename(path+".x", path)
			}
		case "gone":
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := put(path+".new", path, path+".old"); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "made\n" {
			t.Errorf("%s: out is %q, %v, want what was kept", change, text, err)
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("%s: %q were left", change, left)
		}
	}
	if _, err := stage.Standing(filepath.Join(t.TempDir(), "out"), strings.Repeat("x", 10), 0o644); err == nil {
		t.Error("an output that is not there stands")
	}
}

// The umask counts for what stands as for what is made anew.
func TestStandingOutputWithinUmask(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo made >out; chmod 644 out", "out")
	p.run(s)
	old := syscall.Umask(0o077)
	r, err := p.try(s)
	syscall.Umask(old)
	if err != nil || !r.Hit {
		t.Fatalf("%+v, %v; want a hit", r.Outcome, err)
	}
	if mode := p.info("out").Mode(); mode != 0o600 {
		t.Errorf("out has mode %v, want 0600", mode)
	}
}
