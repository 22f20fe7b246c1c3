package stage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/reserve"
)

// Options say how a stage is run.
type Options struct {
	Store          *larder.Store
	Stdout, Stderr io.Writer
	Progress       func(doing string, done, size int64) // called often while outputs are kept or given back; may be nil
	Signals        <-chan os.Signal                     // passed on to the command; nil: the end of the context kills it

	Reserve reserve.Options // how the outputs are reserved
	EndLeft bool            // end the processes that the command leaves behind; else wait for them

	Refresh      bool // run, whatever is kept, and keep the new
	Check        bool // run, and compare with what is kept
	FailOnStore  bool // fail if the store does; else run the command, and try to keep what it makes
	KeepFailures bool // keep also a run with another exit status than 0

	Fresh []larder.GetOption // what is kept counts only if it is as they say: larder.MaxAge
}

// Outcome is what came of it.
type Outcome struct {
	ID        string              // the key of the stage's component
	Component component.Component // what it is
	Hit       bool                // given back instead of run
	Waited    bool                // for another process, which made it
	Exit      int                 // the command's exit status, as a shell reports it
	Took      time.Duration       // by the command, now or when it was kept
	Size      int64               // of what is kept, in bytes
	NotKept   string              // why a run was not kept; empty if it was
	Unread    string              // why the store could not be asked for what is kept; empty if it could
	Late      bool                // another run of the stage was kept while this one ran, and stays
	Checked   bool                // compared with a kept run
	Differs   []string            // in what
	Stale     string              // why what is kept was too old for MaxAge, if it was
	Left      []File              // the files among the outputs of a run that was kept now, without empty ones
}

// A File is one that a stage left.
type File struct {
	Path   string // as declared; of one in a directory, below that
	SHA256 [sha256.Size]byte
	Size   int64
}

