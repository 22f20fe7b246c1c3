package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// ending is how a command ended.
type ending struct {
	exit        int  // as a shell reports it: 128 and the signal's number for a signal
	signalled   bool // it was ended by a signal
	interrupted bool // a signal came, or the context ended, while it ran
	took        time.Duration
}

// lastWords is how long the processes of an interrupted command may go on once the command itself
// has ended, before they are ended too.
const lastWords = 500 * time.Millisecond

// silence is how long processes that a command left behind are waited for before that is said.
const silence = time.Second

// execute runs the command to the end of the last of its processes. What it says goes to r.Stdout and
// r.Stderr at once, and into the captures.
func (s *Stage) execute(ctx context.Context, r *runner, stdout, stderr *capture) (ending, error) {
	cmd, err := s.command()
	if err != nil {
		return ending{}, err
	}
	cmd.Env = append(os.Environ(), r.res.Environment())
	if s.Stdin != nil {
		if _, err := s.Stdin.file.Seek(0, io.SeekStart); err != nil {
			return ending{}, err
		}
		cmd.Stdin = s.Stdin.file.File
	}
	var out pipes
	defer out.close()
	if cmd.Stdout, err = out.add(r.Stdout, stdout); err != nil {
		return ending{}, err
	}
	if cmd.Stderr, err = out.add(r.Stderr, stderr); err != nil {
		return ending{}, err
	}

	runtime.LockOSThread() // its end would be taken for ours by the signal that the command then gets
	defer runtime.UnlockOSThread()
	began := time.Now()
	group := bind(cmd)
	if err := r.res.Start(cmd.Start); err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return ending{}, &CommandError{s.Args[0], err}
	}
	w := watch(ctx, cmd.Process, group, r.Signals)
	copied := out.copy()
	err = cmd.Wait()
	copyErr := r.outlive(ctx, w, copied, &out)
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

// command returns the command, ready but for its environment and streams.
func (s *Stage) command() (*exec.Cmd, error) {
	exe, err := s.executable()
	if err != nil {
		return nil, err
	}
	if exe, err = filepath.Abs(exe); err != nil { // cmd.Dir must not count twice
		return nil, err
	}
	return &exec.Cmd{Path: exe, Args: s.Args, Dir: s.Dir}, nil
}

// outlive returns once all processes that the command left behind have ended and their output
// is copied. They are ended if that was asked for, or after an interruption.
func (r *runner) outlive(ctx context.Context, w *watcher, copied <-chan error, out *pipes) error {
	over := r.res.Over()
	var copyErr error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		copyErr = <-copied
		<-over
	}()
	patience := time.NewTimer(silence)
	defer patience.Stop()
	interrupted := w.interrupted
	if r.EndLeft {
		patience.Reset(lastWords)
	}
	for {
		select {
		case <-ended:
			return copyErr
		case <-interrupted:
			interrupted = nil
			patience.Reset(lastWords)
		case <-patience.C:
			if interrupted != nil && !r.EndLeft {
				r.note("the command of stage %q has ended; waiting for what it left behind: %s", r.stage.Title(), r.res.Left())
				continue
			}
			err := r.res.End(context.WithoutCancel(ctx))
			out.close() // processes that cannot be seen may hold them open
			if err != nil {
				return err
			}
			<-ended
		}
	}
}

func (r *runner) note(format string, args ...any) {
	if r.Reserve.Note != nil {
		r.Reserve.Note(fmt.Sprintf(format, args...))
	}
}

// pipes carry a command's output to its readers.
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

// copy carries on until no process has the other end of any pipe, then returns its error.
func (p *pipes) copy() <-chan error {
	errs := make([]error, len(p.readers))
	var group sync.WaitGroup
	for i, r := range p.readers {
		p.writers[i].Close() // the command has its own
		group.Go(func() {
			_, errs[i] = io.Copy(p.to[i], r)
			r.Close() // so that the command notices that its output is not read
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
// to both, is spared a second one; unless the user insists. The third signal kills.
func watch(ctx context.Context, p *os.Process, group bool, signals <-chan os.Signal) *watcher {
	w := &watcher{interrupted: make(chan struct{}), done: make(chan struct{})}
	w.group.Go(func() {
		tell := sync.OnceFunc(func() { close(w.interrupted) })
		ended := ctx.Done()
		for came := 0; ; {
			select {
			case <-w.done:
				return
			case <-ended:
				tell()
				ended = nil
				if signals == nil {
					signal(p, group, os.Kill)
				}
			case sig := <-signals:
				came++
				switch {
				case came > 2:
					signal(p, group, os.Kill)
				case came > 1 || group || !reachesByItself(sig):
					signal(p, group, sig)
				}
				tell()
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
