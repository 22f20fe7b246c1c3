//go:build unix

package shelve_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["stand"] = stand
	roles["getter"] = getter
}

// stand puts a value and, before it commits, stands: still ("stop"), or for args[1], alive
// ("sleep").
func stand(dir string, args []string) error {
	b, err := shelve.Open(dir, shelve.WithHook(shelve.Options{}, func(step, path string) error {
		if step != "before commit" {
			return nil
		}
		fmt.Println("standing")
		if args[0] == "stop" {
			return stop()
		}
		d, err := time.ParseDuration(args[1])
		time.Sleep(d)
		return err
	}))
	if err != nil {
		return err
	}
	if len(args) > 2 {
		shelve.LikeToHost(b)
	}
	if err := put(b, cache("theirs"), []byte("theirs")); err != nil {
		return err
	}
	return b.Close()
}

// stop stops this process until it is sent SIGCONT. The signal may take a while to reach this thread, which
// must not go on meanwhile.
func stop() error {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	err := syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	if err == nil {
		<-continued
	}
	return err
}

// standing starts a process that stands, and waits until it does.
func standing(t *testing.T, dir string, args ...any) *exec.Cmd {
	t.Helper()
	cmd := another(t, "stand", dir, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := out.Read(make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	if args[0] == "stop" {
		awaitStopped(t, cmd)
	}
	return cmd
}

// awaitStopped waits until a process that was sent SIGSTOP stands.
func awaitStopped(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the process is %v, %v, want stopped", status, err)
	}
}

// TestStoppedHolder: who needs what a stopped process holds is told so after the timeout,
// and by whom; and goes on when it goes on.
func TestStoppedHolder(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, open(t, dir, nil), cache("k"), []byte("old"))
	holder := standing(t, dir, "stop")
	b := open(t, dir, &shelve.Options{Timeout: time.Second})
	_, _, getErr := get(b, cache("k"))
	for op, err := range map[string]error{
		"get":  getErr,
		"put":  put(b, cache("k"), []byte("new")),
		"list": listError(b),
	} {
		if !errors.Is(err, backend.ErrLocked) || !backend.Retryable(err) {
			t.Errorf("%s: %v, want %v", op, err, backend.ErrLocked)
		}
		if want := "process " + strconv.Itoa(holder.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", op, err, want)
		}
	}
	if err := put(b, backend.Key{Shelf: "other", Name: "k"}, []byte("v")); err != nil {
		t.Errorf("put on another shelf: %v", err)
	}

	// What waits ends with its ctx, or with the handle.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Stat(ctx, cache("k")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stat: %v, want %v", err, context.DeadlineExceeded)
	}
	b2 := open(t, dir, &shelve.Options{Timeout: time.Hour})
	waiting := make(chan error)
	go func() { waiting <- put(b2, cache("k"), []byte("never")) }()
	time.Sleep(50 * time.Millisecond)
	if err := b2.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, backend.ErrClosed) {
		t.Errorf("put while closing: %v, want %v", err, backend.ErrClosed)
	}

	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if v, _, err := get(b, cache("k")); err != nil || string(v) != "old" {
		t.Errorf("get afterwards = %q, %v, want the old value", v, err)
	}
	if err := holder.Wait(); err != nil {
		t.Errorf("the holder: %v", err)
	}
	if v, _, err := get(b, cache("theirs")); err != nil || string(v) != "theirs" {
		t.Errorf("the holder's value = %q, %v", v, err)
	}
}

// TestSlowHolder: a process that is at work is waited for beyond the timeout.
func TestSlowHolder(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, &shelve.Options{Timeout: 2 * time.Second})
	holder := standing(t, dir, "sleep", "4500ms")
	if err := put(b, cache("k"), []byte("mine")); err != nil {
		t.Errorf("put: %v", err)
	}
	if v, _, err := get(b, cache("theirs")); err != nil || string(v) != "theirs" {
		t.Errorf("the holder's value = %q, %v", v, err)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
}

// TestStoppedWriter: a sweep does not decide about what a stopped writer has claimed.
func TestStoppedWriter(t *testing.T) {
	dir := t.TempDir()
	holder := standing(t, dir, "stop")
	defer holder.Wait()
	defer holder.Process.Signal(syscall.SIGCONT)
	b := open(t, dir, &shelve.Options{Timeout: time.Second})
	if err := litterIn(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sweep(context.Background(), backend.SweepOptions{}); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("sweep: %v, want %v", err, backend.ErrLocked)
	}
	if got := dataFiles(t, dir); len(got) != 1 {
		t.Errorf("the sweep removed something: %v", got)
	}
}

