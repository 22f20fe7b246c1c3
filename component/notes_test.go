//go:build linux || darwin

package component_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-store/larder/component"
)

// notes are files, and a directory to note their digests in, for caches that stand for processes.
type notes struct {
	t    *testing.T
	dir  string
	path string
}

func newNotes(t *testing.T, contents []byte) *notes {
	t.Helper()
	n := &notes{t, filepath.Join(t.TempDir(), "a", "notes"), filepath.Join(t.TempDir(), "file")}
	n.write(contents)
	return n
}

func (n *notes) write(contents []byte) {
	n.t.Helper()
	if err := os.WriteFile(n.path, contents, 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// read reads the file as a new process does, some time later, and wants the digest of contents.
func (n *notes) read(contents []byte, later time.Duration, known bool) {
	n.t.Helper()
	d := component.NewDigests(10, (&clock{later}).now).RememberIn(n.dir)
	digest, got, err := d.Read(n.path)
	if err != nil || digest != sha256.Sum256(contents) || got != known {
		n.t.Errorf("Read = %x, known %v, %v; want the digest of %d bytes, known %v", digest, got, err, len(contents), known)
	}
}

// note returns the path of the only note.
func (n *notes) note() string {
	n.t.Helper()
	all, err := filepath.Glob(filepath.Join(n.dir, "*"))
	if err != nil || len(all) != 1 {
		n.t.Fatalf("notes %q, %v; want one", all, err)
	}
	return all[0]
}

var large = bytes.Repeat([]byte("abcd"), 20_000)

func TestDigestsAreKnownToOtherProcesses(t *testing.T) {
	n := newNotes(t, large)
	n.read(large, time.Minute, false)
	n.read(large, time.Minute, true)
	if info, err := os.Stat(n.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory of notes is %v, %v; want it private", info.Mode(), err)
	}

	// Changed, with the size and the time that it had: only the time of change tells.
	info, err := os.Stat(n.path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // more than the grain of the system's times
	other := bytes.ToUpper(large)
	n.write(other)
	if err := os.Chtimes(n.path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	n.read(other, time.Minute, false)
	n.read(other, time.Minute, true)

	// Another file in its place.
	replacement := n.path + "2"
	if err := os.WriteFile(replacement, large, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(replacement, n.path); err != nil {
		t.Fatal(err)
	}
	n.read(large, time.Minute, false)
}

func TestWhatIsNotNoted(t *testing.T) {
	for name, n := range map[string]*notes{"a small file": newNotes(t, large[:1000]), "an empty file": newNotes(t, nil)} {
		n.read(large[:min(1000, fileSize(t, n.path))], time.Minute, false)
		n.read(large[:min(1000, fileSize(t, n.path))], time.Minute, false)
		if all, _ := os.ReadDir(n.dir); len(all) > 0 {
			t.Errorf("%s was noted", name)
		}
	}
	// One that was changed just now, and may change again in the same instant.
	n := newNotes(t, large)
	n.read(large, 0, false)
	n.read(large, 0, false)
	n.read(large, time.Minute, false)
}

func fileSize(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

// A note that is damaged, or of another file, is no note.
func TestBadNotes(t *testing.T) {
	n := newNotes(t, large)
	n.read(large, time.Minute, false)
	good, err := os.ReadFile(n.note())
	if err != nil {
		t.Fatal(err)
	}
	otherDigest := bytes.Clone(good)
	otherDigest[0] = 'x'
	for name, bad := range map[string][]byte{
		"empty":             {},
		"cut":               good[:len(good)-1],
		"cut in its state":  good[:80],
		"cut in its digest": good[:10],
		"no digest":         otherDigest,
		"a longer digest":   append([]byte("ab"), good...),
		"another state":     bytes.Replace(good, []byte("\n8"), []byte("\n9"), 1),
		"another path":      append(bytes.TrimSuffix(good, []byte("\n")), "x\n"...),
		"more":              append(bytes.Clone(good), "more"...),
	} {
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: the note is good", name)
		}
		if err := os.WriteFile(n.note(), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		n.read(large, time.Minute, false) // and noted again
		n.read(large, time.Minute, true)
		if t.Failed() {
			t.Fatalf("with a note that is %s", name)
		}
	}
}

// Where no notes can be taken, digests are right all the same.
func TestNotesThatCannotBeTaken(t *testing.T) {
	n := newNotes(t, large)
	if err := os.WriteFile(filepath.Dir(filepath.Dir(n.dir))+"/a", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	n.read(large, time.Minute, false)
	n.read(large, time.Minute, false)
}

func TestStaleNotesAreSwept(t *testing.T) {
	n := newNotes(t, large)
	n.read(large, time.Minute, false)
	component.SweepNotes(n.dir, time.Now().Add(-time.Hour))
	n.read(large, time.Minute, true)
	component.SweepNotes(n.dir, time.Now().Add(time.Hour))
	n.read(large, time.Minute, false)
	component.SweepNotes(filepath.Join(n.dir, "absent"), time.Now())
}
