package shelve

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/turnstile"
)

// file is a bbolt file that this process shares with others. It is open only while it
// is used, in turn with them.
type file struct {
	place     *place
	path      string
	turnstile turnstile.Turnstile

	// A transaction holds mu shared; the session changes hands under it.
	mu  sync.RWMutex
	cur *session // nil: closed

	sem        sync.Mutex // guards what follows; never held while anything is waited for
	turn       *turn      // on the way through the turnstile, or nil
	queue      []*request // to be committed, in order
	committing bool       // a goroutine is at it

	// Of asking, and of being asked; guarded by sem too.
	host       *host
	links      uint64             // that guests have made
	unanswered map[*request]noted // of guests, committed
	hostUntil  time.Time          // until when this process becomes the host at once
	idle       []*link            // to the host
	lines      chan struct{}      // has something for each look that may still be on its way to the host
	asking     *link              // that a commit waits for
	deaf       os.FileInfo        // a socket that cannot be used
	greetMost  time.Duration      // for how long a host's first word is waited for; tests change it
	pressed    os.FileInfo        // a socket whose host was told to leave

	self    id             // of this process as a host
	hosting sync.WaitGroup // goroutines of hosts
	groups  atomic.Int32   // that this process has committed, or had committed
	noteAt  atomic.Uint64  // where the note of this process lies, if others have not overwritten it

	openErrors [2]openError // of shared sessions, and of exclusive ones; used by the one turn alone
}

// turn is one passage through the turnstile, which many may wait for.
type turn struct {
	alone bool
	job   func() error  // to be done inside instead of opening a session; may be nil
	stand int           // how many wait for it; guarded by sem
	done  chan struct{} // closed when the session is open, or err set
	err   error
}

// openError remembers why a file could not be opened, for as long as it stays as it is:
// each attempt may cost the memory that bbolt had mapped when it panicked.
type openError struct {
	err error
	fi  os.FileInfo
}

func newFile(p *place, path string) *file {
	f := &file{
		place: p, path: path, turnstile: turnstile.Turnstile(path), self: newID(),
		unanswered: map[*request]noted{}, lines: make(chan struct{}, maxLooks), greetMost: patience,
	}
	for range maxLooks {
		f.lines <- struct{}{}
	}
	return f
}

// enter returns an open session, with f.mu held shared. Where alone is false, a file that
// does not exist is fs.ErrNotExist; else it is made.
func (f *file) enter(ctx context.Context, p turnstile.WaitPolicy, alone bool) (*session, error) {
	s, _, err := f.way(ctx, p, alone, false)
	return s, err
}

// way is enter where another process may be asked as well: it returns a session, or a link to the host. A link for a look, which
// is one that need not be alone, takes one of f.lines, which the caller gives back.
func (f *file) way(ctx context.Context, p turnstile.WaitPolicy, alone, ask bool) (*session, *link, error) {
	for {
		f.mu.RLock()
		if s := f.cur; s != nil && s.serves(alone) {
			s.touch()
			return s, nil, nil
		}
		f.mu.RUnlock()
		p.Look = f.press
		if ask {
			l, err := f.ring(ctx, p, alone)
			if l != nil || err != nil {
				return nil, l, err
			}
			p.Look = f.hosted
		}
		if err := f.wait(ctx, p, &turn{alone: alone}); err != nil {
			return nil, nil, err
		}
	}
}

// wait waits for a turn that is under way, or takes t. In the end a session may be
// open, not always one as t wants it, and it may have ended again: the caller looks.
func (f *file) wait(ctx context.Context, p turnstile.WaitPolicy, t *turn) error {
	if !t.alone {
		if _, err := os.Stat(f.path); err != nil {
			return err
		}
	}
	f.sem.Lock()
	under := f.turn
	if under == nil {
		under = t
		t.done = make(chan struct{})
		f.turn = t
		go f.take(t)
	}
	under.stand++
	f.sem.Unlock()
	looked, err := f.turnstile.Await(ctx, p, under.done)
	f.sem.Lock()
	under.stand--
	f.sem.Unlock()
	if err != nil || looked {
		return err
	}
	if under != t && (under.job != nil || t.alone && !under.alone) {
		return nil // what became of that one says nothing about t
	}
	return under.err
}

