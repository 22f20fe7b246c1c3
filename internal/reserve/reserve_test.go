package reserve_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/durable"
	"github.com/larder-store/larder/internal/reserve"
)

// lab is a directory with outputs and one of records.
type lab struct {
	t         *testing.T
	dir, runs string
	notes     []string
	mu        sync.Mutex // guards notes
}

func newLab(t *testing.T) *lab { return &lab{t: t, dir: t.TempDir(), runs: t.TempDir()} }

func (l *lab) run(id string, outputs ...string) reserve.Run {
	r := reserve.Run{Stage: "stage " + id, ID: id}
	for _, o := range outputs {
		r.Outputs = append(r.Outputs, filepath.Join(l.dir, o))
	}
	return r
}

func (l *lab) options(wait time.Duration) reserve.Options {
	return reserve.Options{Dir: l.runs, MaxWait: wait, Note: func(text string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.notes = append(l.notes, text)
	}}
}

func (l *lab) take(wait time.Duration, run reserve.Run) *reserve.Reservation {
	l.t.Helper()
	r, err := reserve.Take(context.Background(), run, l.options(wait))
	if err != nil {
		l.t.Fatalf("Take(%q) = %v", run.Outputs, err)
	}
	return r
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// files returns the names and contents of all files.
func (l *lab) files() string {
	l.t.Helper()
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		text, _ := os.ReadFile(filepath.Join(l.dir, e.Name()))
		all = append(all, e.Name()+"="+string(text))
	}
	return strings.Join(all, " ")
}

// An output belongs to one run at a time; so does what lies in it and what it lies in.
func TestConflicts(t *testing.T) {
	l := newLab(t)
	held := l.take(0, l.run("a", "d", "x"))
	for _, c := range []struct {
		run  reserve.Run
		free bool
	}{
		{l.run("b", "d"), false},
		{l.run("b", "y", "x"), false},
		{l.run("b", "d/inner/y"), false},
		{l.run("b", "."), false},
		{l.run("b", "dd"), true},
		{l.run("b", "y"), true},
		{l.run("b"), true},
		{l.run("a", "y"), true}, // the same stage elsewhere is left to leases
	} {
		r, err := reserve.Take(context.Background(), c.run, l.options(0))
		switch {
		case c.free && err != nil:
			t.Errorf("Take(%q) = %v, want it free", c.run.Outputs, err)
		case !c.free && (!errors.Is(err, reserve.ErrInUse) || !strings.Contains(err.Error(), `"stage a"`) || !strings.Contains(err.Error(), `output "`)):
			t.Errorf("Take(%q) = %v, want ErrInUse that names output and stage", c.run.Outputs, err)
		}
		if r != nil {
			r.Release()
		}
	}
	held.Release()
	l.take(0, l.run("b", "d")).Release()
	if left, _ := os.ReadDir(l.runs); len(left) != 1 {
		t.Errorf("the directory of records has %v, want the mutex alone", left)
	}
}

// Take waits for the other run's end, says so once, and reports that it waited.
func TestWaiting(t *testing.T) {
	l := newLab(t)
	held := l.take(0, l.run("a", "x"))
	done := make(chan *reserve.Reservation)
	go func() { done <- l.take(time.Hour, l.run("b", "x")) }()
	for {
		l.mu.Lock()
		n := len(l.notes)
		l.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Fatal("two runs have one output")
	default:
	}
	held.Release()
	r := <-done
	if !r.Waited || len(l.notes) != 1 || !strings.Contains(l.notes[0], "in use by a run of stage") {
		t.Errorf("Waited = %v, notes = %q; want it waited and said so once", r.Waited, l.notes)
	}
	r.Release()
}

