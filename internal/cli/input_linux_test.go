package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignalsEndWaiting: a command that waits for input that never comes ends when it is told to, and
// says so.
func TestSignalsEndWaiting(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, args := range [][]string{
			{"read", "FIFO"},
			{"read", "-"},
			{"put", "--name", "a", "x", "FIFO"},
			{"put", "--name", "a", "x"},
			{"run", "--stdin", "--version", "1", "--", "cat"},
		} {
			dir := t.TempDir()
			fifo := filepath.Join(dir, "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			// Open on both ends, so that it neither ends nor delivers anything.
			both, err := os.OpenFile(fifo, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer both.Close()
			cmd := exec.Command("larder", args...)
			for i, arg := range cmd.Args {
				if arg == "FIFO" {
					cmd.Args[i] = fifo
				}
			}
			var words bytes.Buffer
			cmd.Stdin, cmd.Stderr = both, &words
			cmd.Env = append(os.Environ(), "LARDER_STORE="+filepath.Join(dir, "store"), "XDG_CACHE_HOME="+dir, "LARDER_RUNS="+filepath.Join(dir, "runs"))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waits(t, cmd.Process.Pid, args)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			exit, ok := err.(*exec.ExitError)
			if !ok || exit.ExitCode() != exitFailed || !strings.Contains(words.String(), "larder: interrupted") {
				t.Errorf("%q after %v: %v, %q; want it interrupted", args, sig, err, words.String())
			}
		}
	}
}

// TestSecondSignalKills: a command that cannot end at once, for nobody reads what it writes, is killed by the
// next signal.
func TestSecondSignalKills(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := t.TempDir()
		table := filepath.Join(dir, "table.txt")
		if err := os.WriteFile(table, []byte(strings.Repeat("1 2\n", 1<<16)), 0o600); err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		capacity, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize())
		if err != nil {
			t.Fatal(err)
		}
		var words bytes.Buffer
		cmd := exec.Command("larder", "read", "--csv", "--headerless", table)
		cmd.Stdout, cmd.Stderr = w, &words
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		full := func() bool {
			n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
			return err == nil && n == capacity
		}
		for range 10_000 {
			if full() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if !full() {
			cmd.Process.Kill()
			t.Fatalf("larder read did not fill its pipe: %v, %q", cmd.Wait(), words.String())
		}

		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		killed := false
		for tries := 0; !killed && tries < 1000; tries++ {
			cmd.Process.Signal(sig) // the first one may still be on its way when the second is sent: then they are one
			select {
			case err = <-ended:
			case <-time.After(10 * time.Millisecond):
				continue
			}
			killed = true
			status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != sig {
				t.Errorf("ended with %v, %q; want it killed by %v", err, words.String(), sig)
			}
		}
		if !killed {
			cmd.Process.Kill()
			t.Errorf("a thousand times %v did not end it: %v", sig, <-ended)
		}
	}
}

// waits returns once a process reads its input: of the temporary file, if it makes one, or of the input itself.
func waits(t *testing.T, pid int, args []string) {
	t.Helper()
	for range 10_000 {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		reading := 0
		for _, fd := range fds {
			if path, _ := os.Readlink(fd); strings.Contains(path, "larder-read-") || strings.Contains(path, "larder-stdin-") || strings.HasSuffix(path, "/fifo") {
				reading++
			}
		}
		// Its standard input is the FIFO; a file that it made or opened is one more.
		if want := 2; reading >= want || args[0] == "put" && len(args) == 4 && opensStore(pid) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%q did not come to wait for its input", args)
}

// opensStore reports whether a process has come to the store: put then reads.
func opensStore(pid int) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if path, _ := os.Readlink(fd); strings.Contains(path, "/store") {
			return true
		}
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && len(entries) == 0
}
