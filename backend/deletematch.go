package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A MatchDeleter removes values only while they are the ones that were seen.
type MatchDeleter interface {
	// DeleteMatch removes each key whose present entry has the Version given. One that has another, or is absent, fails
	// with [ErrChanged] and stays as it is. It is compared during the call, with what the place holds, and not with what the
	// handle saw before; whether at the instant of the deletion is not promised, since not
	// every bucket can: a value that takes its place between the two may be deleted. Failures are reported as by PutBatch.
	DeleteMatch(ctx context.Context, seen []Seen) error
}

// Seen is an entry as it was seen.
type Seen struct {
	Key     Key
	Version string // an [Info.Version]; an empty one is no entry's
}

// DeleteMatch is [MatchDeleter] for any backend: without the ability it is [LookAndDelete].
func DeleteMatch(ctx context.Context, b Backend, seen []Seen) error {
	if d, ok := As[MatchDeleter](b); ok {
		return d.DeleteMatch(ctx, seen)
	}
	return LookAndDelete(ctx, b, seen)
}

// looks bounds the requests of LookAndDelete that are under way at a time.
const looks = 16

// LookAndDelete looks at each key, and deletes those that are as they were seen. A value that replaces one between
// the two instants is deleted too: no reader gets a wrong value by it, but what was stored is lost.
func LookAndDelete(ctx context.Context, b Backend, seen []Seen) error {
	errs := make(BatchError, len(seen))
	named := make(map[Seen]bool, len(seen))
	var wg sync.WaitGroup
	free := make(chan struct{}, looks)
	for i, s := range seen {
		if named[s] || s.Version == "" { // then it is gone, or was another one the first time; or no entry has it
			errs[i] = fmt.Errorf("delete %q: %w", s.Key, ErrChanged)
			continue
		}
		named[s] = true
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			info, err := b.Stat(ctx, s.Key)
			if errors.Is(err, ErrNotFound) || err == nil && info.Version != s.Version {
				err = fmt.Errorf("delete %q: %w", s.Key, ErrChanged)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	var keys []Key
	var at []int
	for i, s := range seen {
		if errs[i] == nil {
			keys, at = append(keys, s.Key), append(at, i)
		}
	}
	if len(keys) == 0 {
		return errs.OrNil()
	}
	err := DeleteBatch(ctx, b, keys)
	for n, i := range at {
		errs[i] = ItemError(err, n)
	}
	return errs.OrNil()
}
