package larder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/larder-store/larder/backend"
)

// MetaStored is the metadata key for when a value was first stored, in RFC 3339, which a copy carries to the next store.
const MetaStored = "stored"

// Stored returns when a value was stored: in the first store that it was stored in, if it was copied from there (see
// catalog.Copy), else Info.ModTime. Where a list leaves Meta out, ask Stat.
func Stored(info Info) time.Time {
	t, err := time.Parse(time.RFC3339, info.Meta[MetaStored])
	if err != nil || !info.ModTime.IsZero() && t.After(info.ModTime) {
		return info.ModTime
	}
	return t
}

// KeysName returns the name, as a [Record] has it, of the generator whose keys the store holds; empty if it holds nothing that
// tells. A store of a newer format is [ErrNewer].
func (s *Store) KeysName(ctx context.Context) (string, error) {
	r, _, err := s.record(ctx)
	if err != nil {
		return "", err
	}
	if r != nil {
		return r.Keys, nil
	}
	name, err := s.namesOf(ctx)
	if err == nil && name != "" && s.keys != nil && named(nameOf(s.keys)) == nil {
		name = nameOf(s.keys) // whose keys may look like anything
	}
	return name, err
}

// AdoptKeys makes a store without a record one of the generator that a name means, ahead of values that were made elsewhere. A
// store of another generator is [ErrKeys].
func (s *Store) AdoptKeys(ctx context.Context, name string) error {
	own, err := s.KeysName(ctx)
	if err != nil {
		return err
	}
	if own != "" && own != name {
		return fmt.Errorf("%w: %q, not %q", ErrKeys, own, name)
	}
	r, damaged, err := s.record(ctx)
	if err != nil || r != nil || !s.recorded() {
		return err
	}
	err = s.writeRecord(ctx, name, damaged)
	if !errors.Is(err, ErrExists) && !errors.Is(err, backend.ErrChanged) {
		return err
	}
	if r, _, err = s.record(ctx); err == nil && r != nil && r.Keys != name {
		err = fmt.Errorf("%w: %q, not %q", ErrKeys, r.Keys, name)
	}
	return err
}

// Added tells the store of a value that was put past it, into its backend, as copies are: one with a limit ([Options.MaxSize])
// removes others for it, as after a Put.
func (s *Store) Added(ctx context.Context, info Info) {
	if s.limit != nil {
		s.limit.Added(ctx, info)
	}
}
