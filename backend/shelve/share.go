package shelve

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/peer"
)

// While a process has a bbolt file open alone, others that need it ask that process, its host, by a socket beside the
// file: to put and delete small values, which go into its next group, and to look one up. So one commit serves all of them,
// and the file need not change hands. docs/shelve.md says why an answer that is lost is no doubt.
//
// share.go has what they say to each other and wire.go how, host.go the side that is asked, guest.go the side that asks, and
// note.go what a host leaves behind for those whose answer it could not give.

// shareVersion is that of the messages. Who speaks another one takes turns.
const shareVersion = 1

// socketEnd is the end of the name of a host's socket.
const socketEnd = ".sock"

// hello is what a host says first.
type hello struct {
	Version int
	Host    id     // of the process, for this file
	Link    uint64 // the number of this connection
	Notes   uint64 // how many notes were left in the file before that of the host
}

// ask is what a guest wants.
type ask struct {
	What    wish
	Number  uint64 // of this ask on its connection
	Shelf   string // of lookup
	Name    string
	Changes []sharedChange // of commit
}

type wish uint8

const (
	lookup wish = iota + 1
	commit
	leave // the guest needs the file itself; there is no answer
)

// sharedChange is an [indexed.Change] of a value that travels in its record.
type sharedChange struct {
	ID       id // of the record that it makes
	Shelf    string
	Name     string
	Delete   bool
	IfAbsent bool
	IfMatch  string
	Size     int64
	Digest   [32]byte
	Sum      uint32
	Meta     map[string]string
	Inline   []byte
}

// answer is what became of an ask.
type answer struct {
	Number uint64
	Fate   fate
	Record []byte // of lookup; nil: there is none
	Time   int64  // of commit: ModTime, nanoseconds since 1970 UTC
	Codes  []code // of commit, one a change
	Free   []string
	Reason string // why not, or why, and that, it is in doubt
	Errno  uint64 // the system's error behind that, if any
}

// fate is what became of an ask as a whole.
type fate uint8

const (
	done    fate = iota + 1
	refused      // nothing was done: the guest may ask elsewhere
	doubt        // it failed while it was committed
	bye          // no ask that was not answered before was or will be done
)

// code is what became of one change.
type code uint8

const (
	made code = iota
	existed
	changed
)

func (f *file) socket() peer.Place {
	rel, err := filepath.Rel(f.place.path, f.path+socketEnd)
	if err != nil {
		rel = f.path // cannot be: it lies in there
	}
	return peer.Place{Root: f.place.root, Path: rel}
}

// shareable reports whether changes can be made by another process. Data in a file of its own is protected by
// a claim of this process, which another could not see end. What fills a commit gains nothing, and would not fit in a message.
func shareable(changes []indexed.Change) bool {
	size := 0
	for _, c := range changes {
		if c.Name != "" {
			return false
		}
		size += len(c.Inline) + changeRoom
	}
	return size <= groupBytes
}

// changeRoom bounds what a change takes in a message beside its value: key, metadata, checksums.
const changeRoom = 4 << 10

// asksBeforeTurn is how often something is asked for that hosts did not do, because they left, before the process takes its turn.
const asksBeforeTurn = 3

// shared returns the changes of requests as they are sent.
func shared(group []*request) []sharedChange {
	var all []sharedChange
	for _, r := range group {
		for i := range r.changes {
			c := &r.changes[i]
			all = append(all, sharedChange{
				ID: r.ids[i], Shelf: c.Key.Shelf, Name: c.Key.Name, Delete: c.Delete,
				IfAbsent: c.Options.IfAbsent, IfMatch: c.Options.IfMatch,
				Size: c.Options.Size, Digest: c.Options.Digest, Sum: c.Options.Sum, Meta: c.Options.Meta, Inline: c.Inline,
			})
		}
	}
	return all
}

// requestOf makes a request of changes that were sent to the host of f.
func requestOf(f *file, all []sharedChange) (*request, error) {
	r := newRequest(make([]indexed.Change, len(all)), func() {})
	r.ids = make([]id, len(all))
	for i, s := range all {
		c := indexed.Change{
			Key: backend.Key{Shelf: s.Shelf, Name: s.Name}, Delete: s.Delete, Inline: s.Inline,
			Options: backend.PutOptions{
				Size: s.Size, Digest: s.Digest, Sum: s.Sum, IfAbsent: s.IfAbsent, IfMatch: s.IfMatch, Meta: s.Meta,
			},
		}
		if err := backend.CheckPut(c.Key, c.Options); err != nil {
			return nil, err
		}
		if f.place.file(s.Shelf) != f || !s.Delete && s.Size != int64(len(s.Inline)) {
			return nil, fmt.Errorf("%q does not belong here", c.Key)
		}
		r.changes[i], r.ids[i] = c, s.ID
	}
	return r, nil
}

// codeOf returns the code of an outcome of a group that was committed.
func codeOf(o indexed.Outcome) code {
	switch {
	case errors.Is(o.Err, backend.ErrExists):
		return existed
	case errors.Is(o.Err, backend.ErrChanged):
		return changed
	}
	return made
}

// outcomeOf returns what a host's code says of a change that this process sent.
func outcomeOf(c *indexed.Change, v id, was code, mod time.Time, free string) indexed.Outcome {
	o := indexed.Outcome{Free: free}
	switch {
	case was == existed:
		o.Err = backend.ErrExists
	case was == changed:
		o.Err = backend.ErrChanged
	case !c.Delete:
		o.Info = infoOf(c, v, mod)
	}
	return o
}

// doubtful is the error of a commit that failed at another process, and may have taken effect, in the words of that process.
type doubtful struct {
	reason string
	errno  syscall.Errno // behind it; 0: none
}

func (d *doubtful) Error() string { return d.reason }

func (d *doubtful) Unwrap() error {
	if d.errno == 0 {
		return nil
	}
	return d.errno
}