// Lookup reports whether Run would give back a run that is kept, and changes nothing.
func (s *Stage) Lookup(ctx context.Context, o Options) (Outcome, error) {
	targets, err := s.targets()
	if err != nil {
		return Outcome{}, err
	}
	c, err := s.Component(ctx)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	out.Component = c
	if out.ID, err = o.Store.Key(ctx, c); err != nil {
		return Outcome{}, err
	}
	body, info, err := o.Store.Reader(ctx, c, Attribute, o.Fresh...)
	if errors.Is(err, larder.ErrNotFound) {
		out.Stale = stale(err)
		return out, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	defer body.Close()
	m, err := readManifest(newMembers(body, info.Size), targets)
	if err != nil || *m.Exit != 0 && !o.KeepFailures {
		return out, nil // Run would not take it either
	}
	out.Hit, out.Exit, out.Size = true, *m.Exit, info.Size
	out.Took, _ = larder.Cost(info)
	return out, nil
}

// Run gives back what a run of the stage left or, where nothing is kept, runs it and keeps
// what it leaves. The error is nil also if the command failed: see [Outcome].Exit.
func (s *Stage) Run(ctx context.Context, o Options) (Outcome, error) {
	targets, err := s.targets()
	if err != nil {
		return Outcome{}, err
	}
	id, err := s.identify(ctx)
	if err != nil {
		return Outcome{}, err
	}
	r := &runner{Options: o, stage: s, targets: targets, id: id}
	r.outcome.Component = id.component
	if r.outcome.ID, err = o.Store.Key(ctx, id.component); err != nil {
		return Outcome{}, err
	}
	err = r.run(ctx)
	return r.outcome, err
}

func (r *runner) progress(doing string, done, size int64) {
	if r.Progress != nil {
		r.Progress(doing, done, size)
	}
}

// runner is one call of Run.
type runner struct {
	Options
	stage    *Stage
	targets  []target
	id       *identity
	outcome  Outcome
	replace  bool                 // what is kept, if anything, is to be replaced
	newer    error                // what is kept was written by a newer version: it stays
	storeErr error                // of a lookup
	asked    time.Duration        // how long lookups took
	res      *reserve.Reservation // of the outputs
}

func (r *runner) run(ctx context.Context) error {
	looks := !r.Refresh && !r.Check
	if looks && len(r.targets) == 0 { // nothing will be touched, so nothing needs to be reserved
		if hit, err := r.giveBack(ctx); hit || err != nil {
			return err
		}
	}
	if err := r.reserve(ctx); err != nil {
		return err
	}
	defer r.res.Release()
	if looks && (len(r.targets) > 0 || r.res.Waited) {
		if hit, err := r.giveBack(ctx); hit || err != nil {
			r.outcome.Waited = hit && r.res.Waited
			return err
		}
	}
	if err := r.refuseLoop(); err != nil {
		return err
	}
	claim, err := r.Store.Claim(ctx, r.id.component, Attribute)
	if err != nil {
		return err
	}
	defer claim.Release()
	if claim.LookAgain && looks {
		if hit, err := r.giveBack(ctx); hit || err != nil {
			r.outcome.Waited = hit
			return err
		}
	}
	return r.execute(ctx, claim)
}

// reserve takes the outputs for this run alone. It comes before the claim everywhere, so that no two
// runs wait for each other.
func (r *runner) reserve(ctx context.Context) (err error) {
	run := reserve.Run{Stage: r.stage.Title(), ID: r.outcome.ID}
	for _, t := range r.targets {
		run.Outputs = append(run.Outputs, t.path)
	}
	r.res, err = reserve.Take(ctx, run, r.Reserve)
	return err
}

// refuseLoop keeps a stage whose command runs the same stage from waiting for itself.
func (r *runner) refuseLoop() error {
	outer := reserve.Outer()
	if slices.Contains(outer, r.outcome.ID) {
		return misused("stage %q is run by itself: %s", r.stage.Title(), strings.Join(append(outer, r.outcome.ID), " runs "))
	}
	return nil
}

// giveBack delivers what is kept, if it is there and sound.
func (r *runner) giveBack(ctx context.Context) (hit bool, err error) {
	began := time.Now()
	defer func() { r.asked += time.Since(began) }()
	body, info, err := r.Store.Reader(ctx, r.id.component, Attribute, r.Fresh...)
	if err != nil {
		if err = r.missed(ctx, err); err != nil && ctx.Err() == nil {
			err = r.failed(err)
		}
		return false, err
	}
	defer body.Close()
	counted := &counter{r: body, progress: func(done int64) { r.progress("giving back", done, info.Size) }}
	run, err := restore(counted, info.Size, r.targets, r.res)
	if err != nil {
		return false, r.missed(ctx, err)
	}
	defer run.Close()
	if run.exit != 0 && !r.KeepFailures {
		r.replace = true // kept when that was asked for; now it may succeed
		return false, nil
	}
	if err := run.commit(); err != nil {
		return false, err
	}
	r.outcome.Hit, r.outcome.Exit, r.outcome.Size = true, run.exit, info.Size
	r.outcome.Took, _ = larder.Cost(info)
	return true, run.replay(r.Stdout, r.Stderr)
}

// missed returns nil if an error of a lookup means that the command is to be run.
func (r *runner) missed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, larder.ErrNewer):
		r.newer = err
		return nil
	case errors.Is(err, larder.ErrCorrupt), errors.Is(err, errUnfit), errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		r.replace = true
		return nil
	case errors.Is(err, larder.ErrStale):
		r.replace, r.outcome.Stale = true, stale(err)
		return nil
	case errors.Is(err, larder.ErrNotFound):
		return nil
	case backend.Retryable(err):
		return r.failed(err)
	}
	return err
}

// stale returns why a miss was too old, or "".
func stale(err error) string {
	var m *larder.Miss
	if errors.Is(err, larder.ErrStale) && errors.As(err, &m) {
		return m.Reason.Error()
	}
	return ""
}

