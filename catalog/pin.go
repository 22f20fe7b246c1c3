package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/evict"
)

// A Pin keeps the values of a component from being evicted, whoever evicts on whatever machine. Each name may
// pin a component once.
type Pin struct {
	ID    string    // the component's key
	By    string    // who pinned it
	Note  string    // why
	Made  time.Time // by the clock of who made it
	Until time.Time // zero: until it is taken away
}

// PinComponent pins all values of a component, over an earlier pin by the same name. A component without values is refused with
// an error that matches [larder.ErrNotFound]. A pin that was made keeps the values that were
// there, where the backend decides conditions and so has locks; elsewhere one that is made at the instant of an eviction may be in vain.
func PinComponent(ctx context.Context, store *larder.Store, p Pin) error {
	key, err := evict.PinKey(p.ID, p.By)
	if err != nil {
		return err
	}
	if p.Made.IsZero() {
		p.Made = time.Now()
	}
	if !p.Until.IsZero() && !p.Until.After(p.Made) {
		return fmt.Errorf("pin %s: it would end at %s, before it begins", p.ID, p.Until.Format(time.RFC3339))
	}
	text, err := json.Marshal(evict.Pin{By: p.By, Note: p.Note, Made: p.Made.UTC().Truncate(time.Second), Until: p.Until.UTC()})
	if err != nil {
		return err
	}
	unlock, err := lockEvictions(ctx, store)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := stored(ctx, store, p.ID)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("pin %s: %w: nothing of it is stored", p.ID, larder.ErrNotFound)
	}
	_, err = backend.PutBytes(ctx, store.Backend(), key, append(text, '\n'), backend.PutOptions{})
	return err
}

// stored reports whether a component has values.
func stored(ctx context.Context, store *larder.Store, id string) (bool, error) {
	for _, err := range store.Backend().List(ctx, backend.ShelfCache, backend.ListOptions{Prefix: id + "/", Limit: 1}) {
		return err == nil, err
	}
	return false, nil
}

// Unpin takes pins of a component away: that by one name or, where that is empty, all. It returns how many there were.
func Unpin(ctx context.Context, store *larder.Store, id, by string) (int, error) {
	var keys []backend.Key
	for info, err := range store.Backend().List(ctx, evict.PinShelf, backend.ListOptions{Prefix: id + "/"}) {
		if err != nil {
			return 0, err
		}
		keys = append(keys, info.Key)
	}
	if by != "" {
		only, err := evict.PinKey(id, by)
		if err != nil {
			return 0, err
		}
		keys = slices.DeleteFunc(keys, func(key backend.Key) bool { return key != only })
	}
	if len(keys) == 0 {
		return 0, nil
	}
	return len(keys), backend.DeleteBatch(ctx, store.Backend(), keys)
}

// Pins returns the pins of a store, by component and then by name; also those that have run out, unless a moment is given.
func Pins(ctx context.Context, store *larder.Store, at time.Time) ([]Pin, error) {
	all, err := evict.Pins(ctx, store.Backend())
	if err != nil {
		return nil, err
	}
	var pins []Pin
	for _, p := range all {
		if at.IsZero() || p.Holds(at) {
			pins = append(pins, Pin{p.ID, p.By, p.Note, p.Made, p.Until})
		}
	}
	slices.SortFunc(pins, func(a, b Pin) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.By, b.By)) })
	return pins, nil
}

// lockEvictions waits for the lock under which values are evicted. Where the backend has no locks there is none.
func lockEvictions(ctx context.Context, store *larder.Store) (unlock func(), err error) {
	l, err := store.Lock(ctx, evict.Lock)
	if errors.Is(err, errors.ErrUnsupported) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock(ctx) }, nil
}
