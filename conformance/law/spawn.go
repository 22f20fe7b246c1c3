package law

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// helper is a process that does a job.
type helper struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it says; closed at its end
	ended chan error  // how it ended

	mu     sync.Mutex
	stderr bytes.Buffer
}

// Write keeps what the process says on stderr.
func (h *helper) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stderr.Write(b)
}

// quickExit keeps a helper that was built with the race detector from sleeping a second before
// it ends, as it would by default.
const quickExit = "GORACE=atexit_sleep_ms=10"

// spawn starts a helper, which waits for a word before it begins. It is killed when ctx
// ends, at the latest.
func (e *Env) spawn(ctx context.Context, j job) (*helper, error) {
	j.Loc = e.loc
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	h := &helper{cmd: e.cfg.Command(e.loc), lines: make(chan string, 100), ended: make(chan error, 1)}
	env := h.cmd.Env
	if env == nil {
		env = os.Environ()
	}
	h.cmd.Env = append(env, childVariable+"="+string(text))
	if os.Getenv("GORACE") == "" {
		h.cmd.Env = append(h.cmd.Env, quickExit)
	}
	h.cmd.Stderr = h
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a helper process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { h.cmd.Process.Kill() })
	go func() {
		var other strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if said, ok := strings.CutPrefix(lines.Text(), childMark); ok {
				select {
				case h.lines <- said:
				case <-ctx.Done(): // the parent has gone
				}
			} else {
				fmt.Fprintln(&other, lines.Text())
			}
		}
		close(h.lines)
		err := h.cmd.Wait()
		stop()
		if err != nil {
			err = fmt.Errorf("%w: %s%s", err, other.String(), h.stderr.String())
		}
		h.ended <- err
	}()
	if err := h.expect("ready"); err != nil {
		return nil, err
	}
	return h, nil
}

// tell says a word to the process.
func (h *helper) tell() error {
	_, err := io.WriteString(h.in, "go on\n")
	return err
}

// expect waits for the process to say what it should.
func (h *helper) expect(want string) error {
	line, ok := <-h.lines
	if !ok {
		return fmt.Errorf("a helper process ended before it said %q: %w", want, <-h.ended)
	}
	if !strings.HasPrefix(line, want) {
		return fmt.Errorf("a helper process said %q, want %q", line, want)
	}
	return nil
}

// rest returns all that the process still says, and wants it to end well.
func (h *helper) rest() ([]string, error) {
	var all []string
	for line := range h.lines {
		all = append(all, line)
	}
	if err := <-h.ended; err != nil {
		return all, fmt.Errorf("a helper process: %w", err)
	}
	if len(all) == 0 || all[len(all)-1] != "done" {
		return all, errors.New("a helper process ended without saying that it is done")
	}
	return all[:len(all)-1], nil
}

// together runs helpers of one job at once, and returns what each said.
func (e *Env) together(ctx context.Context, n int, j job) ([][]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.DieStep = -1
	helpers := make([]*helper, n)
	for i := range helpers {
		j.Worker = i
		h, err := e.spawn(ctx, j)
		if err != nil {
			return nil, err
		}
		helpers[i] = h
	}
	for _, h := range helpers {
		if err := h.tell(); err != nil {
			return nil, err
		}
	}
	said := make([][]string, n)
	return said, crowd(n, func(i int) (err error) {
		said[i], err = helpers[i].rest()
		return err
	})
}