// do runs a job while no process has the file open. The job must not be under way when do
// returns early, with ctx: it gets a ctx of its own.
func (f *file) do(ctx context.Context, p turnstile.WaitPolicy, job func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.Look = f.press
	for ran := false; !ran; {
		err := f.wait(ctx, p, &turn{alone: true, job: func() error {
			ran = true
			if err := ctx.Err(); err != nil {
				return err
			}
			return job(ctx)
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// take passes the turnstile and opens a session, or does the job.
func (f *file) take(t *turn) {
	if s := f.current(); t.job != nil || s == nil || !s.serves(t.alone) {
		f.end(s)
		t.err = f.pass(t)
	}
	f.sem.Lock()
	if f.turn == t {
		f.turn = nil
	}
	f.sem.Unlock()
	close(t.done)
}

// needless ends a turn for which nobody stands any more, because a host did what was wanted.
func (f *file) needless(t *turn) bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	if t.stand > 0 || t.job != nil {
		return false
	}
	f.turn = nil // the next one takes another
	return true
}

func (f *file) pass(t *turn) error {
	leave := f.place.seat()
	h, err := f.passTurnstile(!t.alone)
	if err != nil {
		leave()
		return err
	}
	if f.needless(t) {
		h.Leave()
		leave()
		return nil
	}
	if err := f.inside(h, t, leave); err != nil {
		h.Leave()
		leave()
		return err
	}
	return nil
}

// passTurnstile waits for the turnstile without end. Only while it waits can the place be
// closed: then it gives up as soon as it is let in.
func (f *file) passTurnstile(shared bool) (*turnstile.Hold, error) {
	for {
		if err := f.place.work.Begin(context.Background()); err != nil {
			return nil, err
		}
		h, err := f.turnstile.Approach()
		f.place.work.End()
		if err != nil {
			return nil, err
		}
		if entered, err := h.Enter(shared); entered || err != nil {
			return h, err
		}
	}
}

// inside does what a turn is for, while h is held. If it fails, h is still held.
func (f *file) inside(h *turnstile.Hold, t *turn, leave func()) error {
	if err := f.place.work.Begin(context.Background()); err != nil {
		return err
	}
	defer f.place.work.End()
	if t.job != nil {
		err := t.job()
		if err == nil {
			h.Leave()
			leave()
		}
		return err
	}
	s, err := f.open(h, t.alone)
	if err != nil {
		return err
	}
	s.used.Store(true)
	f.mu.Lock()
	f.cur = s
	if f.likesToHost() {
		f.beHost(s)
	}
	f.mu.Unlock()
	go func() {
		f.watch(s)
		leave()
	}()
	return nil
}

// open opens a session while h is held.
func (f *file) open(h *turnstile.Hold, alone bool) (*session, error) {
	fi, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) && alone {
		if err := f.place.create(f.path); err != nil {
			return nil, err
		}
		fi, err = os.Stat(f.path)
	}
	if err != nil {
		return nil, err
	}
	known := &f.openErrors[0]
	if alone {
		known = &f.openErrors[1]
	}
	if known.err != nil && os.SameFile(known.fi, fi) && known.fi.Size() == fi.Size() && known.fi.ModTime().Equal(fi.ModTime()) {
		return nil, known.err
	}
	s, err := openSession(f.path, h, alone)
	if errors.Is(err, backend.ErrCorrupt) {
		*known = openError{err, fi}
	}
	return s, err
}

// likesToHost reports whether others are likely to ask soon.
func (f *file) likesToHost() bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	return f.groups.Load() >= hostAfter && time.Now().Before(f.hostUntil)
}

func (f *file) current() *session {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.cur
}

// end ends a session once its transactions are over. A new transaction waits for
// that, and then for a new session.
func (f *file) end(s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endLocked(s)
}

// endIdle ends a session in which no transaction runs.
func (f *file) endIdle(s *session) {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		f.endLocked(s)
	}
}

func (f *file) endLocked(s *session) {
	if s == nil || f.cur != s {
		return
	}
	f.cur = nil
	f.sem.Lock()
	h := f.host
	f.sem.Unlock()
	if h != nil {
		h.end()
	}
	_ = s.close() // what was committed is on the disk
}

// watch ends the session when others wait and its slice is over or it is unused, and
// when it was idle for a whole slice. It returns when the session has ended. Those who wait get a host first, which they
// can ask instead.
func (f *file) watch(s *session) {
	tick := time.NewTicker(s.slice / ticksInSlice)
	defer tick.Stop()
	for ticks, idle, since := 0, 0, (time.Time{}); ; {
		select {
		case <-s.ended:
			return
		case <-s.yield:
			f.end(s)
			continue
		case <-tick.C:
		}
		ticks, idle = ticks+1, idle+1
		if s.used.Swap(false) {
			idle = 0
		}
		contended := s.hold.Contended()
		switch {
		case !contended:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		if contended && !s.askable && f.groups.Load() >= hostAfter {
			f.mu.RLock()
			if f.cur == s {
				f.beHost(s)
			}
			f.mu.RUnlock()
		}
		needed := f.place.crowded() || contended && (s.pressed.Load() || !f.hosts(s) || time.Since(since) > hostMost)
		switch {
		case idle >= ticksInSlice:
			f.endIdle(s)
		case ticks >= ticksInSlice && (needed || f.onlyLooks(s, ticks)):
			f.end(s)
		case idle > 0 && needed:
			f.endIdle(s)
		}
	}
}

const (
	// ticksInSlice is how often in a slice the watcher looks.
	ticksInSlice = 5

	// hostAfter is how many groups a process commits before it becomes a host: one that puts a result and ends has
	// left before anybody would ask.
	hostAfter = 3
)

// hostMost is the time after which a host leaves although the others could ask. Most of them have asked, and still stand at
// the gate only because a place there cannot be given up before its turn; but some may be unable to ask. Tests change it.
var hostMost = time.Second

// hosts reports whether others can ask in this session.
func (f *file) hosts(s *session) bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	return f.host != nil && f.host.s == s
}

// onlyLooks reports, at the end of each slice, whether guests looked something up and nobody wrote: without a host they can do that
// themselves, side by side.
func (f *file) onlyLooks(s *session, ticks int) bool {
	if ticks%ticksInSlice != 0 {
		return false
	}
	asked, wrote := s.asked.Swap(false), s.wrote.Swap(false)
	return asked && !wrote
}
