package session

import (
	"context"
	"time"

	"github.com/larder-store/larder/backend"
)

// itemKeeper keeps each item as an entry of its own.
type itemKeeper struct{ s *Session }

// tellEvery is how often the metadata learns of writes, at most: it goes with an item, in the same commit.
const tellEvery = time.Second

func (k *itemKeeper) put(ctx context.Context, key string, v *value) error {
	name, err := itemName(key)
	if err != nil {
		return err
	}
	at := backend.Key{Shelf: k.s.shelf, Name: name}
	item := v.item(at)
	if k.s.m.limits.CostlyRequests { // there a version may be made of the bytes alone
		if item, err = v.fencedItem(at); err != nil {
			return err
		}
	}
	return k.s.hold.put(ctx, item, k.s.news())
}

// news returns the metadata, if it is time to store that something is written.
func (s *Session) news() *news {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.m.now()
	d := now.Sub(s.info.LastWrite)
	s.wrote = now
	if s.telling || d >= 0 && d < tellEvery {
		return nil
	}
	before := s.info.LastWrite
	s.info.LastWrite = now
	item, err := s.m.infoItem(s.shelf, s.info, s.version, s.hold.lock != nil)
	if err != nil {
		return nil
	}
	s.telling = true
	return &news{item, func(ctx context.Context, info backend.Info, err error) error {
		var lost error
		if err != nil {
			info.Version, lost = s.reclaim(ctx, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.telling = false
		if err != nil {
			s.info.LastWrite = before // to be stored with the next one
		}
		if info.Version != "" {
			s.version = info.Version
		}
		return lost
	}}
}

func (k *itemKeeper) delete(ctx context.Context, key string) error {
	name, err := itemName(key)
	if err != nil {
		return err
	}
	return k.s.hold.remove(ctx, backend.Key{Shelf: k.s.shelf, Name: name})
}

func (k *itemKeeper) get(ctx context.Context, key string) (record, error) {
	r, _, err := k.s.m.item(ctx, k.s.shelf, key)
	if err == nil && r.deleted {
		err = backend.ErrNotFound
	}
	return r, err
}

func (k *itemKeeper) items(ctx context.Context, q query) source {
	return k.s.m.scan(ctx, k.s.shelf, q)
}

func (k *itemKeeper) flush(context.Context) error { return k.s.hold.held() }

// finish has nothing to do: Close records the last write.
func (k *itemKeeper) finish(context.Context) error { return nil }

func (k *itemKeeper) abandon() {}
