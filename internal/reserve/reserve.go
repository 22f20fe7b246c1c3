// Package reserve gives one run of a stage the sole use of its outputs, on this machine and
// for this user, until the last process of that run has ended.
//
// A reservation is a file in a directory of the user's, a record, with a kernel lock on it. The
// commands of a run inherit the open file, so that the lock holds as long as any
// of them lives, also after a kill -9 of the process that started them. The names of all that a
// run puts beside its outputs derive from the record, so that whoever finds a record without
// its lock can put back what was moved away and remove the rest:
//
//	<dir>/mutex      locked while records are compared and made, for some µs
//	<dir>/<nonce>    a record, as JSON; its lock is the reservation
//	<output's directory>/.larder-<nonce>-old-<n>   what was at the n-th output before
//	<output's directory>/.larder-<nonce>-new-<n>   what will be there
//
// A process that closes what it inherits, as Python's subprocess does, is known by its environment
// and, on Linux while its larder lives, by its parent. One that hides from all
// three, under a larder that was killed, is not seen.
package reserve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/internal/durable"
)

// ErrInUse is what the error of Take matches if an output stayed in use for as long as Take
// may wait.
var ErrInUse = errors.New("in use")

// A Run is what asks for a reservation.
type Run struct {
	Stage   string   // its title, for messages
	ID      string   // the key of its component
	Outputs []string // absolute paths with their links followed
}

// Options say how a reservation is taken.
type Options struct {
	Dir     string        // of the records; empty: the user's on this machine
	MaxWait time.Duration // how long to wait for outputs that others use
	Reap    bool          // this process does nothing but this run: it adopts what the command leaves behind
	Note    func(string)  // receives what a person should know
}

// A Reservation is held until Release, or the end of all its processes.
type Reservation struct {
	record
	Waited bool // for another run

	opts  Options
	file  *os.File // of the record, locked
	over  chan struct{}
	alive *os.File // the end of a pipe that the run's processes hold the other end of
}

// Variable is the variable of the environment by which a process knows the runs that it is part
// of, the outermost first: their IDs and nonces.
const Variable = "LARDER_RUNNING"

// mark separates ID and nonce in Variable.
const mark = "@"

// Outer returns the IDs of the runs that this process is part of, the outermost first.
func Outer() []string {
	var ids []string
	for _, field := range strings.Fields(os.Getenv(Variable)) {
		id, _, _ := strings.Cut(field, mark)
		ids = append(ids, id)
	}
	return ids
}

// outerNonces returns the nonces of the runs that this process is part of.
func outerNonces() []string {
	var nonces []string
	for _, field := range strings.Fields(os.Getenv(Variable)) {
		if _, nonce, ok := strings.Cut(field, mark); ok {
			nonces = append(nonces, nonce)
		}
	}
	return nonces
}

// Environment returns Variable with its value for the processes of this run.
func (r *Reservation) Environment() string {
	outer := os.Getenv(Variable)
	if outer != "" {
		outer += " "
	}
	return Variable + "=" + outer + r.ID + mark + r.Nonce
}

// hidden begins the names of what lies beside outputs only while a run lasts.
const hidden = ".larder-"

// IsHidden reports whether a file's name is one that this package makes.
func IsHidden(name string) bool { return strings.HasPrefix(name, hidden) }

// Old returns where what was at the n-th output is to be moved, beside it.
func (r *record) Old(n int) string { return r.beside(n, "old") }

// New returns where what is to become the n-th output is to be made, beside it.
func (r *record) New(n int) string { return r.beside(n, "new") }

func (r *record) beside(n int, what string) string {
	return filepath.Join(filepath.Dir(r.Outputs[n]), fmt.Sprintf("%s%s-%s-%d", hidden, r.Nonce, what, n))
}

// Release ends the reservation. Processes of the run that live on keep the outputs reserved.
func (r *Reservation) Release() {
	if r.alive != nil {
		r.alive.Close()
	}
	if r.over == nil || r.isOver() {
		os.Remove(r.file.Name()) // before the lock ends, so that the record is not taken for a dead run's
	}
	r.file.Close()
}

func (r *Reservation) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// conflicts reports whether two runs must not be under way at once.
func (r *record) conflicts(run *Run) bool {
	for _, a := range r.Outputs {
		for _, b := range run.Outputs {
			if Holds(a, b) || Holds(b, a) {
				return true
			}
		}
	}
	// A live run of the same stage is left to leases, which know of other machines too.
	return r.ID == run.ID && !r.ownerAlive()
}

// Holds reports whether path is outer, or lies in it.
func Holds(outer, path string) bool {
	rel, err := filepath.Rel(outer, path)
	return err == nil && filepath.IsLocal(rel)
}

// mutex locks the directory, and returns what unlocks it. It asks again and again rather than
// block: a process that is stopped while it holds the mutex must not make others deaf to signals.
func mutex(dir string, done <-chan struct{}) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, mutexName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		free, err := durable.TryLock(f, false)
		if err != nil {
			f.Close()
			return nil, err
		}
		if free {
			return func() { f.Close() }, nil
		}
		select {
		case <-done:
			f.Close()
			return nil, errors.New("interrupted while another process looks at the runs under way")
		case <-time.After(time.Millisecond):
		}
	}
}

const mutexName = "mutex"

// isOuter reports whether this process is part of the run.
func (r *record) isOuter() bool { return slices.Contains(outerNonces(), r.Nonce) }
