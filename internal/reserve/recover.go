package reserve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/internal/durable"
)

// remains are what a run left behind whose processes ended without releasing it. The lock on its
// record is held, so that one process at a time clears up.
type remains struct {
	record
	file *os.File
}

// claimDead takes over the record of a dead run with its open file, which the caller has locked, and says so in
// it: others wait for the process that clears up as they would for the run.
func claimDead(r record, f *os.File) (*remains, error) {
	r.PID, r.Space, r.Started, r.FD = os.Getpid(), space(), "", 0
	if err := r.write(f); err != nil {
		return nil, err
	}
	return &remains{r, f}, nil
}

// recover ends what still runs of a dead run, removes what it made beside its outputs, and puts
// back what it had moved away, where nothing new is.
func (d *remains) recover(ctx context.Context, note func(string)) error {
	if _, err := end(ctx, d.processes, fmt.Sprintf("of stage %q, whose larder was killed", d.Stage), note); err != nil {
		return err
	}
	for n, output := range d.Outputs {
		if err := errors.Join(RemoveAll(d.New(n)), PutBack(d.Old(n), output)); err != nil {
			return fmt.Errorf("clear up after a run of stage %q that was killed: %w", d.Stage, err)
		}
	}
	return os.Remove(d.file.Name())
}

// PutBack moves what was moved away back to its output, or removes it where something new is.
func PutBack(old, output string) error {
	if _, err := os.Lstat(old); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(output); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(old, output)
	}
	return RemoveAll(old)
}

// RemoveAll removes a tree, also one whose directories may not be written to.
func RemoveAll(path string) error {
	if err := os.RemoveAll(path); err == nil {
		return nil
	}
	filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}

// Sweep clears up after all runs of this user whose larder has ended without doing so, and returns how many there were. What
// they left running is ended first, as the next run on their outputs would do. dir is that of [Options].
func Sweep(ctx context.Context, dir string, dryRun bool, note func(string)) (n int, err error) {
	if dir == "" {
		if dir, err = Dir(); err != nil {
			return 0, err
		}
	}
	running, err := orphaned(ctx, dir)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, r := range running {
		if dryRun {
			n++
			note("would end " + r.who())
			continue
		}
		ended, err := r.endOrphans(ctx, Options{Note: note})
		if err == nil && ended == 0 {
			note("left alone: " + r.who())
		}
		errs = append(errs, err)
	}
	cleared, err := sweepDead(ctx, dir, dryRun, note)
	return n + cleared, errors.Join(append(errs, err)...)
}

// orphaned returns the runs whose larder is gone while some of their processes live.
func orphaned(ctx context.Context, dir string) (found []record, err error) {
	unlock, err := mutex(dir, ctx.Done())
	if err != nil {
		return nil, err
	}
	defer unlock()
	err = records(dir, func(r record, f *os.File) (keep bool, err error) {
		free, err := durable.TryLock(f, false)
		if err == nil && !free && r.Nonce != "" && !r.isOuter() && !r.ownerAlive() {
			found = append(found, r)
		}
		return false, err
	})
	return found, err
}

// sweepDead is Sweep for runs of which no process lives.
func sweepDead(ctx context.Context, dir string, dryRun bool, note func(string)) (n int, err error) {
	unlock, err := mutex(dir, ctx.Done())
	if err != nil {
		return 0, err
	}
	var dead []*remains
	err = records(dir, func(r record, f *os.File) (keep bool, err error) {
		free, err := durable.TryLock(f, false)
		if err != nil || !free || !isAt(f) || r.foreign || r.isOuter() {
			return false, err
		}
		n++
		if dryRun {
			return false, nil
		}
		if r.Nonce == "" {
			return false, os.Remove(f.Name())
		}
		d, err := claimDead(r, f)
		if err == nil {
			dead = append(dead, d)
		}
		return err == nil, err
	})
	unlock()
	for _, d := range dead {
		err = errors.Join(err, d.recover(ctx, note))
		d.file.Close()
	}
	return n, err
}

// The patience with processes that are asked to end.
const (
	endGrace  = 5 * time.Second  // between SIGTERM and SIGKILL
	killGrace = 10 * time.Second // after SIGKILL, which some states of the kernel delay
	endPoll   = 10 * time.Millisecond
)

// endOrphans ends the processes that keep a run's lock although its larder is gone. Take waits for
// those that cannot be found or ended, in another container say.
func (r *record) endOrphans(ctx context.Context, opts Options) (n int, err error) {
	return end(ctx, r.processes, fmt.Sprintf("of stage %q, whose larder was killed", r.Stage), opts.Note)
}

// end asks processes to end, and kills those that do not, until find finds none. It returns how many
// there were at first.
func end(ctx context.Context, find func() []int, whose string, note func(string)) (n int, err error) {
	pids := find()
	if n = len(pids); n == 0 {
		return 0, nil
	}
	note(fmt.Sprintf("ending %s %s", describe(pids), whose))
	killAfter := time.Now().Add(endGrace)
	asked := map[int]bool{}
	for len(pids) > 0 {
		kill := time.Now().After(killAfter)
		if time.Now().After(killAfter.Add(killGrace)) {
			return n, fmt.Errorf("%s %s cannot be ended", describe(pids), whose)
		}
		for _, pid := range pids {
			if kill || !asked[pid] {
				signalProcess(pid, kill)
				asked[pid] = true
			}
		}
		select {
		case <-ctx.Done():
			return n, context.Cause(ctx)
		case <-time.After(endPoll):
		}
		pids = find()
	}
	return n, nil
}
