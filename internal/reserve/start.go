package reserve

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// starting serialises the starts of commands, so that a command of another run in this process
// does not inherit what it has no part in.
var starting sync.Mutex

// Start calls start, which starts the run's command, so that it inherits the reservation. The command's
// environment must have [Reservation.Environment].
func (r *Reservation) Start(start func() error) error {
	if r.opts.Reap {
		adopt()
	}
	ended, alive, err := os.Pipe() // its other end closes with the last process
	if err != nil {
		return err
	}
	defer alive.Close()
	starting.Lock()
	defer starting.Unlock()
	lockFD, err := inheritable(r.file)
	if err == nil {
		defer closeInheritable(lockFD)
		r.FD, r.Started = lockFD, started(os.Getpid())
		err = r.write(r.file) // before the command lives: its orphans are known by it
	}
	if err == nil {
		var pipeFD int
		if pipeFD, err = inheritable(alive); err == nil {
			defer closeInheritable(pipeFD)
			err = start()
		}
	}
	if err != nil {
		ended.Close()
		return err
	}
	r.alive, r.over = ended, make(chan struct{})
	go func() {
		defer close(r.over)
		io.Copy(io.Discard, ended)
	}()
	return nil
}

// Over returns a channel that is closed when the last process of the run has ended. To be called
// once the command itself was waited for.
func (r *Reservation) Over() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		<-r.over
		if r.opts.Reap {
			reap()
		}
	}()
	return over
}

// Left names the processes of the run that live; empty if none can be seen.
func (r *Reservation) Left() string {
	if pids := r.left(); len(pids) > 0 {
		return describe(pids)
	}
	return ""
}

func (r *Reservation) left() []int {
	pids := r.processes()
	if !r.opts.Reap {
		return pids
	}
	for _, pid := range children() {
		if alive(pid) && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// End ends the processes of the run that live on after its command.
func (r *Reservation) End(ctx context.Context) error {
	_, err := end(ctx, r.left, fmt.Sprintf("that stage %q left behind", r.Stage), r.opts.Note)
	return err
}
