package driver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/larder-store/larder/backend"
)

// Verdict is what the failure of one attempt to write says about its effect.
type Verdict int

// The verdicts.
const (
	Refused Verdict = iota // nothing was written, and trying again is of no use
	Busy                   // nothing was written; it may be next time
	Lost                   // it may have been written or not
)

// Attempts at a request and the pauses between them, FirstPause and then twice the last, bear with a service for
// some three to six seconds.
const (
	Attempts   = 7
	FirstPause = 50 * time.Millisecond
)

// Attempt makes a write again and again until it is done, refused, or has failed too
// often; for services whose client cannot be asked what its own attempts met. judge is
// asked about each failure. The error is an [Unclear] where the outcome is.
func Attempt(ctx context.Context, body *Body, write func() (Object, error), judge func(error) Verdict) (Object, error) {
	lost := false
	for n := 0; ; n++ {
		if _, err := body.Seek(0, 0); err != nil {
			return Object{}, err
		}
		o, err := write()
		if err == nil {
			return o, nil
		}
		if body.Err() != nil || ctx.Err() != nil {
			return Object{}, err
		}
		verdict := judge(err)
		lost = lost || verdict == Lost && body.Sent() // no service stores half a body
		switch {
		case verdict == Refused && !lost:
			return Object{}, err
		case verdict == Refused, n+1 == Attempts:
			if !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrChanged) {
				err = errors.Join(backend.ErrUnavailable, err)
			}
			return Object{}, &Unclear{Err: err, Sent: lost}
		}
		pause := FirstPause << n
		if err := Pause(ctx, pause/2+rand.N(pause)); err != nil {
			return Object{}, err
		}
	}
}

// Each calls f for 0 to n-1, some at a time, and returns their errors as a batch's.
func Each(n, concurrency int, f func(i int) error) error {
	errs := make(backend.BatchError, n)
	slots := make(chan struct{}, concurrency)
	for i := range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		}()
	}
	for range concurrency { // each slot is free again when its last call is over
		slots <- struct{}{}
	}
	return errs.OrNil()
}

// DeleteEach deletes objects by a request each, some at a time, as a Bucket's Delete or, where versions are given, as its DeleteMatch. one
// deletes an object while it has a version; whatever it has if that is empty. [backend.ErrNotFound] may be its error.
func DeleteEach(names, versions []string, concurrency int, one func(name, version string) error) error {
	return Each(len(names), concurrency, func(i int) error {
		version := ""
		if versions != nil {
			version = versions[i]
		}
		err := one(names[i], version)
		switch {
		case !errors.Is(err, backend.ErrNotFound):
			return err
		case version == "":
			return nil
		}
		return backend.ErrChanged
	})
}

// Pause waits for about d, or until ctx is done, which is then the error.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
