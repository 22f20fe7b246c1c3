package shelve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/peer"
	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/internal/turnstile"
)

// putText puts a text as what it is.
func putText(b *Backend, name, text string) (backend.Info, error) {
	o := backend.PutOptions{
		Size: int64(len(text)), Digest: sha256.Sum256([]byte(text)), Sum: sums.CRC([]byte(text)),
		IfAbsent: true, Meta: backend.Meta{"codec": "text"},
	}
	return b.Put(context.Background(), backend.Key{Shelf: backend.ShelfCache, Name: name}, strings.NewReader(text), o)
}

func getText(b *Backend, name string) (string, error) {
	body, _, err := b.Get(context.Background(), backend.Key{Shelf: backend.ShelfCache, Name: name})
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

// storeOf returns a directory with a store that holds "k".
func storeOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	b, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := putText(b, "k", "v"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// guestOf returns a handle on a store, and reports whether it has asked its host: that holds main.db, and says to each guest greeting and
// then what reply makes of its asks, until reply closes the connection. The host leaves once an ask was answered.
func guestOf(t *testing.T, greeting []byte, reply func(c *peer.Conn, a ask)) (b *Backend, asked *atomic.Bool) {
	t.Helper()
	dir := storeOf(t)
	asked = new(atomic.Bool)
	hold, err := turnstile.Turnstile(filepath.Join(dir, mainFile)).Enter(context.Background(), turnstile.WaitPolicy{}, false)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := peer.Listen(peer.Place{Root: root, Path: mainFile + socketEnd})
	if err != nil {
		t.Fatal(err)
	}
	leave := sync.OnceFunc(func() {
		l.Close()
		hold.Leave()
	})
	var guests sync.WaitGroup
	guests.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			guests.Go(func() {
				defer c.Close()
				c.Write(greeting)
				for {
					message, err := c.Read()
					var a ask
					if err != nil || decode(message, &a) != nil {
						return
					}
					if a.What == lookup || a.What == commit {
						asked.Store(true)
						reply(c, a)
						leave()
					}
				}
			})
		}
	})
	stay := time.Minute
	if h := (hello{}); decode(greeting, &h) != nil || h.Version != shareVersion {
		stay = time.Second // nobody will ask it
	}
	late := time.AfterFunc(stay, leave)
	t.Cleanup(func() {
		late.Stop()
		leave()
		guests.Wait()
		root.Close()
	})
	b, err = Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	b.place.main.greetMost = time.Minute // on a busy machine
	return b, asked
}

// TestFalseHost: whatever a host says, or leaves unsaid, what was asked for is done once, and rightly.
func TestFalseHost(t *testing.T) {
	fine := encode(&hello{Version: shareVersion, Host: newID(), Link: 1})
	answers := func(a answer) func(*peer.Conn, ask) {
		return func(c *peer.Conn, asked ask) {
			if a.Number == 0 {
				a.Number = asked.Number
			}
			c.Write(encode(&a))
		}
	}
	for name, test := range map[string]struct {
		greeting []byte
		reply    func(*peer.Conn, ask)
	}{
		"dies":            {fine, func(c *peer.Conn, _ ask) { c.Close() }},
		"is silent":       {fine, func(*peer.Conn, ask) {}},
		"babbles":         {fine, func(c *peer.Conn, _ ask) { c.Write([]byte("\xff\xff")) }},
		"floods":          {fine, func(c *peer.Conn, _ ask) { c.Write(make([]byte, 1<<20)) }},
		"is elsewhere":    {fine, answers(answer{Number: 99, Fate: done, Codes: []code{made}, Free: []string{""}})},
		"forgets codes":   {fine, answers(answer{Fate: done})},
		"forgets its end": {fine, answers(answer{})},
		"refuses":         {fine, answers(answer{Fate: refused})},
		"says bye":        {fine, answers(answer{Fate: bye})},
		"is of tomorrow":  {encode(&hello{Version: shareVersion + 1}), answers(answer{Fate: done})},
		"greets badly":    {[]byte("\x00"), answers(answer{Fate: done})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, asked := guestOf(t, test.greeting, test.reply)
			if _, err := putText(b, "new", "text"); err != nil {
				t.Errorf("put: %v", err)
			}
			if text, err := getText(b, "new"); err != nil || text != "text" {
				t.Errorf("get = %q, %v", text, err)
			}
			if _, err := putText(b, "new", "other"); !errors.Is(err, backend.ErrExists) {
				t.Errorf("put again: %v, want %v", err, backend.ErrExists)
			}
			if trusted := &test.greeting[0] == &fine[0]; asked.Load() != trusted {
				t.Errorf("the host was asked is %v, want %v", asked.Load(), trusted)
			}
		})
		if name == "forgets codes" {
			continue // for a lookup it is an answer: there is none
		}
		t.Run(name+"/look", func(t *testing.T) {
			t.Parallel()
			b, _ := guestOf(t, test.greeting, test.reply)
			if text, err := getText(b, "k"); err != nil || text != "v" {
				t.Errorf("get = %q, %v", text, err)
			}
		})
	}
}