// A wait ends with its context, also where another process was stopped while it had the mutex.
func TestCancelledWait(t *testing.T) {
	for _, mutex := range []bool{false, true} {
		l := newLab(t)
		defer l.take(0, l.run("a", "x")).Release()
		if mutex {
			f, err := os.OpenFile(filepath.Join(l.runs, "mutex"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := durable.Lock(f, false); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := reserve.Take(ctx, l.run("b", "x"), l.options(time.Hour)); err == nil {
			t.Errorf("mutex %v: Take gave out an output that is in use", mutex)
		}
	}
}

// A run is no hindrance to those within it.
func TestWithin(t *testing.T) {
	l := newLab(t)
	outer := l.take(0, l.run("a", "d"))
	defer outer.Release()
	name, value, _ := strings.Cut(outer.Environment(), "=")
	t.Setenv(name, value)
	inner := l.take(0, l.run("b", "d/x"))
	defer inner.Release()
	if _, err := reserve.Take(context.Background(), l.run("c", "d/x"), l.options(0)); !errors.Is(err, reserve.ErrInUse) {
		t.Errorf("a second inner run: %v, want ErrInUse", err)
	}
	if ids := reserve.Outer(); len(ids) != 1 || ids[0] != "a" {
		t.Errorf("Outer() = %q, want a", ids)
	}
}

// dead makes what a killed run leaves: a record without a lock, and what it had moved.
func (l *lab) dead(outputs ...string) (nonce string) {
	l.t.Helper()
	nonce = "00112233445566aa"
	run := l.run("dead", outputs...)
	text, err := json.Marshal(map[string]any{"format": 1, "nonce": nonce, "stage": "dead", "id": "dead", "outputs": run.Outputs, "pid": 1 << 30, "space": reserve.Space()})
	if err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.runs, nonce), text, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return nonce
}

// What a killed run left is put back where nothing new is, and removed elsewhere: by the next run
// that wants one of its outputs, or by a sweep.
func TestRecovery(t *testing.T) {
	for name, clear := range map[string]func(l *lab) error{
		"the next run": func(l *lab) error {
			l.take(0, l.run("b", "y")).Release()
			return nil
		},
		"a sweep": func(l *lab) error {
			before := l.files()
			if n, err := reserve.Sweep(context.Background(), l.runs, true, func(string) {}); err != nil || n != 1 {
				t.Errorf("a dry sweep found %d, %v; want 1", n, err)
			}
			if l.files() != before {
				t.Error("a dry sweep changed something")
			}
			n, err := reserve.Sweep(context.Background(), l.runs, false, func(string) {})
			if n != 1 {
				t.Errorf("a sweep found %d, want 1", n)
			}
			return err
		},
	} {
		l := newLab(t)
		nonce := l.dead("x", "y", "z")
		l.write(".larder-"+nonce+"-old-0", "old x")
		l.write(".larder-"+nonce+"-old-1", "old y")
		l.write("y", "new y")
		l.write(".larder-"+nonce+"-new-2", "half of z")
		l.write(".larder-ffff-old-0", "another's")
		if err := clear(l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := l.files(), ".larder-ffff-old-0=another's x=old x y=new y"; got != want {
			t.Errorf("%s: files %q, want %q", name, got, want)
		}
		if _, err := os.Stat(filepath.Join(l.runs, nonce)); err == nil {
			t.Errorf("%s: the record is still there", name)
		}
	}
}

// A record that a kill cut short says nothing, and is removed; nothing was moved before it was whole.
func TestHalfARecord(t *testing.T) {
	l := newLab(t)
	if err := os.WriteFile(filepath.Join(l.runs, "00112233445566aa"), []byte(`{"format":1,"non`), 0o600); err != nil {
		t.Fatal(err)
	}
	l.take(0, l.run("a", "x")).Release()
	if left, _ := os.ReadDir(l.runs); len(left) != 1 {
		t.Errorf("the directory of records has %v, want the mutex alone", left)
	}
}

// What is no record of this version stays: the directory may be one where somebody keeps other things.
func TestStrangersAmongRecords(t *testing.T) {
	l := newLab(t)
	strangers := map[string]string{
		"thesis.txt":       "all of it",
		"empty":            "",
		"0011223344556677": "no record",
		"8899aabbccddeeff": `{"format":2,"nonce":"8899aabbccddeeff"}`,
	}
	for name, text := range strangers {
		if err := os.WriteFile(filepath.Join(l.runs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.take(0, l.run("a", "x")).Release()
	if n, err := reserve.Sweep(context.Background(), l.runs, false, func(string) {}); n != 0 || err != nil {
		t.Errorf("a sweep found %d killed runs, %v; want none", n, err)
	}
	for name, text := range strangers {
		if got, err := os.ReadFile(filepath.Join(l.runs, name)); err != nil || string(got) != text {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, text)
		}
	}
}

// A directory for records that others could write to is not used.
func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := reserve.Private(dir); err == nil {
		t.Error("a directory that everybody may write to is taken")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := reserve.Private(link); err == nil {
		t.Error("a link is taken")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := reserve.Private(dir); err != nil {
		t.Errorf("a directory of the user's own: %v", err)
	}
}

// A run whose larder has its number in another container cannot be told dead from here: it is waited for,
// and nothing of it is ended.
func TestRunOfAnotherContainer(t *testing.T) {
	l := newLab(t)
	held := l.take(0, l.run("a", "x"))
	defer held.Release()
	records, err := filepath.Glob(filepath.Join(l.runs, "????????????????"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records %q, %v", records, err)
	}
	text, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	record["space"], record["pid"] = "pid:[1]", 1<<30
	if text, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(records[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = reserve.Take(context.Background(), l.run("b", "x"), l.options(0))
	if !errors.Is(err, reserve.ErrInUse) || strings.Contains(err.Error(), "killed") || len(l.notes) > 0 {
		t.Errorf("Take = %v, notes %q; want it in use by a live run", err, l.notes)
	}
}
