package component

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A FileOption changes how [File] reads.
type FileOption struct{ notes string }

// RememberIn makes [File] remember the digest of a large file in dir, for all processes that name the
// same directory, and creates dir if it is absent: for short-lived commands that look at the same
// large files at each start. A digest is believed as long as the file is in the state that File trusts
// within a process, and the system must say when it was last changed, or nothing is remembered.
//
// Whoever may write to dir can make files pass for others: it belongs to the user alone.
func RememberIn(dir string) FileOption { return FileOption{dir} }

const (
	// notable is how large a file must be to be noted: reading a note takes 20 µs, as long as
	// hashing 25 KB.
	notable = 64 << 10
	// stale is when a note is removed. A file that is still in use is read once more then.
	stale = 90 * 24 * time.Hour
	// sweepEvery is how many notes are written, on the average, between two looks for stale ones.
	sweepEvery = 200
)

// A note is a file of three lines: a digest, the state of the file that it is the digest
// of, and its path.

// note returns where the note on a path is.
func note(dir, path string) string {
	digest := sha256.Sum256([]byte(path))
	return filepath.Join(dir, hex.EncodeToString(digest[:16]))
}

// noted returns the digest of a file that was noted in the state of info.
func noted(dir, path string, info fs.FileInfo) (digest [sha256.Size]byte, ok bool) {
	state := stateOf(info)
	path, err := filepath.Abs(path)
	if err != nil || state == "" || info.Size() < notable {
		return digest, false
	}
	text, err := os.ReadFile(note(dir, path))
	if err != nil {
		return digest, false
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	if rest != state+"\n"+path+"\n" || len(first) != hex.EncodedLen(sha256.Size) {
		return digest, false
	}
	_, err = hex.Decode(digest[:], []byte(first))
	return digest, err == nil
}

// takeNote notes a digest. Failures are ignored: the digest is computed again then.
func takeNote(dir, path string, info fs.FileInfo, digest [sha256.Size]byte) {
	state := stateOf(info)
	path, err := filepath.Abs(path)
	if err != nil || state == "" || info.Size() < notable || strings.Contains(path, "\n") {
		return
	}
	f, err := os.CreateTemp(dir, "new-*")
	if os.IsNotExist(err) && os.MkdirAll(dir, 0o700) == nil {
		f, err = os.CreateTemp(dir, "new-*")
	}
	if err != nil {
		return
	}
	_, err = fmt.Fprintf(f, "%x\n%s\n%s\n", digest, state, path)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), note(dir, path)) != nil {
		os.Remove(f.Name())
	}
	if rand.N(sweepEvery) == 0 {
		sweepNotes(dir, time.Now().Add(-stale))
	}
}

// sweepNotes removes what was written before a moment.
func sweepNotes(dir string, before time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// stateOf distinguishes a state of a file from every other, also one of another file that came to be in
// its place; empty where the system does not say enough.
func stateOf(info fs.FileInfo) string {
	device, inode, ok := identity(info)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %v %d %d %d %d", info.Size(), info.Mode(), info.ModTime().UnixNano(), changeTime(info).UnixNano(), device, inode)
}
