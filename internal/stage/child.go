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

// lastWords is how long the output of an interrupted command is waited for once the command is
// gone: processes that it started may hold it open for ever.
const lastWords = 500 * time.Millisecond

// execute runs the command to its end. What it says goes to r.Stdout and r.Stderr at once,
// and into the captures.
func (s *Stage) execute(ctx context.Context, r *runner, stdout, stderr *capture) (ending, error) {
	exe, err := s.executable()
	if err != nil {
		return ending{}, err
	}
	if exe, err = filepath.Abs(exe); err != nil { // cmd.Dir must not count twice
		return ending{}, err
	}
	cmd := &exec.Cmd{Path: exe, Args: s.Args, Dir: s.Dir}
	cmd.Env = append(os.Environ(), runningVariable+"="+r.running)
	if s.Stdin != "" {
		in, err := os.Open(s.Stdin)
		if err != nil {
			return ending{}, err
		}
		defer in.Close()
		cmd.Stdin = in
	}
	var out pipes
	defer out.close()
	if cmd.Stdout, err = out.add(r.Stdout, stdout); err != nil {
		return ending{}, err
	}
	if cmd.Stderr, err = out.add(r.Stderr, stderr); err != nil {
		return ending{}, err
	}

	began := time.Now()
	if err := cmd.Start(); err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return ending{}, &CommandError{s.Args[0], err}
	}
	w := watch(ctx, cmd.Process, r.Signals)
	copied := out.copy()
	err = cmd.Wait()
	var copyErr error
	select {
	case copyErr = <-copied:
	case <-w.interrupted:
		select {
		case <-copied:
		case <-time.After(lastWords):
			out.close()
			<-copied
		}
	}
	e := ending{interrupted: w.stop(), took: time.Since(began)}
	e.exit, e.signalled = exitOf(cmd.ProcessState)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	if err = errors.Join(err, copyErr); err != nil {
		return e, fmt.Errorf("command %q: %w", s.Args[0], err)
	}
	return e, nil
}

// pipes carry a command's output to those who want it.
type pipes struct {
	readers, writers []*os.File
	to               []io.Writer
}

// add returns the end of a new pipe that the command writes to.
func (p *pipes) add(to ...io.Writer) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.readers, p.writers = append(p.readers, r), append(p.writers, w)
	p.to = append(p.to, io.MultiWriter(to...))
	return w, nil
}

// copy carries on until no process has the other end of any pipe, then tells its error.
func (p *pipes) copy() <-chan error {
	errs := make([]error, len(p.readers))
	var group sync.WaitGroup
	for i, r := range p.readers {
		p.writers[i].Close() // the command has its own
		group.Go(func() {
			_, errs[i] = io.Copy(p.to[i], r)
			r.Close() // so that the command notices if nobody listens
		})
	}
	done := make(chan error, 1)
	go func() {
		group.Wait()
		done <- errors.Join(errs...)
	}()
	return done
}

// close closes what is still open.
func (p *pipes) close() {
	for i := range p.readers {
		p.readers[i].Close()
		p.writers[i].Close()
	}
}

// watcher passes signals on to the command while it runs.
type watcher struct {
	interrupted chan struct{} // closed when anything came
	done        chan struct{}
	group       sync.WaitGroup
}

// watch passes on what comes by signals; where nothing can come, the end of ctx kills the
// process. A command that an interrupt reaches by itself, since the terminal sends it
// to both, is spared a second one; unless the user insists.
func watch(ctx context.Context, p *os.Process, signals <-chan os.Signal) *watcher {
	w := &watcher{interrupted: make(chan struct{}), done: make(chan struct{})}
	w.group.Go(func() {
		tell := sync.OnceFunc(func() { close(w.interrupted) })
		ended := ctx.Done()
		signalled := false
		for {
			select {
			case <-w.done:
				return
			case <-ended:
				tell()
				ended = nil
				if signals == nil {
					p.Kill()
				}
			case sig := <-signals:
				if signalled || !reachesByItself(sig) {
					p.Signal(sig) // an error: it has ended
				}
				tell()
				signalled = true
			}
		}
	})
	return w
}

// stop ends the watch and reports whether anything came.
func (w *watcher) stop() bool {
	close(w.done)
	w.group.Wait()
	select {
	case <-w.interrupted:
		return true
	default:
		return false
	}
}
