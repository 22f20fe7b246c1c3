package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// An OpenOption of [OpenWith] says what a handle is for.
type OpenOption func(*Params)

// ReadOnly opens a place to read it: every call that would change it fails with an error that matches
// [errors.ErrUnsupported], and a place that is not there is not made, as with [MustExist].
func ReadOnly() OpenOption { return func(p *Params) { p.readOnly, p.mustExist = true, true } }

// MustExist opens a place only if it is there; else Open fails with an error that matches [fs.ErrNotExist], where opening
// would make it. A bucket is never made, and any prefix in it is there.
func MustExist() OpenOption { return func(p *Params) { p.mustExist = true } }

// MustExist reports whether the place must be there already: then an [Opener] makes nothing.
func (p *Params) MustExist() bool { return p.mustExist }

// ReadOnly reports whether the handle is to read only. The [Opener] that asks refuses to write by itself; around what the
// others return [Open] puts a wrapper that does.
func (p *Params) ReadOnly() bool {
	p.enforced = true
	return p.readOnly
}

func (p *Params) readingOnly(scheme string, b Backend) Backend {
	if p.readOnly && !p.enforced {
		return &readOnly{b, scheme}
	}
	return b
}

// readOnly refuses to write. [As] finds only the abilities below it that read.
type readOnly struct {
	Backend
	scheme string
}

var errReadOnly = fmt.Errorf("%w: the store was opened read-only", errors.ErrUnsupported)

// Put implements [Backend].
func (r *readOnly) Put(_ context.Context, key Key, _ io.ReadSeeker, _ PutOptions) (Info, error) {
	return Info{}, &Error{Op: "put", Backend: r.scheme, Key: key, Err: errReadOnly}
}

// Delete implements [Backend].
func (r *readOnly) Delete(_ context.Context, key Key) error {
	return &Error{Op: "delete", Backend: r.scheme, Key: key, Err: errReadOnly}
}

// asReader returns the ability T of what r wraps, if it is one to read.
func asReader[T any](r *readOnly) (T, bool) {
	var none T
	switch any(&none).(type) {
	case *RangeGetter, *Mapper, *Scanner, *Finder, *Describer: // limits are those of the place
		return As[T](r.Backend)
	case *Sweeper:
		if s, ok := As[Sweeper](r.Backend); ok {
			return any(dryOnly{s, r.scheme}).(T), true
		}
	}
	return none, false
}

// dryOnly says what a sweep would do.
type dryOnly struct {
	Sweeper
	scheme string
}

// Sweep implements [Sweeper].
func (d dryOnly) Sweep(ctx context.Context, opts SweepOptions) (SweepReport, error) {
	if !opts.DryRun {
		return SweepReport{}, &Error{Op: "sweep", Backend: d.scheme, Err: errReadOnly}
	}
	return d.Sweeper.Sweep(ctx, opts)
}
