package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["victim"] = victim
	roles["guest"] = beGuest
	roles["counter"] = beCounter
	roles["busy"] = beBusy
}

// socket is where the host of main.db is asked.
func socket(dir string) string { return filepath.Join(dir, "main.db.sock") }

// victim puts over and over and dies, by kill -9, at the args[1]th time of step args[0].
func victim(dir string, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	b, err := shelve.Open(dir, shelve.WithHook(shelve.Options{}, func(step, _ string) error {
		if step == args[0] {
			if n--; n == 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		return nil
	}))
	if err != nil {
		return err
	}
	shelve.LikeToHost(b)
	fmt.Println("begins")
	for i := 0; ; i++ {
		if err := put(b, cache(fmt.Sprint("victim-", i%3)), []byte("v")); err != nil {
			return err
		}
	}
}

// beGuest puts keys of its own, each if it is absent, and counts on a number with others, until its time args[1] is over. No
// change may be lost, or made twice.
func beGuest(dir string, args []string) error {
	ctx := context.Background()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	counted := 0
	for i, end := 0, time.Now().Add(d); time.Now().Before(end); i++ {
		key, v := cache(fmt.Sprint(args[0], "-", i)), fmt.Appendf(nil, "value %s %d", args[0], i)
		o := options(v)
		o.IfAbsent = true
		info, err := b.Put(ctx, key, bytes.NewReader(v), o)
		if err != nil {
			return fmt.Errorf("put if absent: %w", err)
		}
		got, found, err := get(b, key)
		if err != nil || !bytes.Equal(got, v) || found.Version != info.Version || !found.ModTime.Equal(info.ModTime) {
			return fmt.Errorf("%q = %q, %+v, %v, want %q, %+v", key, got, found, err, v, info)
		}
		if i%2 == 0 {
			if err := count(ctx, b); err != nil {
				return fmt.Errorf("count: %w", err)
			}
			counted++
		}
		if i%3 == 0 {
			if err := b.Delete(ctx, key); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
		}
	}
	fmt.Println("counted", counted)
	return nil
}

// TestHostDies kills the process that commits for others, before it commits, after it did and before it answers: they learn
// what became of their changes, and nothing is made twice.
func TestHostDies(t *testing.T) {
	for _, step := range []string{"before commit", "after commit"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			mustPut(t, open(t, dir, nil), cache("count"), []byte("0"))
			total := 0
			for round := range 6 {
				host := another(t, "victim", dir, step, 20+5*round)
				out, err := host.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := host.Start(); err != nil {
					t.Fatal(err)
				}
				if _, err := out.Read(make([]byte, 20)); err != nil {
					t.Fatal(err)
				}
				total += runGuests(t, dir, round)
				var status *exec.ExitError
				if err := host.Wait(); !errors.As(err, &status) || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Errorf("the victim: %v, want a kill", err)
				}
			}
			got, _, err := get(open(t, dir, nil), cache("count"))
			if err != nil || string(got) != strconv.Itoa(total) {
				t.Errorf("count = %s, %v, want %d", got, err, total)
			}
		})
	}
}

// runGuests runs three guests, and returns how often they counted.
func runGuests(t *testing.T, dir string, round int) (total int) {
	t.Helper()
	for _, printed := range crew(t, 3, func(i int) *exec.Cmd {
		return another(t, "guest", dir, fmt.Sprintf("g%d-%d", round, i), 300*time.Millisecond)
	}) {
		total += number(t, printed, "counted")
	}
	return total
}

// beCounter counts until its time args[0] is over, and says so each time.
func beCounter(dir string, args []string) error {
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := count(context.Background(), b); err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString("+"); err != nil {
			return err
		}
	}
	return nil
}

// TestStormOfHosts stops, continues and kills processes that count together, hosts and guests alike: what was said to be counted was, once, and
// of a process that was killed one more may have been.
func TestStormOfHosts(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, open(t, dir, nil), cache("count"), []byte("0"))
	var said, started atomic.Int64
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			out := new(bytes.Buffer)
			cmd := another(t, "counter", dir, 2*time.Second)
			cmd.Stdout = out
			cmd.Stderr = out
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			doomed := started.Add(1) <= 3
			life := time.Duration(200+rand.IntN(1000)) * time.Millisecond
			for range 3 {
				time.Sleep(life / 3)
				cmd.Process.Signal(syscall.SIGSTOP)
				time.Sleep(life / 10)
				cmd.Process.Signal(syscall.SIGCONT)
			}
			if doomed {
				cmd.Process.Kill()
			}
			if err := cmd.Wait(); err != nil && !doomed {
				t.Errorf("a counter that was not killed: %v, %s", err, bytes.TrimLeft(out.Bytes(), "+"))
			}
			said.Add(int64(bytes.Count(out.Bytes(), []byte("+"))))
		})
	}
	all.Wait()
	got, _, err := get(open(t, dir, nil), cache("count"))
	n, numErr := strconv.Atoi(string(got))
	if err := errors.Join(err, numErr); err != nil || int64(n) < said.Load() || int64(n) > said.Load()+3 {
		t.Errorf("count = %d, %v, want %d to %d", n, err, said.Load(), said.Load()+3)
	}
	if said.Load() < 5 {
		t.Errorf("%d counts are no test", said.Load())
	}
}

