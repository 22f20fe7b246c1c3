package shelve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/peer"
	"github.com/larder-store/larder/internal/turnstile"
)

// link is a connection to the host of a file. One ask at a time is on its way.
type link struct {
	conn  *peer.Conn
	hello hello
	file  os.FileInfo // the bbolt file when the link was made
	asks  uint64
}

const (
	// patience is for how long a host is waited for before the file itself is tried for beside it. It may be
	// stopped, or on its way out.
	patience = 250 * time.Millisecond

	// idleLinks is how many connections are kept for the next ask.
	idleLinks = 8

	// maxLooks is how many looks of a process are on their way to the host of a file at once. Each takes a descriptor
	// here and there.
	maxLooks = idleLinks
)

// hosted reports whether there seems to be a host that can be asked.
func (f *file) hosted() bool { return f.socketThere() != nil }

// socketThere returns the socket, unless it is one that cannot be used.
func (f *file) socketThere() os.FileInfo {
	fi, err := os.Lstat(f.path + socketEnd)
	if err != nil {
		return nil
	}
	f.sem.Lock()
	defer f.sem.Unlock()
	if sameSocket(fi, f.deaf) {
		return nil
	}
	return fi
}

func sameSocket(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())
}

// reach returns a link to the host, or nil if there is none.
func (f *file) reach() *link {
	f.sem.Lock()
	if n := len(f.idle); n > 0 {
		l := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.sem.Unlock()
		return l
	}
	f.sem.Unlock()
	socket := f.socketThere()
	if socket == nil {
		return nil
	}
	l, err := f.dial()
	if err != nil {
		f.sem.Lock()
		f.deaf = socket
		f.sem.Unlock()
	}
	return l
}

// ring is reach for a commit, of which there is one at a time, or, if it is not alone, for a look, which may have to wait for a line.
func (f *file) ring(ctx context.Context, p turnstile.WaitPolicy, alone bool) (*link, error) {
	if alone {
		return f.reach(), nil
	}
	p.Look = nil
	if _, err := f.turnstile.Await(ctx, p, f.lines); err != nil {
		return nil, err
	}
	l := f.reach()
	if l == nil {
		f.lines <- struct{}{}
	}
	return l, nil
}

// dial connects to the host. Without an error it may still return nil: the host is this process, or about to leave, or the place is closed.
func (f *file) dial() (*link, error) {
	if f.place.work.Begin(context.Background()) != nil {
		return nil, nil
	}
	defer f.place.work.End() // the place's directory is open until then
	fi, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	conn, err := peer.Dial(f.socket())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, file: fi}
	_ = conn.SetReadDeadline(time.Now().Add(f.greetMost))
	message, err := conn.Read()
	switch {
	case err == nil:
		err = decode(message, &l.hello)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		conn.Close()
		return nil, nil // it ended
	}
	if err == nil && l.hello.Version != shareVersion {
		err = fmt.Errorf("it speaks version %d", l.hello.Version)
	}
	if err != nil || l.hello.Host == f.self {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// keep puts a link aside for the next ask.
func (f *file) keep(l *link) {
	f.sem.Lock()
	f.hostUntil = time.Now().Add(stayHost)
	full := f.place.closed() || len(f.idle) >= idleLinks
	if !full {
		f.idle = append(f.idle, l)
	}
	f.sem.Unlock()
	if full {
		l.conn.Close()
	}
}

// hangUp closes all links. Calls that wait for an answer return.
func (f *file) hangUp() {
	f.sem.Lock()
	defer f.sem.Unlock()
	if f.asking != nil {
		f.idle = append(f.idle, f.asking)
	}
	for _, l := range f.idle {
		l.conn.Close()
	}
	f.idle = nil
}

// press lets the host of the file know that this process needs the file itself. It returns false, for [turnstile.WaitPolicy.Look]:
// the host is no other way.
func (f *file) press() bool {
	socket := f.socketThere()
	f.sem.Lock()
	again := socket == nil || sameSocket(socket, f.pressed)
	f.pressed = socket
	f.sem.Unlock()
	if again {
		return false
	}
	for l := f.reach(); l != nil; l = f.reach() { // the first ones may be to hosts that left
		if l.say(&ask{What: leave}) == nil {
			f.keep(l)
			break
		}
	}
	return false
}

// say sends an ask. If that fails, it is not done.
func (l *link) say(a *ask) error {
	l.asks++
	a.Number = l.asks
	_ = l.conn.SetWriteDeadline(time.Now().Add(patience))
	err := l.conn.Write(encode(a))
	if err != nil {
		l.conn.Close()
	}
	return err
}

// hear waits until a time, or the zero time for ever, for the answer to the last ask.
func (l *link) hear(until time.Time) (a answer, err error) {
	_ = l.conn.SetReadDeadline(until)
	message, err := l.conn.Read()
	if err == nil {
		err = decode(message, &a)
	}
	if err == nil && a.Fate != bye && a.Number != l.asks {
		err = fmt.Errorf("the answer is to %d, not to %d", a.Number, l.asks)
	}
	return a, err
}

// askRecord asks the host for the record of a key; nil is none. Unless it was heard, the file itself has to be looked into,
// or, after bye, another host be asked.
func (f *file) askRecord(ctx context.Context, l *link, key backend.Key) (record []byte, what fate) {
	if l.say(&ask{What: lookup, Shelf: key.Shelf, Name: key.Name}) != nil {
		return nil, bye
	}
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })
	said, err := l.hear(time.Now().Add(patience))
	if !stop() || err != nil || said.Fate != done {
		l.conn.Close()
		if err == nil && said.Fate == bye {
			return nil, bye
		}
		return nil, refused
	}
	f.keep(l)
	return said.Record, done
}

