package shelve

import (
	"encoding/binary"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/sums"
)

// A note is what a host commits together with the changes of its guests: which asks they were, and what became of each.
// It replaces the one before, since it keeps those whose answer is not on its way yet. So a guest whose host dies looks into
// the file whether its ask is noted: it was committed, or never will be.
//
// Notes lie in a bucket of their own, whose name no shelf has, in a ring of notes: one for each process that was a host. The
// bucket's sequence counts those. It tells a guest whether the note of its host can have been overwritten; then, and only
// then, the outcome is in doubt.

var notesBucket = []byte("\x00notes")

// notes is how many hosts a file remembers.
const notes = 1024

// note is of one host.
type note struct {
	Host id
	Asks []noted
}

// noted is one ask that was committed.
type noted struct {
	Link   uint64
	Number uint64
	Time   int64
	Codes  []code
}

// leaveNote puts the note of this process into a transaction. Its steps are applied.
func (f *file) leaveNote(tx *bbolt.Tx, asks []noted) error {
	b, err := tx.CreateBucketIfNotExists(notesBucket)
	if err != nil {
		return err
	}
	at, ok := f.ownNote(b)
	if !ok {
		if at, err = b.NextSequence(); err != nil {
			return err
		}
	}
	f.noteAt.Store(at)
	body := encode(&note{Host: f.self, Asks: asks})
	// A record like all others, so that what goes through a file record by record understands it.
	c := &indexed.Change{
		Key:     noteKey(at),
		Inline:  body,
		Options: backend.PutOptions{Size: int64(len(body)), Sum: sums.CRC(body)},
	}
	return b.Put([]byte(c.Key.Name), newRecord(c, f.self, time.Now()))
}

// ownNote returns where the note of this process lies, if it has one.
func (f *file) ownNote(b *bbolt.Bucket) (at uint64, ok bool) {
	at = f.noteAt.Load()
	n, ok := readNote(b, at)
	return at, ok && n.Host == f.self
}

func noteKey(at uint64) backend.Key {
	return backend.Key{Shelf: string(notesBucket), Name: string(binary.BigEndian.AppendUint16(nil, uint16(at%notes)))}
}

func readNote(b *bbolt.Bucket, at uint64) (n note, ok bool) {
	key := noteKey(at)
	record := b.Get([]byte(key.Name))
	if record == nil {
		return n, false
	}
	e, err := parseRecord(key, record)
	return n, err == nil && decode(e.Inline, &n) == nil
}

// notesBefore returns how many notes were left, ever, before the one that this process will leave, or replace, in s.
func (f *file) notesBefore(s *session) (n uint64, err error) {
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	b := tx.Bucket(notesBucket)
	if b == nil {
		return 0, nil
	}
	if at, ok := f.ownNote(b); ok {
		return at - 1, nil
	}
	return b.Sequence(), nil
}

// recall looks up what became of an ask whose host holds the file no more. It is the file that the host had.
func recall(tx *bbolt.Tx, h hello, number uint64) (was noted, what fate) {
	b := tx.Bucket(notesBucket)
	switch {
	case b == nil && h.Notes > 0:
		return was, doubt // it is another file after all
	case b == nil:
		return was, refused
	}
	for at := range min(b.Sequence()+1, notes) {
		n, ok := readNote(b, at)
		if !ok || n.Host != h.Host {
			continue
		}
		i := slices.IndexFunc(n.Asks, func(a noted) bool { return a.Link == h.Link && a.Number == number })
		if i < 0 {
			return was, refused
		}
		return n.Asks[i], done
	}
	if b.Sequence()-h.Notes > notes {
		return was, doubt
	}
	return was, refused
}
