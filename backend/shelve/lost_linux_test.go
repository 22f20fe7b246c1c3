package shelve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/peer"
)

// dialed returns a connection to the host of main.db, and what it said first.
func dialed(t *testing.T, b *Backend) (*peer.Conn, hello) {
	t.Helper()
	c, err := peer.Dial(b.place.main.socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	message, err := c.Read()
	var h hello
	if err == nil {
		err = decode(message, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, h
}

// asked is a commit of one small value.
func asked(name string) []byte {
	return encode(&ask{What: commit, Number: 1, Changes: []sharedChange{{ID: newID(), Shelf: "cache", Name: name, Size: 1, Inline: []byte("x")}}})
}

// hooked opens the store of dir as one that likes to host.
func hooked(t *testing.T, dir string, hook func(step string) error) *Backend {
	t.Helper()
	b, err := Open(dir, &Options{disk: disk{hook: func(step, _ string) error { return hook(step) }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	LikeToHost(b)
	return b
}

// TestAnswerBeforeFile: an answer that had come when its guest got the file is heard: later notes need not tell of it.
func TestAnswerBeforeFile(t *testing.T) {
	dir := storeOf(t)
	b := hooked(t, dir, func(string) error { return nil })
	if _, err := putText(b, "other", "v"); err != nil {
		t.Fatal(err)
	}
	at := peer.Place{Root: b.place.root, Path: "test.sock"}
	listener, err := peer.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 50 {
		conn, err := peer.Dial(at)
		if err != nil {
			t.Fatal(err)
		}
		other, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Write(encode(&answer{Number: 1, Fate: done, Codes: []code{made}, Free: []string{""}})); err != nil {
			t.Fatal(err)
		}
		l := &link{conn: conn, asks: 1}
		said, s, err := b.place.main.outwait(l)
		if s != nil {
			b.place.main.mu.RUnlock()
		}
		conn.Close()
		other.Close()
		if err != nil || said.Fate != done {
			t.Fatalf("%+v, %v, want an answer", said, err)
		}
	}
}

// TestAnswerNotSent: what became of an ask stays noted where its answer could not be sent in time.
func TestAnswerNotSent(t *testing.T) {
	dir := storeOf(t)
	standing, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b := hooked(t, dir, func(step string) error {
		if step == "after commit" {
			once.Do(func() {
				close(standing)
				<-goOn
			})
		}
		return nil
	})
	put := make(chan error, 1)
	go func() {
		_, err := putText(b, "new", "text")
		put <- err
	}()
	<-standing
	f := b.place.main
	late, h := dialed(t, b)
	if err := late.Write(asked("late")); err != nil {
		t.Fatal(err)
	}
	awaitQueued(t, f, 1)
	f.sem.Lock()
	theirs := f.host
	f.sem.Unlock()
	theirs.mu.Lock()
	for g := range theirs.guests {
		g.conn.SetWriteDeadline(time.Unix(1, 0)) // as if the process had been stopped for long
	}
	theirs.mu.Unlock()
	close(goOn)
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	if message, err := late.Read(); err == nil {
		t.Fatalf("the answer was sent: %q", message)
	}
	next, _ := dialed(t, hosting(t, b))
	if err := next.Write(asked("next")); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Read(); err != nil {
		t.Fatal(err)
	}
	recalled(t, f, h, 1, done)
}

// awaitQueued waits until n requests of guests are queued.
func awaitQueued(t *testing.T, f *file, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		f.sem.Lock()
		have := 0
		for _, r := range f.queue {
			if r.guest != nil {
				have++
			}
		}
		f.sem.Unlock()
		if have >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d requests of guests, want %d", have, n)
		}
	}
}

// hosting makes b the host.
func hosting(t *testing.T, b *Backend) *Backend {
	t.Helper()
	for i := range 1000 {
		if _, err := putText(b, fmt.Sprint("host-", i), "v"); err != nil && !errors.Is(err, backend.ErrExists) {
			t.Fatal(err)
		}
		if b.place.main.hosted() {
			return b
		}
	}
	t.Fatal("it is no host")
	return nil
}

// recalled checks what is found out of an ask.
func recalled(t *testing.T, f *file, h hello, number uint64, want fate) {
	t.Helper()
	s, err := f.enter(context.Background(), (&index{}).wait, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.mu.RUnlock()
	if err := s.db.View(func(tx *bbolt.Tx) error {
		if _, what := recall(tx, h, number); what != want {
			t.Errorf("the ask is %d, want %d", what, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestOldNote: after many other hosts the note of an old one counts as forgotten, as soon as it was overwritten.
func TestOldNote(t *testing.T) {
	s := emptyFile(t)
	leave := func(f *file, number uint64) { leaveNote(t, s, f, noted{Link: 1, Number: number}) }
	old := &file{self: newID()}
	leave(old, 1)
	for range notes - 1 {
		leave(&file{self: newID()}, 1)
	}
	left, err := old.notesBefore(s) // as it becomes the host again
	if err != nil {
		t.Fatal(err)
	}
	leave(old, 2)
	here := hello{Host: old.self, Link: 1, Notes: left}
	for i, want := range []fate{done, doubt} {
		_ = s.db.View(func(tx *bbolt.Tx) error {
			if _, what := recall(tx, here, 2); what != want {
				t.Errorf("after %d others: %d, want %d", i, what, want)
			}
			return nil
		})
		leave(&file{self: newID()}, 1)
	}
}

// TestNotesSalvaged: no notes of another count stay in a file that was salvaged.
func TestNotesSalvaged(t *testing.T) {
	db := emptyFile(t).db
	c := indexed.Change{Key: backend.Key{Shelf: "cache", Name: "k"}, Inline: []byte("v")}
	records := []saved{
		{string(notesBucket), []byte{1, 2}, newRecord(&c, newID(), time.Now())},
		{"cache", []byte("k"), newRecord(&c, newID(), time.Now())},
	}
	if err := fillBuckets(db, records); err != nil {
		t.Fatal(err)
	}
	_ = db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(notesBucket) != nil || tx.Bucket([]byte("cache")) == nil {
			t.Error("there are notes, or there is no value")
		}
		return nil
	})
}

// TestGreedyMessage: a message takes memory for what is in it, not for what it announces.
func TestGreedyMessage(t *testing.T) {
	const size = 1 << 20
	for name, m := range map[string]message{"ask": &ask{}, "answer": &answer{}, "note": &note{}} {
		var w writer
		switch m.(type) {
		case *ask:
			w.fixed([]byte{byte(commit), 1, 0, 0})
		case *answer:
			w.fixed([]byte{1, byte(done), 0, 0, 0, 0})
		case *note:
			w.fixed(make([]byte, len(id{})))
		}
		w.number(size)
		for range size {
			w.b = append(w.b, 0xff) // the first element is nonsense
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := decode(w.b, m); err == nil {
			t.Errorf("%s: nonsense is understood", name)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > size {
			t.Errorf("%s: %d bytes for a message of %d", name, took, len(w.b))
		}
	}
}

// TestHostMovedAway: a process whose open file lies elsewhere by now does not listen for the one in its place.
func TestHostMovedAway(t *testing.T) {
	dir := storeOf(t)
	b := hooked(t, dir, func(string) error { return nil })
	b.place.main.sem.Lock()
	b.place.main.hostUntil = time.Time{}
	b.place.main.sem.Unlock()
	f := b.place.main
	s, err := f.enter(context.Background(), (&index{}).wait, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.mu.RUnlock()
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir + ".moved") })
	other, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := putText(other, "k", "other"); err != nil {
		t.Fatal(err)
	}
	f.beHost(s)
	if _, err := os.Lstat(f.path + socketEnd); err == nil {
		t.Error("it listens for a file that it does not have")
	}
}

// TestManyLooks: a process that looks up much at once does so by few connections.
func TestManyLooks(t *testing.T) {
	var mu sync.Mutex
	at, most := 0, 0
	b, _ := guestOf(t, encode(&hello{Version: shareVersion, Host: newID(), Link: 1}), func(c *peer.Conn, a ask) {
		mu.Lock()
		at++
		most = max(most, at)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		mu.Lock()
		at--
		mu.Unlock()
		c.Write(encode(&answer{Number: a.Number, Fate: done}))
	})
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := getText(b, "absent"); !errors.Is(err, backend.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most == 0 || most > 2*idleLinks {
		t.Errorf("%d connections at once, want some, and at most %d", most, 2*idleLinks)
	}
}

// TestAsksBehindGuests: what guests asked of a host that has left does not keep that process from asking the next host.
func TestAsksBehindGuests(t *testing.T) {
	f := hooked(t, t.TempDir(), func(string) error { return nil }).place.main
	ofGuest := newRequest(nil, func() {})
	ofGuest.guest = &guest{}
	own, tired := newRequest(nil, func() {}), newRequest(nil, func() {})
	tired.asked = asksBeforeTurn
	for _, c := range []struct {
		queue []*request
		want  bool
	}{{nil, true}, {[]*request{ofGuest}, true}, {[]*request{ofGuest, own}, true}, {[]*request{ofGuest, tired}, false}, {[]*request{tired, own}, false}} {
		f.sem.Lock()
		f.queue = c.queue
		f.sem.Unlock()
		if got := f.mayAsk(); got != c.want {
			t.Errorf("of %d requests: mayAsk = %t, want %t", len(c.queue), got, c.want)
		}
	}
	f.sem.Lock()
	f.queue = nil
	f.sem.Unlock()
}