// TestStoppedBeforeDoor: one that is stopped while it waits is in the way of all behind it,
// and is told by name, though another has the door, and later nobody.
func TestStoppedBeforeDoor(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, open(t, dir, nil), cache("k"), []byte("v"))
	holder := standing(t, dir, "stop")
	waiter := another(t, "putter", dir, "p", "1ms")
	if err := waiter.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waiter.Process.Kill() })
	awaitSigned(t, filepath.Join(dir, "main.db.gate"), waiter.Process.Pid)
	if err := waiter.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, waiter)
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
	b := open(t, dir, &shelve.Options{Timeout: time.Second})
	err := put(b, cache("k"), []byte("new"))
	if want := "process " + strconv.Itoa(waiter.Process.Pid); !errors.Is(err, backend.ErrLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("put: %v, want %v by %s", err, backend.ErrLocked, want)
	}
	if err := waiter.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := waiter.Wait(); err != nil {
		t.Errorf("the waiter: %v", err)
	}
	mustPut(t, b, cache("k"), []byte("new"))
}

// awaitSigned waits until the process pid has signed the lock file path: it holds it then,
// and has the name in it that an error tells.
func awaitSigned(t *testing.T, path string, pid int) {
	t.Helper()
	want := []byte(strconv.Itoa(pid) + " ")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && bytes.HasPrefix(b, want) {
			return
		}
	}
	t.Fatalf("%s was not signed by process %d in a minute", path, pid)
}

// TestBusyOthers: processes that never stop writing, or reading, let others in.
func TestBusyOthers(t *testing.T) {
	for _, role := range []string{"putter", "getter"} {
		dir := t.TempDir()
		b := open(t, dir, nil)
		mustPut(t, b, cache("k"), []byte("v"))
		for i := range 3 {
			cmd := another(t, role, dir, fmt.Sprint("p", i), "1h")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for i := range 40 {
			v := fmt.Appendf(nil, "v-%d", i)
			if _, err := b.Put(ctx, cache("k"), bytes.NewReader(v), options(v)); err != nil {
				t.Fatalf("%s: put: %v", role, err)
			}
			time.Sleep(time.Millisecond * time.Duration(i)) // until our files are closed
			if got, _, err := get(b, cache("k")); err != nil || !bytes.Equal(got, v) {
				t.Fatalf("%s: get = %q, %v, want %q", role, got, err, v)
			}
		}
	}
}

// getter gets a value over and over for the time args[1].
func getter(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := time.ParseDuration(args[1])
	for end := time.Now().Add(d); err == nil && time.Now().Before(end); {
		_, _, err = get(b, cache("k"))
	}
	return err
}

// TestRemadeStore: who waited at the door of a store that was removed and made anew waits at
// the new one's door then.
func TestRemadeStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	b := open(t, dir, nil)
	first := standing(t, dir, "stop")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	waiting := make(chan error)
	go func() {
		_, err := b.Put(ctx, cache("k"), strings.NewReader("v"), options([]byte("v")))
		waiting <- err
	}()
	awaitSigned(t, filepath.Join(dir, "main.db.gate"), os.Getpid())
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	second := standing(t, dir, "stop")
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	first.Wait()
	if err := <-waiting; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put beside a stopped holder: %v, want %v", err, context.DeadlineExceeded)
	}
	if err := second.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the holder: %v", err)
	}
}

// TestCorruptIsNotLocked: a process that met a corrupt file does not keep it locked.
func TestCorruptIsNotLocked(t *testing.T) {
	dir, keys := filled(t, 100)
	path := filepath.Join(dir, "main.db")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The free list, at whose sight bbolt panics while it opens. Where it is says each of
	// the two meta pages: a page header of 16 bytes, four numbers of 4, two of 8, this one.
	for meta := range int64(2) {
		var at [8]byte
		if _, err := f.ReadAt(at[:], meta*4096+16+4*4+2*8); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 4096), int64(binary.LittleEndian.Uint64(at[:]))*4096); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, dir, nil)
	if err := put(b, keys[0], nil); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("put: %v, want %v", err, backend.ErrCorrupt)
	}
	if _, _, err := get(b, keys[0]); err != nil {
		t.Errorf("get, which needs no free list: %v", err)
	}
	if _, err := b.Sweep(context.Background(), backend.SweepOptions{Compact: true}); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("sweep: %v, want %v", err, backend.ErrCorrupt)
	}
	for begin := time.Now(); syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("it is still locked")
		}
	}
}
