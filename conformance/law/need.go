package law

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// A Need is something that some backends have and others rightly lack. Its text completes
// the words "the backend has …".
type Need string

// The needs of laws.
const (
	AtomicIfAbsent Need = "an atomic IfAbsent"
	AtomicIfMatch  Need = "an atomic IfMatch"
	NoIfAbsent     Need = "no atomic IfAbsent, and so refuses it"
	NoIfMatch      Need = "no atomic IfMatch, and so refuses it"
	SmallMaxValue  Need = "a MaxValue of at most 16 MiB"
	OwnClock       Need = "the clock of this machine"

	LastingPlace Need = "values that last when all handles are closed"

	SharedPlace Need = "a place that several handles share"
	Processes   Need = "a command for helper processes"
	FreshPlace  Need = "a place of its own for each law"
	URL         Need = "a place named by a URL"

	Ranges       Need = "a RangeGetter of its own"
	Maps         Need = "a Mapper of its own"
	Stages       Need = "a Stager of its own"
	Scans        Need = "a Scanner of its own"
	BatchPuts    Need = "a BatchPutter of its own"
	BatchDeletes Need = "a BatchDeleter of its own"
	MatchDeletes Need = "a MatchDeleter of its own"
	Finds        Need = "a Finder of its own"
	Leases       Need = "a Leaser of its own"
	Sweeps       Need = "a Sweeper of its own"
)

// smallMaxValue is the largest limit that is worth the memory of a law.
const smallMaxValue = 16 << 20

// meets reports whether e's backend has what a law needs.
func (e *Env) meets(ctx context.Context, need Need) (bool, error) {
	limits := e.Limits
	switch need {
	case AtomicIfAbsent:
		return limits.AtomicIfAbsent, nil
	case AtomicIfMatch:
		return limits.AtomicIfMatch, nil
	case NoIfAbsent:
		return !limits.AtomicIfAbsent, nil
	case NoIfMatch:
		return !limits.AtomicIfMatch, nil
	case SmallMaxValue:
		return limits.MaxValue > 0 && limits.MaxValue <= smallMaxValue, nil
	case OwnClock:
		return !limits.Shared, nil
	case LastingPlace:
		return limits.Lasting, nil
	case SharedPlace:
		return e.sharesPlace(ctx)
	case Processes:
		return e.cfg.Command != nil, nil
	case FreshPlace:
		return e.cfg.Fresh, nil
	case URL:
		return isURL(e.loc), nil
	case Ranges:
		return can[backend.RangeGetter](e), nil
	case Maps:
		return can[backend.Mapper](e), nil
	case Stages:
		return stages(ctx, bare(e.main))
	case Scans:
		return can[backend.Scanner](e), nil
	case BatchPuts:
		return can[backend.BatchPutter](e), nil
	case BatchDeletes:
		return can[backend.BatchDeleter](e), nil
	case MatchDeletes:
		return can[backend.MatchDeleter](e), nil
	case Finds:
		return can[backend.Finder](e), nil
	case Leases:
		return can[backend.Leaser](e), nil
	case Sweeps:
		return can[backend.Sweeper](e), nil
	}
	return false, fmt.Errorf("the need %q has no test", need)
}

func can[T any](e *Env) bool { return has[T](e.main) }

// sharesPlace tries whether a second handle finds what the first one stored. Code that
// promises Lasting has to, and is held to it.
func (e *Env) sharesPlace(ctx context.Context) (bool, error) {
	if e.Limits.Lasting {
		return true, nil
	}
	key := e.key("shares-place", "a")
	first, second := e.handle(ctx), e.open(ctx)
	first.put(key, "here")
	if err := errors.Join(first.err, second.err); err != nil {
		return false, err
	}
	_, err := second.b.Stat(ctx, key)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return false, err
	}
	first.remove(key)
	return err == nil, first.err
}

// isURL reports whether loc names a registered scheme. One letter is a drive.
func isURL(loc string) bool {
	u, err := url.Parse(loc)
	return err == nil && slices.Contains(backend.Schemes(), strings.ToLower(u.Scheme))
}
