//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a server behind a shell that ends it when its own input does: that is a pipe from
// this process, which closes however this process ends.
type process struct {
	name  string
	log   string
	pipe  io.WriteCloser
	ended chan error
	pid   int
}

// watch runs a command, says its number, waits for the end of its input or of the command, and ends it.
const watch = `signal=$1; shift; exec 3<&0; "$@" </dev/null 3<&- & pid=$!; echo $pid
(cat <&3 >/dev/null; kill -$signal $pid 2>/dev/null) >/dev/null 2>&1 & watcher=$!
exec 3<&-; wait $pid; code=$?; kill $watcher 2>/dev/null; exit $code`

func start(dir, log string, end syscall.Signal, name string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(name), log: filepath.Join(dir, log), ended: make(chan error, 1)}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, "sh", fmt.Sprint(int(end)), name}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: unprivileged()}
	if p.pipe, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := fmt.Fscan(said, &p.pid); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, said)
		p.ended <- cmd.Wait()
	}()
	return p, nil
}

// wait waits until the server answers.
func (p *process) wait(answers func(ctx context.Context) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !answers(ctx) {
		select {
		case err := <-p.ended:
			p.ended <- err
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended (%v): %s", p.name, err, strings.TrimSpace(string(text)))
		case <-ctx.Done():
			p.stop(syscall.SIGKILL)
			return fmt.Errorf("%s does not answer", p.name)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// stop ends the server, and waits for that.
func (p *process) stop(signal syscall.Signal) {
	select {
	case err := <-p.ended: // its number may be another's by now
		p.ended <- err
		p.pipe.Close()
		return
	default:
	}
	_ = syscall.Kill(p.pid, signal)
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(patience):
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	p.pipe.Close()
}
