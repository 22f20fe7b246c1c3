package sessiontest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is for how long a worker is waited for. Nothing is judged by it but a hang.
const patience = 5 * time.Minute

// Process is a worker.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	said chan string // closed at the end
	done chan error

	mu    sync.Mutex
	acked map[string]int // by session: how many items
}

// Start starts a worker, which ends with the test.
func Start(t testing.TB, o Order) *Process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: exec.Command(self), said: make(chan string, 10), done: make(chan error, 1), acked: map[string]int{}}
	p.cmd.Env = append(os.Environ(), variable+"="+string(text), "GORACE=atexit_sleep_ms=10")
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.hear(lines.Text())
		}
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		for range p.said {
		}
	})
	return p
}

func (p *Process) hear(line string) {
	if rest, ok := strings.CutPrefix(line, "acknowledged "); ok {
		at := strings.LastIndexByte(rest, ' ')
		n := 0
		fmt.Sscan(rest[at+1:], &n)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.acked[rest[:at]] = n
		return
	}
	p.said <- line
}

// Acknowledged returns how many items of which session the worker has said to be stored.
func (p *Process) Acknowledged() (session string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for session, n = range p.acked {
	}
	return session, n
}

// Hear waits until the worker says want.
func (p *Process) Hear(want string) {
	p.t.Helper()
	select {
	case line := <-p.said:
		if line != want {
			p.t.Fatalf("the worker says %q, want %q", line, want)
		}
	case <-time.After(patience):
		p.t.Fatalf("the worker does not say %q", want)
	}
}

// Tell gives the worker the word that it waits for.
func (p *Process) Tell() { fmt.Fprintln(p.in) }

// Signal sends a signal.
func (p *Process) Signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends the worker at once.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	p.wait()
}

// Wait waits for the worker's end, which must be a good one.
func (p *Process) Wait() {
	p.t.Helper()
	for line := range p.said {
		p.t.Errorf("the worker says %q", line)
	}
	if err := p.wait(); err != nil {
		p.t.Errorf("the worker: %v", err)
	}
}

func (p *Process) wait() error {
	for range p.said {
	}
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(patience):
		return fmt.Errorf("it does not end")
	}
}
