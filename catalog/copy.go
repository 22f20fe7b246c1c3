package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/lease"
)

// A Preference says which of two values that are stored under one key counts.
type Preference string

// The preferences.
const (
	PreferNone   Preference = ""       // neither: it is a conflict, and both stay
	PreferNewer  Preference = "newer"  // the one that was stored later ([larder.Stored]); of the same second, a conflict
	PreferOurs   Preference = "ours"   // that of the destination: it stays
	PreferTheirs Preference = "theirs" // that of the source: it replaces the other
)

// CopyOptions choose what a copy takes along. The zero value copies everything.
type CopyOptions struct {
	// Where lets through the values that fulfil it, with their descriptions and those of all that they were computed
	// from. Without a condition everything is copied, also what no value belongs to.
	Where component.Condition
	// Sessions are copied too where there is a condition, all of them. Without one they always are.
	Sessions bool
	// Prefer decides where a key holds other bytes at the destination.
	Prefer Preference
	// DryRun copies nothing, and reports what a copy would do. It reads no values, and so finds none of the corrupt ones.
	DryRun bool
	// Parallel is how many values or batches of values travel at the same time. The default is 16 where requests take their
	// way, else 4; more than 1,024 are 1,024.
	Parallel int

	// Found receives each value that was not simply copied, and Progress the report so far, unless nil. They are called by
	// one goroutine at a time.
	Found    func(CopyFinding)
	Progress func(CopyReport)
}

// CopyReport counts what a copy did.
type CopyReport struct {
	Values       int   // copied, or with DryRun to be copied; results of components
	Descriptions int   // copied
	Others       int   // copied entries of sessions, and of shelves that are no Store's
	Bytes        int64 // in all that was copied
	Present      int   // was there already, and cost no transfer

	Conflicts int // keys with other bytes at the destination, which stay as they are
	Kept      int // the same, since ours were preferred or newer
	Replaced  int // the same, since theirs were; they are counted as copied too

	Corrupt int // values of the source that are not what was stored there; they are not copied
	Refused int // values that the destination cannot hold, say by their size
	Gone    int // values that were deleted in the source meanwhile
}

// Copied returns how many entries were copied.
func (r CopyReport) Copied() int { return r.Values + r.Descriptions + r.Others }

// Findings returns how many entries of the source are not at the destination as they are at the source, or are corrupt.
func (r CopyReport) Findings() int { return r.Conflicts + r.Corrupt + r.Refused }

// What happened to a value that was not simply copied.
const (
	Conflict = "conflict" // both stay; see Prefer
	Kept     = "kept"     // ours stays
	Replaced = "replaced" // by theirs
	Corrupt  = "corrupt"  // in the source
	Refused  = "refused"  // by the destination
)

// A CopyFinding is a value that was not simply copied.
type CopyFinding struct {
	Key          backend.Key
	What         string      // Conflict, Kept, …
	Theirs, Ours larder.Info // of a conflict, at the source and at the destination
	Err          error       // of what is corrupt or refused
}

// quarantine is the shelf of package audit.
const quarantine = "quarantine"

// travels reports whether a shelf holds what is worth copying: not what a store notes for itself (pins and marks of use
// among it, but not what stages left), nor the leases, nor what a check put aside.
func travels(shelf string) bool {
	return shelf == ShelfOutputs || shelf != lease.Shelf && shelf != quarantine && !strings.HasPrefix(shelf, backend.OwnShelves)
}

// sessionShelves begin so; see package session.
const sessionShelves = "s."

// Copy copies what src holds to dst, and merges it with what is there: values and the descriptions of what they are, and
// sessions. The stores may be of any kind.
//
// What dst has already, by the digest, is not read again. So a copy that was cut short, by an error or a kill, goes on when it is
// called again. A key that holds other bytes in dst is a conflict, and nothing is overwritten unless [CopyOptions.Prefer] says
// so; even then only what was compared, should another process write it meanwhile. Each value is held to its checksum and its
// digest on the way: a corrupt one is a finding, and stays where it is. Both stores may be in use.
//
// Metadata travels along, cost and codec among it. The time of storing is that of the copy; [larder.Stored] returns the first
// one, which MaxAge counts from.
//
// Stores with keys of different generators are [larder.ErrKeys], and one place by two names is an error. An error says how
// much was copied before it.
func Copy(ctx context.Context, dst, src *larder.Store, opts CopyOptions) (CopyReport, error) {
	c := newCopier(dst, src, opts)
	if err := c.ready(ctx); err != nil {
		return CopyReport{}, fmt.Errorf("nothing was copied: %w", err)
	}
	err := c.run(ctx)
	if leaving := c.leave(ctx); err == nil {
		err = leaving
	}
	if err != nil {
		err = &stopped{c.report, err}
	}
	return c.report, err
}

// stopped is why a copy ended early.
type stopped struct {
	report CopyReport
	err    error
}

func (s *stopped) Error() string {
	return fmt.Sprintf("the copy stopped after %d entries of %d bytes; they stay, and the same copy goes on from there: %v", s.report.Copied(), s.report.Bytes, s.err)
}

func (s *stopped) Unwrap() error { return s.err }

// all reports whether a condition lets everything through.
func all(c component.Condition) bool { return c.Op == component.All && len(c.Of) == 0 }
