package reserve

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/larder-store/larder/internal/backoff"
	"github.com/larder-store/larder/internal/durable"
)

// The pauses between looks at a reservation that others hold.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 200 * time.Millisecond
)

// Take reserves the outputs of a run. Where another run uses one of them, Take waits for its
// end; what a run left behind whose larder was killed, processes and files, it ends and clears up.
// Runs that this process is part of are no hindrance. All outputs are
// reserved at once or none is, so that no two runs wait for each other.
func Take(ctx context.Context, run Run, opts Options) (*Reservation, error) {
	if opts.Note == nil {
		opts.Note = func(string) {}
	}
	if opts.Dir == "" {
		dir, err := Dir()
		if err != nil {
			return nil, err
		}
		opts.Dir = dir
	}
	deadline := time.Now().Add(opts.MaxWait)
	waited, told := false, ""
	for pauses := backoff.New(firstPause, lastPause); ; {
		res, other, err := try(ctx, &run, opts)
		switch {
		case err != nil:
			return nil, err
		case res != nil:
			res.Waited = waited
			return res, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%s is %w by %s; wait for longer, or give each stage outputs of its own", other.shared(&run), ErrInUse, other.who())
		}
		if told != other.Nonce {
			told = other.Nonce
			opts.Note(fmt.Sprintf("waiting: %s is in use by %s", other.shared(&run), other.who()))
		}
		waited = true
		if err := pauses.Wait(ctx); err != nil {
			return nil, err
		}
	}
}

// try reserves the outputs, or returns the record of a run that keeps it from doing so. What a
// dead run left it clears up first.
func try(ctx context.Context, run *Run, opts Options) (*Reservation, *record, error) {
	for {
		unlock, err := mutex(opts.Dir, ctx.Done())
		if err != nil {
			return nil, nil, err
		}
		dead, other, err := search(run, opts.Dir)
		if err == nil && dead == nil && other == nil {
			r, f, err := newRecord(opts.Dir, run)
			unlock()
			if err != nil {
				return nil, nil, err
			}
			return &Reservation{record: r, opts: opts, file: f}, nil, nil
		}
		unlock()
		switch {
		case err != nil:
			return nil, nil, err
		case dead != nil:
			err := dead.recover(ctx, opts.Note)
			dead.file.Close()
			if err != nil {
				return nil, nil, err
			}
			continue
		case other.Nonce != "" && !other.ownerAlive():
			n, err := other.endOrphans(ctx, opts)
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			if n > 0 && err == nil {
				continue
			}
		}
		return nil, other, nil
	}
}

// search looks for a run that conflicts: a dead one, whose lock it returns with it, or a
// live one. The caller has the mutex.
func search(run *Run, dir string) (dead *remains, live *record, err error) {
	err = records(dir, func(r record, f *os.File) (keep bool, err error) {
		if dead != nil || r.Nonce != "" && (r.isOuter() || !r.conflicts(run)) {
			return false, nil
		}
		free, err := durable.TryLock(f, false)
		switch {
		case err != nil:
			return false, err
		case !free:
			live = &r // without a nonce it is just being released
			return false, nil
		case !isAt(f), r.foreign:
			return false, nil
		case r.Nonce == "":
			return false, os.Remove(f.Name())
		}
		dead, err = claimDead(r, f)
		return dead != nil, err
	})
	return dead, live, err
}

// shared names the output that both runs want.
func (r *record) shared(run *Run) string {
	for _, a := range run.Outputs {
		for _, b := range r.Outputs {
			if Holds(a, b) || Holds(b, a) {
				return fmt.Sprintf("output %q", a)
			}
		}
	}
	return fmt.Sprintf("stage %q", run.Stage)
}

// who names a run for people.
func (r *record) who() string {
	since := time.Since(r.Since).Round(time.Second)
	if r.ownerAlive() {
		return fmt.Sprintf("a run of stage %q (larder is process %d, for %v)", r.Stage, r.PID, since)
	}
	left := "processes that cannot be seen from here"
	if found := r.processes(); len(found) > 0 {
		left = describe(found)
	}
	return fmt.Sprintf("what is left of a run of stage %q, whose larder was killed: %s", r.Stage, left)
}

// describe names processes, the first few of them.
func describe(pids []int) string {
	const most = 5
	var names []string
	for _, pid := range pids[:min(len(pids), most)] {
		names = append(names, fmt.Sprintf("%d%s", pid, command(pid)))
	}
	if more := len(pids) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if len(pids) == 1 {
		return "process " + names[0]
	}
	return "processes " + strings.Join(names, ", ")
}
