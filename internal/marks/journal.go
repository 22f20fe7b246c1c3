package marks

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A Journal is a file of this machine to which each process appends its marks, in one write and without a sync: so that a command
// that makes one hit need not write to the store. Whoever finds that it has many, or old ones, stores them. Empty is none.
type Journal string

// maxJournal is when a journal is stored whatever its age.
const maxJournal = maxPending * markSize

// add appends marks.
func (j Journal) add(set Set) error {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY
	f, err := os.OpenFile(string(j), flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(string(j)), 0o700); err == nil {
			f, err = os.OpenFile(string(j), flags, 0o600)
		}
	}
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(set)*markSize)
	for _, m := range set {
		b = m.appendTo(b)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// taken is the end of the name of a journal that is being stored.
const taken = ".taken"

// drain gives the marks of the journal to store if the first of them is older than age, or there are many. A process
// that dies in between leaves them for the next one. Those that others append meanwhile may be lost.
func (j Journal) drain(store func(Set) bool, age time.Duration, now time.Time) {
	left, err := os.Stat(string(j) + taken)
	if err == nil && age > 0 && now.Sub(left.ModTime()) < Grain {
		return // another process is at it
	}
	if err == nil {
		j.give(store)
	}
	if j.due(age, now) && os.Rename(string(j), string(j)+taken) == nil {
		j.give(store)
	}
}

// give gives what was taken out of the way.
func (j Journal) give(store func(Set) bool) {
	b, err := readFile(string(j) + taken)
	if err == nil && store(Of(decodeMarks(nil, b))) {
		os.Remove(string(j) + taken)
	}
}

// readFile reads a journal, as far as one of ours can reach.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<26))
}

// due reports whether the journal is to be stored. Its first mark tells how old it is.
func (j Journal) due(age time.Duration, now time.Time) bool {
	f, err := os.Open(string(j))
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < markSize {
		return false
	}
	var first [markSize]byte
	if _, err := io.ReadFull(f, first[:]); err != nil {
		return false
	}
	at := decodeMarks(nil, first[:])[0].At
	return age == 0 || info.Size() >= maxJournal || now.Sub(time.Unix(int64(at)*3600, 0)) >= age
}