// hosting starts a process that holds main.db, takes what others ask, and stands before it commits.
func hosting(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	return standing(t, dir, "sleep", time.Hour, "host")
}

// TestHostAnswersLooks: a value is looked up at a process that has the file alone, in the middle of a commit.
func TestHostAnswersLooks(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	mustPut(t, first, cache("k"), []byte("v"))
	first.Close()
	hosting(t, dir)
	b := open(t, dir, nil)
	if got, _, err := get(b, cache("k")); err != nil || string(got) != "v" {
		t.Errorf("get = %q, %v", got, err)
	}
	if _, _, err := get(b, cache("absent")); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("get of what is absent: %v", err)
	}
}

// TestStoppedHost: a process that asked one that is stopped is told so after the timeout, and by whom, and what it
// asked for happens when the host goes on.
func TestStoppedHost(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	mustPut(t, first, cache("k"), []byte("old"))
	first.Close()
	host := hosting(t, dir)
	b := open(t, dir, &shelve.Options{Timeout: time.Second})
	if _, err := b.Stat(context.Background(), cache("k")); err != nil { // so that there is a link
		t.Fatal(err)
	}
	if err := host.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, host)
	_, _, getErr := get(b, cache("k"))
	for op, err := range map[string]error{"get": getErr, "put": put(b, cache("k"), []byte("new"))} {
		if !errors.Is(err, backend.ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(host.Process.Pid)) {
			t.Errorf("%s: %v, want %v by process %d", op, err, backend.ErrLocked, host.Process.Pid)
		}
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	host.Wait()
	mustPut(t, b, cache("k"), []byte("newer"))
	if got, _, err := get(b, cache("k")); err != nil || string(got) != "newer" {
		t.Errorf("get = %q, %v, want newer", got, err)
	}
	if got, _, err := get(b, cache("theirs")); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("what the host was about to commit = %q, %v", got, err)
	}
}

// beBusy is a host that puts until its standard input ends, and does not leave for processes that could ask.
func beBusy(dir string, _ []string) error {
	shelve.StayHost()
	b, err := shelve.Open(dir, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	shelve.LikeToHost(b)
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	for i := 0; ; i++ {
		if err := put(b, cache("busy"), fmt.Append(nil, i)); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("busy")
		}
		select {
		case err := <-ended:
			return err
		default:
		}
	}
}

// TestHostLetsIn: who needs the file itself, for a list or a large value, gets it from a host that is busy without end.
func TestHostLetsIn(t *testing.T) {
	dir := t.TempDir()
	host := another(t, "busy", dir)
	in, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir, nil)
	for i := range 5 {
		mustPut(t, b, cache(fmt.Sprint("large-", i)), value(fmt.Sprint(i), large))
		if err := listError(b); err != nil {
			t.Fatal(err)
		}
		if got, _, err := get(b, cache("busy")); err != nil || len(got) == 0 {
			t.Fatalf("what the host puts = %q, %v", got, err)
		}
	}
	in.Close()
	if err := host.Wait(); err != nil {
		t.Errorf("the host: %v", err)
	}
	if got, _, err := get(b, cache("large-0")); err != nil || len(got) != large {
		t.Errorf("%d bytes, %v, want %d", len(got), err, large)
	}
}

// TestSocketLeft: a socket that nobody listens at, or that is none, is in nobody's way; and none is left behind.
func TestSocketLeft(t *testing.T) {
	for name, leave := range map[string]func(path string) error{
		"dead": func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err == nil {
				err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
				syscall.Close(fd)
			}
			return err
		},
		"file": func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir, nil)
			mustPut(t, b, cache("k"), []byte("v"))
			b.Close()
			if err := leave(socket(dir)); err != nil {
				t.Fatal(err)
			}
			runGuests(t, dir, 0)
			b = open(t, dir, nil)
			shelve.LikeToHost(b)
			mustPut(t, b, cache("k"), []byte("v2"))
			if got, _, err := get(b, cache("k")); err != nil || string(got) != "v2" {
				t.Errorf("get = %q, %v", got, err)
			}
			b.Close()
			if _, err := os.Lstat(socket(dir)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

// TestDeepDirectory: a path longer than that of a socket may be is none for sharing.
func TestDeepDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30), "store")
	first := open(t, dir, nil)
	mustPut(t, first, cache("k"), []byte("v"))
	first.Close()
	hosting(t, dir)
	if got, _, err := get(open(t, dir, nil), cache("k")); err != nil || string(got) != "v" {
		t.Errorf("get = %q, %v", got, err)
	}
}