// failed returns nil if the command is to be run although the store failed.
func (r *runner) failed(err error) error {
	if r.FailOnStore {
		return err
	}
	r.storeErr, r.outcome.Unread = err, err.Error()
	return nil
}

// execute runs the command under a claim, and keeps what it leaves.
func (r *runner) execute(ctx context.Context, claim *larder.Claim) error {
	if err := setAside(r.res, r.targets); err != nil {
		return err
	}
	defer putBack(r.res, r.targets)

	var stdout, stderr capture
	defer stdout.Close()
	defer stderr.Close()
	e, err := r.stage.execute(ctx, r, &stdout, &stderr)
	if err != nil {
		return err
	}
	r.outcome.Exit, r.outcome.Took = e.exit, e.took
	if r.outcome.NotKept, err = r.unkeepable(ctx, e); err != nil || r.outcome.NotKept != "" {
		return err
	}
	packed, err := r.pack(e, &stdout, &stderr)
	if errors.Is(err, ErrNotMade) {
		return err
	}
	if err != nil {
		r.outcome.NotKept = err.Error()
		return nil
	}
	defer packed.Close()
	if r.Check {
		if done, err := r.compare(ctx, packed); done || err != nil {
			return err
		}
	}
	r.keep(ctx, claim, packed)
	return nil
}

// pack returns the archive of a run, whose reading fails if an output changes before its end.
func (r *runner) pack(e ending, stdout, stderr *capture) (*body, error) {
	made, err := settle(r.targets)
	if err != nil {
		return nil, err
	}
	packed, err := pack(e, stdout, stderr, r.targets)
	if err == nil {
		packed.check = func() error { return made.check(r.targets) }
	}
	return packed, err
}

// unkeepable returns why a run is not worth keeping, or "".
func (r *runner) unkeepable(ctx context.Context, e ending) (string, error) {
	switch {
	case e.interrupted:
		return "it was interrupted", nil
	case e.signalled:
		return "it was ended by a signal", nil
	case e.exit != 0 && !r.KeepFailures:
		return fmt.Sprintf("it failed with exit status %d", e.exit), nil
	}
	now, err := r.stage.identify(ctx)
	if err != nil {
		return fmt.Sprintf("what it was made from cannot be read again: %v", err), nil
	}
	for i, p := range r.id.parts {
		same, err := sameKey(ctx, r.Store, p.c, now.parts[i].c)
		if err != nil {
			return "", err
		}
		if !same {
			return p.what + " changed while it ran", nil
		}
	}
	return "", nil
}

func sameKey(ctx context.Context, s *larder.Store, a, b component.Component) (bool, error) {
	x, err := s.Key(ctx, a)
	if err != nil {
		return false, err
	}
	y, err := s.Key(ctx, b)
	return x == y, err
}

// keep stores a run. Its result is there already, so a failure is reported and no more.
func (r *runner) keep(ctx context.Context, claim *larder.Claim, packed *body) {
	r.outcome.Size = packed.size
	if r.storeErr != nil && r.outcome.Took < r.asked { // a dead service costs its time-outs once
		r.outcome.NotKept = r.storeErr.Error()
		return
	}
	if r.newer != nil && !r.Refresh {
		r.outcome.NotKept = r.newer.Error()
		return
	}
	claim.Cost = r.outcome.Took
	packed.progress = func(done int64) { r.progress("keeping", done, packed.size) }
	opts := []larder.PutOption{larder.IfAbsent()}
	if r.Refresh || r.replace {
		opts = nil
	}
	_, err := claim.Put(ctx, packed, opts...)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = claim.Put(ctx, packed)
	}
	switch {
	case errors.Is(err, larder.ErrExists):
		r.outcome.Late = true
	case err != nil:
		r.outcome.NotKept = err.Error()
	default:
		r.outcome.Left = packed.files()
	}
}
