package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// ending is how a command ended.
type ending struct {
	exit        int  // as a shell tells it: 128 and the signal's number for a signal
	signalled   bool // it was ended by a signal
	interrupted bool // a signal came, or the context ended, while it ran
	took        time.Duration
}

// execute runs the command to its end. What it says goes to o.Stdout and o.Stderr at once,
// and into the captures.
func (s *Stage) execute(ctx context.Context, o *Options, stdout, stderr *capture) (ending, error) {
	exe, err := s.executable()
	if err != nil {
		return ending{}, err
	}
	if exe, err = filepath.Abs(exe); err != nil { // cmd.Dir must not count twice
		return ending{}, err
	}
	cmd := &exec.Cmd{
		Path:   exe,
		Args:   s.Args,
		Dir:    s.Dir,
		Stdout: io.MultiWriter(o.Stdout, stdout),
		Stderr: io.MultiWriter(o.Stderr, stderr),
	}
	if s.Stdin != "" {
		in, err := os.Open(s.Stdin)
		if err != nil {
			return ending{}, err
		}
		defer in.Close()
		cmd.Stdin = in
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return ending{}, &CommandError{s.Args[0], err}
	}

	w := watch(ctx, cmd.Process, o.Signals)
	err = cmd.Wait()
	e := ending{interrupted: w.stop(), took: time.Since(began)}
	e.exit, e.signalled = exitOf(cmd.ProcessState)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return e, fmt.Errorf("command %q: %w", s.Args[0], err)
	}
	return e, nil
}

// watcher passes signals on to the command while it runs.
type watcher struct {
	done        chan struct{}
	group       sync.WaitGroup
	interrupted bool
}

// watch passes on what comes by signals; where nothing can come, the end of ctx kills the
// process. A command that an interrupt reaches by itself, since the terminal sends it
// to both, is spared a second one; unless the user insists.
func watch(ctx context.Context, p *os.Process, signals <-chan os.Signal) *watcher {
	w := &watcher{done: make(chan struct{})}
	w.group.Go(func() {
		ended := ctx.Done()
		signalled := false
		for {
			select {
			case <-w.done:
				return
			case <-ended:
				w.interrupted = true
				ended = nil
				if signals == nil {
					p.Kill()
				}
			case sig := <-signals:
				if signalled || !reachesByItself(sig) {
					p.Signal(sig) // an error: it has ended
				}
				signalled, w.interrupted = true, true
			}
		}
	})
	return w
}

// stop ends the watch and reports whether anything came.
func (w *watcher) stop() bool {
	close(w.done)
	w.group.Wait()
	return w.interrupted
}
