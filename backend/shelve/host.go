package shelve

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/peer"
)

// host takes what other processes ask while a session has the file alone.
type host struct {
	f        *file
	s        *session
	listener *peer.Listener
	notes    uint64
	over     atomic.Bool // the session has ended

	mu     sync.Mutex // guards guests
	guests map[*guest]struct{}
}

// guest is one connection of another process.
type guest struct {
	h    *host
	conn *peer.Conn
	link uint64
}

// stayHost is for how long a process that others asked, or that stood before a file that another had, becomes its host at once.
const stayHost = 10 * time.Second

// byeTime bounds how long a process that ends waits until its last answers are on their way.
const byeTime = time.Second

// beHost lets others ask from now on, until the session ends. Where that cannot be done, they take turns. f.mu is
// held, or nobody else knows of the session yet.
func (f *file) beHost(s *session) {
	if s.askable || !s.alone {
		return
	}
	s.askable = true // or was tried
	if !durable.IsAt(s.file, f.path) {
		return // the directory was moved: those in its place have another file
	}
	h := &host{f: f, s: s, guests: map[*guest]struct{}{}}
	var err error
	if h.notes, err = f.notesBefore(s); err != nil {
		return
	}
	if h.listener, err = peer.Listen(f.socket()); err != nil {
		return
	}
	f.sem.Lock()
	f.host = h
	f.hostUntil = time.Now().Add(stayHost)
	f.sem.Unlock()
	h.f.hosting.Add(1)
	go h.accept()
}

func (h *host) accept() {
	defer h.f.hosting.Done()
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		if h.over.Load() { // it came before the listener was closed
			h.mu.Unlock()
			conn.Close()
			continue
		}
		h.f.sem.Lock()
		h.f.links++
		g := &guest{h: h, conn: conn, link: h.f.links}
		h.f.sem.Unlock()
		h.guests[g] = struct{}{}
		h.f.hosting.Add(1)
		go g.serve()
		h.mu.Unlock()
	}
}

// hurry makes a guest that waits for the next ask see that the host is over.
func (g *guest) hurry() {
	_ = g.conn.SetReadDeadline(time.Unix(1, 0))
	_ = g.conn.SetWriteDeadline(time.Now().Add(byeTime))
}

// end ends a host whose session ends: no transaction of it runs. Who asked and was not committed
// is told to ask elsewhere.
func (h *host) end() {
	h.over.Store(true)
	_ = h.listener.Close() // before the door is left, since the next host listens there; and before a guest is told to ask elsewhere
	h.f.sem.Lock()
	h.f.host = nil
	var left []*request
	h.f.queue = slices.DeleteFunc(h.f.queue, func(r *request) bool {
		if r.guest == nil {
			return false
		}
		left = append(left, r)
		return true
	})
	h.f.sem.Unlock()
	for _, r := range left {
		r.fate = bye
		r.end()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for g := range h.guests {
		g.hurry()
	}
}

// serve answers what one guest asks, in order, until it or the host has enough.
func (g *guest) serve() {
	defer g.h.f.hosting.Done()
	defer func() {
		g.conn.Close()
		g.h.mu.Lock()
		delete(g.h.guests, g)
		g.h.mu.Unlock()
	}()
	if g.conn.Write(encode(&hello{Version: shareVersion, Host: g.h.f.self, Link: g.link, Notes: g.h.notes})) != nil {
		return
	}
	for {
		message, err := g.conn.Read()
		var a ask
		if err == nil {
			err = decode(message, &a)
		}
		said := answer{Fate: bye}
		var r *request
		switch {
		case err != nil:
		case a.What == leave:
			g.h.s.pressed.Store(true)
			continue
		case a.What == lookup:
			said = g.lookUp(backend.Key{Shelf: a.Shelf, Name: a.Name})
		case a.What == commit:
			r, said = g.commit(&a)
		}
		said.Number = a.Number
		failed := g.conn.Write(encode(&said))
		if !errors.Is(failed, os.ErrDeadlineExceeded) {
			g.h.f.forget(r)
		} // else this process stood still for long: the guest is there, and will look for the note
		if failed != nil || said.Fate == bye {
			return
		}
	}
}

// lookUp answers with a record as it is; the guest decodes it.
func (g *guest) lookUp(key backend.Key) (said answer) {
	f := g.h.f
	if key.Validate() != nil || f.place.file(key.Shelf) != f {
		return answer{Fate: refused}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := g.h.s
	if f.cur != s || s.spoiled.Load() {
		return answer{Fate: bye}
	}
	s.asked.Store(true)
	var err error
	defer func() {
		if err != nil {
			said = answer{Fate: refused}
		}
	}()
	defer s.rescue(debug.SetPanicOnFault(true), &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return answer{Fate: refused}
	}
	defer tx.Rollback()
	said.Fate = done
	if b := tx.Bucket(bucket(key.Shelf)); b != nil {
		said.Record = bytes.Clone(b.Get([]byte(key.Name)))
	}
	return said
}

// commit puts changes into the next group, and waits for it.
func (g *guest) commit(a *ask) (*request, answer) {
	r, err := requestOf(g.h.f, a.Changes)
	if err != nil {
		return nil, answer{Fate: refused, Reason: err.Error()}
	}
	r.guest, r.number = g, a.Number
	if !g.h.f.enqueueFor(g.h, r) {
		return nil, answer{Fate: bye}
	}
	<-r.done
	said := answer{Fate: r.fate}
	for _, o := range r.outcomes {
		switch {
		case r.fate == done:
			said.Codes = append(said.Codes, codeOf(o))
			said.Free = append(said.Free, o.Free)
			said.Time = max(said.Time, o.Info.ModTime.UnixNano())
		case o.Err != nil && said.Reason == "":
			said.Reason = o.Err.Error()
			var errno syscall.Errno
			if errors.As(o.Err, &errno) {
				said.Errno = uint64(errno)
			}
		}
	}
	return r, said
}

// enqueueFor queues a guest's request, if h is still the host.
func (f *file) enqueueFor(h *host, r *request) bool {
	f.sem.Lock()
	defer f.sem.Unlock()
	if f.host != h {
		return false
	}
	f.enqueue(r)
	return true
}

// noteAsks returns what the note of a group has to say: of the guests' requests in it, and of those whose answer is not
// yet on its way. It is nil if the group has none.
func (f *file) noteAsks(group []*request, now time.Time) []noted {
	if !slices.ContainsFunc(group, func(r *request) bool { return r.guest != nil }) {
		return nil
	}
	f.sem.Lock()
	defer f.sem.Unlock()
	for _, r := range group {
		if r.guest == nil {
			continue
		}
		n := noted{Link: r.guest.link, Number: r.number, Time: now.UnixNano()}
		for _, o := range r.outcomes {
			n.Codes = append(n.Codes, codeOf(o))
		}
		f.unanswered[r] = n
	}
	return slices.Collect(maps.Values(f.unanswered))
}

// forget ends the noting of a request whose answer is on its way.
func (f *file) forget(r *request) {
	f.sem.Lock()
	defer f.sem.Unlock()
	delete(f.unanswered, r)
}