// commitBy lets the host commit a group of this process.
func (f *file) commitBy(l *link, group []*request) {
	if l.say(&ask{What: commit, Changes: shared(group)}) != nil {
		f.requeue(group, 1)
		return
	}
	f.sem.Lock()
	f.asking = l
	f.sem.Unlock()
	said, err := l.hear(time.Now().Add(patience))
	var s *session
	if errors.Is(err, os.ErrDeadlineExceeded) {
		said, s, err = f.outwait(l)
	}
	f.sem.Lock()
	f.asking = nil
	f.sem.Unlock()
	if s != nil {
		defer f.mu.RUnlock()
		l.conn.Close() // its host has the file no more
	}
	switch {
	case errors.Is(err, errUnresolved):
		l.conn.Close()
		endAll(group, fmt.Errorf("%w; it may have taken effect", err))
	case err == nil && said.Fate == done && settle(group, said.Codes, said.Free, time.Unix(0, said.Time)):
		f.groups.Add(1)
		f.keep(l)
	case err == nil && said.Fate == bye:
		l.conn.Close()
		f.requeue(group, 1)
	case err == nil && said.Fate == refused:
		l.conn.Close()
		f.requeue(group, asksBeforeTurn)
	case err == nil && said.Fate == doubt:
		l.conn.Close()
		endAll(group, &doubtful{said.Reason, syscall.Errno(said.Errno)})
	default:
		l.conn.Close()
		f.resolve(l, s, group)
	}
}

// errUnresolved is of an ask whose host may still do it, while the file itself cannot be had.
var errUnresolved = errors.New("the process that was asked to commit it does not answer")

// outwait waits for a host that takes long, and for the file itself. With the file in a session of this process, held as by
// enter, nothing more will become of the ask: what the host has not committed by then it never will. An answer that has come by
// then is heard all the same: once it was sent, the host may have replaced the note that told of it.
func (f *file) outwait(l *link) (answer, *session, error) {
	type reply struct {
		answer
		err error
	}
	heard := make(chan reply, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		a, err := l.hear(time.Time{})
		heard <- reply{a, err}
		cancel()
	}()
	s, err := f.enter(ctx, turnstile.WaitPolicy{}, true)
	if err == nil || ctx.Err() == nil {
		_ = l.conn.CloseRead()
	}
	r := <-heard
	if r.err != nil && err != nil && ctx.Err() == nil {
		r.err = fmt.Errorf("%w: %w", errUnresolved, err)
	}
	return r.answer, s, r.err
}

// resolve finds out what became of a group whose host died, or was overtaken, before it answered, and commits it if
// it was not. The session is held as by enter; nil is none yet.
func (f *file) resolve(l *link, s *session, group []*request) {
	if s == nil {
		var err error
		if s, err = f.enter(context.Background(), turnstile.WaitPolicy{}, true); err != nil {
			endAll(group, fmt.Errorf("%w; it may have taken effect", err))
			return
		}
		defer f.mu.RUnlock()
	}
	was, what, err := f.recall(s, l)
	switch {
	case err != nil:
		endAll(group, fmt.Errorf("%w; it may have taken effect", err))
	case what == refused:
		f.commitGroup(s, group)
	case what == doubt || !settle(group, was.Codes, nil, time.Unix(0, was.Time)):
		endAll(group, fmt.Errorf("%w: the process that was to commit it is gone, and so is its note; it may have taken effect", backend.ErrUnavailable))
	}
}

// recall looks up in s what became of the last ask on l.
func (f *file) recall(s *session, l *link) (was noted, what fate, err error) {
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	fi, err := os.Stat(f.path)
	if err != nil {
		return was, doubt, err
	}
	if !os.SameFile(fi, l.file) {
		return was, doubt, nil
	}
	tx, err := s.db.Begin(false)
	if err != nil {
		return was, doubt, err
	}
	defer tx.Rollback()
	was, what = recall(tx, l.hello, l.asks)
	return was, what, nil
}

// requeue puts a group of which nothing was done back in front. It counts as so many vain asks.
func (f *file) requeue(group []*request, asks int) {
	f.sem.Lock()
	defer f.sem.Unlock()
	for _, r := range group {
		r.asked += asks
	}
	f.queue = slices.Insert(f.queue, 0, group...)
}

// settle ends a group with the outcomes that another process sent or noted, if they fit.
func settle(group []*request, codes []code, free []string, mod time.Time) bool {
	n := 0
	for _, r := range group {
		n += len(r.changes)
	}
	if len(codes) != n || free != nil && len(free) != n {
		return false
	}
	at := 0
	for _, r := range group {
		for i := range r.changes {
			gone := ""
			if free != nil {
				gone = free[at]
			}
			r.outcomes[i] = outcomeOf(&r.changes[i], r.ids[i], codes[at], mod, gone)
			at++
		}
		r.fate = done
		r.end()
	}
	return true
}

// endAll ends a group with an error by which it may have taken effect.
func endAll(group []*request, err error) {
	for _, r := range group {
		for i := range r.outcomes {
			r.outcomes[i] = indexed.Outcome{Err: err}
		}
		r.fate = doubt
		r.end()
	}
}