// TestDoubtfulHost: that a commit failed at another process, and what the system said, is told.
func TestDoubtfulHost(t *testing.T) {
	b, _ := guestOf(t, encode(&hello{Version: shareVersion, Host: newID()}), func(c *peer.Conn, a ask) {
		c.Write(encode(&answer{Number: a.Number, Fate: doubt, Reason: "commit: no space left on device; it may have taken effect", Errno: 28}))
	})
	if _, err := putText(b, "new", "text"); err == nil || !strings.Contains(err.Error(), "no space left on device; it may have taken effect (the disk is full") {
		t.Errorf("put: %v, want a full disk", err)
	}
}

// TestFalseGuest: a host that is told nonsense does nothing, and goes on.
func TestFalseGuest(t *testing.T) {
	dir := storeOf(t)
	standing, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b, err := Open(dir, &Options{disk: disk{hook: func(step, _ string) error {
		if step == "before commit" {
			once.Do(func() { close(standing) })
			<-goOn
		}
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	LikeToHost(b)
	put := make(chan error, 1)
	go func() {
		_, err := putText(b, "new", "text")
		put <- err
	}()
	<-standing
	change := sharedChange{ID: newID(), Shelf: "cache", Name: "bad", Size: 1, Inline: []byte("x")}
	for name, test := range map[string]struct {
		say  func() []byte
		want fate
	}{
		"garbage":       {func() []byte { return []byte("\xff") }, bye},
		"nothing known": {func() []byte { return encode(&ask{What: 77}) }, bye},
		"another shelf": {func() []byte {
			c := change
			c.Shelf = "other"
			return encode(&ask{What: commit, Changes: []sharedChange{c}})
		}, refused},
		"no key": {func() []byte {
			c := change
			c.Name = "../x"
			return encode(&ask{What: commit, Changes: []sharedChange{c}})
		}, refused},
		"another size": {func() []byte { c := change; c.Size = 7; return encode(&ask{What: commit, Changes: []sharedChange{c}}) }, refused},
		"forbidden meta": {func() []byte {
			c := change
			c.Meta = map[string]string{"\x00": ""}
			return encode(&ask{What: commit, Changes: []sharedChange{c}})
		}, refused},
		"a look elsewhere": {func() []byte { return encode(&ask{What: lookup, Shelf: "\x00notes", Name: "\x00\x01"}) }, refused},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := peer.Dial(b.place.main.socket())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Read(); err != nil {
				t.Fatal(err)
			}
			c.Write(test.say())
			message, err := c.Read()
			var a answer
			if err != nil || decode(message, &a) != nil || a.Fate != test.want || a.Record != nil {
				t.Errorf("%v, %+v, want fate %d", err, a, test.want)
			}
		})
	}
	close(goOn)
	if err := <-put; err != nil {
		t.Error(err)
	}
	if _, err := getText(b, "bad"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("what was refused: %v", err)
	}
}

// emptyFile returns a bbolt file in which nothing is.
func emptyFile(t *testing.T) *session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notes.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &session{path: path, db: db}
}

// leaveNote commits the note of the process that f stands for.
func leaveNote(t *testing.T, s *session, f *file, asks ...noted) {
	t.Helper()
	if err := s.db.Update(func(tx *bbolt.Tx) error { return f.leaveNote(tx, asks) }); err != nil {
		t.Fatal(err)
	}
}

// TestNotes: a host's note is found until 1,024 others came after it; then, and only then, there is doubt.
func TestNotes(t *testing.T) {
	s := emptyFile(t)
	leave := func(f *file, asks ...noted) { leaveNote(t, s, f, asks...) }
	recalled := func(h hello, number uint64) (n noted, what fate) {
		_ = s.db.View(func(tx *bbolt.Tx) error {
			n, what = recall(tx, h, number)
			return nil
		})
		return n, what
	}
	host, never := &file{self: newID()}, hello{Host: newID(), Link: 1}
	here := hello{Host: host.self, Link: 7}
	if _, what := recalled(here, 1); what != refused {
		t.Errorf("before any note: %d, want %d", what, refused)
	}
	leave(host, noted{Link: 7, Number: 1, Time: 5, Codes: []code{existed, made}}, noted{Link: 8, Number: 1})
	if n, what := recalled(here, 1); what != done || n.Time != 5 || !bytes.Equal([]byte{byte(n.Codes[0]), byte(n.Codes[1])}, []byte{byte(existed), byte(made)}) {
		t.Errorf("what was noted: %+v, %d", n, what)
	}
	if _, what := recalled(here, 2); what != refused {
		t.Errorf("what was not noted: %d, want %d", what, refused)
	}
	leave(host, noted{Link: 7, Number: 2})
	if _, what := recalled(here, 1); what != refused {
		t.Errorf("what an earlier note of the host told: %d, want %d", what, refused)
	}
	others := make([]*file, notes)
	for i := range others {
		others[i] = &file{self: newID()}
		if _, what := recalled(here, 2); what != done {
			t.Fatalf("after %d others: %d, want %d", i, what, done)
		}
		if _, what := recalled(never, 1); what != refused {
			t.Fatalf("of a host without a note, after %d others: %d, want %d", i, what, refused)
		}
		leave(others[i], noted{Link: 1, Number: 1})
	}
	if _, what := recalled(here, 2); what != doubt {
		t.Errorf("after %d others: %d, want %d", notes, what, doubt)
	}
	left, err := (&file{self: newID()}).notesBefore(s)
	if err != nil || left != notes+1 {
		t.Fatalf("%d notes left, %v, want %d", left, err, notes+1)
	}
	never.Notes = left
	if _, what := recalled(never, 1); what != refused {
		t.Errorf("of a host that came later: %d, want %d", what, refused)
	}
	leave(others[5], noted{Link: 1, Number: 9}) // in its old place
	if again, err := (&file{self: newID()}).notesBefore(s); err != nil || again != left {
		t.Errorf("%d notes left, %v, want %d as before", again, err, left)
	}
}

// TestEternalBye: hosts that always leave do not keep anybody from the file, nor does a change that no message can hold.
func TestEternalBye(t *testing.T) {
	b, _ := guestOf(t, encode(&hello{Version: shareVersion, Host: newID()}), func(c *peer.Conn, a ask) {
		c.Write(encode(&answer{Fate: bye}))
	})
	if _, err := getText(b, "k"); err != nil {
		t.Error(err)
	}
	var keys []backend.Key
	for range 5000 {
		keys = append(keys, backend.Key{Shelf: backend.ShelfCache, Name: newID().String()})
	}
	if err := b.DeleteBatch(context.Background(), append(keys, backend.Key{Shelf: backend.ShelfCache, Name: "k"})); err != nil {
		t.Error(err)
	}
	if _, err := getText(b, "k"); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("get of what was deleted: %v", err)
	}
}

// A process that asks a host uses the directory's descriptor until Close has waited for it: later the number may belong to another directory.
func TestDialBesideClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30)) // so that the socket's name goes by the descriptor
	b, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putText(b, "a", "text"); err != nil {
		t.Fatal(err)
	}
	f := b.place.main
	dialed, over := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			if n == 1 {
				close(dialed)
			}
			if l, err := f.dial(); l != nil || err != nil {
				over <- fmt.Errorf("dial without a host = %v, %v", l, err)
				return
			}
			if n > 0 && f.place.closed() {
				over <- nil
				return
			}
		}
	}()
	<-dialed
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}
