package shelve

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/turnstile"
	"go.etcd.io/bbolt"
)

// session is a bbolt file while this process has it open: alone, to read and to write, or
// together with others, to read.
type session struct {
	path  string
	db    *bbolt.DB
	file  *os.File // the one that db has open
	hold  *turnstile.Hold
	alone bool
	slice time.Duration // after which it looks whether others wait

	used    atomic.Bool   // since the watcher looked last
	wrote   atomic.Bool   // likewise
	asked   atomic.Bool   // likewise: a guest looked something up
	pressed atomic.Bool   // a guest needs the file itself
	askable bool          // others may ask, or it was seen that they cannot
	spoiled atomic.Bool   // db may be stuck or wrong
	yield   chan struct{} // a word to the watcher that it must end
	ended   chan struct{}
}

const (
	// boltTimeout is for programs that open the file without passing its turnstile. All
	// others has closed it when the turnstile is passed.
	boltTimeout = 2 * time.Second

	// slices: a holder that is busy looks after so long whether others wait. Handing over
	// costs 0.1 ms and the opening of the file, up to 8 ms where it holds many free
	// pages (measured), which should stay under a tenth.
	minSlice = 5 * time.Millisecond
	maxSlice = 100 * time.Millisecond

	// minPage is the smallest page of any machine; bbolt's files keep the size of the
	// one that made them.
	minPage = 4096

	// roomToGrow is mapped beyond the end of a file, so that it need not be mapped anew
	// while it grows, for which all readers must leave. It takes addresses, not memory.
	roomToGrow = 64 << 20
)

// openSession opens the bbolt file at path, whose turnstile is held by h.
func openSession(path string, h *turnstile.Hold, alone bool) (*session, error) {
	s := &session{
		path:  path,
		hold:  h,
		alone: alone,
		yield: make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
	begin := time.Now()
	if err := s.open(false); err != nil {
		return nil, err
	}
	s.slice = min(max(minSlice, 20*time.Since(begin)), maxSlice)
	return s, nil
}

// open opens the file, which closeFile closes.
func (s *session) open(statistics bool) error {
	err := s.tryOpen(statistics)
	if err != nil {
		_ = s.closeFile()
	}
	if s.spoiled.Load() { // by a panic of bbolt, which says nothing
		if cut := cutOff(s.path); cut != nil {
			err = cut
		}
	}
	return explainBolt(s.path, err)
}

func (s *session) tryOpen(statistics bool) (err error) {
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	fi, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if fi.Size() < 2*minPage {
		return fmt.Errorf("it has %d bytes, too few for a bbolt file", fi.Size())
	}
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout:         boltTimeout,
		ReadOnly:        !s.alone,
		InitialMmapSize: mapSize(fi.Size()),
		NoStatistics:    !statistics, // each transaction would wait for their lock
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			s.file, err = os.OpenFile(name, flag&^os.O_CREATE, perm)
			return s.file, err
		},
	})
	if err != nil {
		return err
	}
	return s.checkSize(fi.Size())
}

// checkSize makes sure that all pages are there that the meta page counts: to touch one
// beyond the end of the file is a fault.
func (s *session) checkSize(have int64) error {
	tx, err := s.db.Begin(false)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return checkSize(have, tx.Size())
}

func checkSize(have, want int64) error {
	if have < want {
		return fmt.Errorf("it is cut off: %d bytes of %d", have, want)
	}
	return nil
}

// mapSize returns how much to map of a file with so many bytes; 0 leaves it to bbolt.
func mapSize(size int64) int {
	if runtime.GOOS == "windows" || math.MaxInt == math.MaxInt32 {
		return 0 // there mapping makes the file as large; or addresses are few
	}
	return int(size + size/2 + roomToGrow)
}

// serves reports whether the session is good for a caller that must be alone, or need not.
func (s *session) serves(alone bool) bool { return (s.alone || !alone) && !s.spoiled.Load() }

// rescue turns a panic of bbolt, or a fault in what it mapped, into an error: both are a
// file that is not as bbolt left it. It is deferred with the goroutine's former setting.
func (s *session) rescue(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	if why := recover(); why != nil {
		s.spoil()
		*err = corrupt(s.path, why)
	}
}

// spoil ends the session soon, because what bbolt has in memory is not to be trusted.
func (s *session) spoil() {
	s.spoiled.Store(true)
	select {
	case s.yield <- struct{}{}:
	default:
	}
}

// touch shows the watcher that the session is in use. Most of the time it only reads, so
// that readers on several cores do not fight for the line.
func (s *session) touch() {
	if !s.used.Load() {
		s.used.Store(true)
	}
}

// close closes the file and gives up the turnstile. No transaction may be running.
func (s *session) close() error {
	defer s.hold.Leave()
	defer close(s.ended)
	return s.closeFile()
}

func (s *session) closeFile() error {
	if s.db != nil && !s.spoiled.Load() {
		return s.db.Close()
	}
	// A panic may have left bbolt's own locks locked. Then the memory that it mapped is
	// lost, but not the file for others: the mapping would keep it locked.
	if s.db != nil {
		closed := make(chan error, 1)
		go func() { closed <- s.db.Close() }()
		select {
		case err := <-closed:
			return err
		case <-time.After(boltTimeout):
		}
	}
	if s.file == nil {
		return nil
	}
	_ = durable.Unlock(s.file) // in vain where bbolt closed it
	return s.file.Close()
}
