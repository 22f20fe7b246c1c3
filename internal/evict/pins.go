// Package evict is what the eviction by policy and the one by a limit share: pins, the lock under which values are removed, and the
// removal itself; and the limit, which works on any backend.
package evict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

// Lock is the name of the lock under which pins are made and values are evicted, so that neither happens between the looks of
// the other.
const Lock = "larder.gc"

// PinShelf is where pins are kept: by component and, below it, by who made them.
const PinShelf = "larder.pins"

// A Pin keeps the values of a component from being evicted.
type Pin struct {
	ID    string    `json:"-"` // the component's key
	By    string    `json:"by"`
	Note  string    `json:"note,omitempty"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // zero: until it is taken away
}

// Holds reports whether the pin has not run out.
func (p Pin) Holds(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }

// PinKey returns where a pin is kept.
func PinKey(id, by string) (backend.Key, error) {
	segment, err := keying.Escape(by)
	if err != nil {
		return backend.Key{}, fmt.Errorf("who pins, %.40q: %w", by, err)
	}
	key := backend.Key{Shelf: PinShelf, Name: id + "/" + segment}
	return key, key.Validate()
}

// Pins returns all pins of a store, those that have run out too. One that is damaged holds: its name says for what.
func Pins(ctx context.Context, b backend.Backend) ([]Pin, error) {
	var all []Pin
	for info, err := range b.List(ctx, PinShelf, backend.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		id, segment, _ := strings.Cut(info.Key.Name, "/")
		p := Pin{ID: id, Made: info.ModTime}
		text, _, err := backend.GetVerified(ctx, b, info.Key)
		switch {
		case errors.Is(err, backend.ErrNotFound):
			continue
		case errors.Is(err, backend.ErrCorrupt):
		case err != nil:
			return nil, err
		default:
			if json.Unmarshal(text, &p) != nil {
				p.Until = time.Time{}
			}
		}
		if by, err := keying.Unescape(segment); err == nil {
			p.By = by
		}
		all = append(all, p)
	}
	return all, nil
}

// Pinned returns the components that are pinned now.
func Pinned(ctx context.Context, b backend.Backend, now time.Time) (map[string]bool, error) {
	all, err := Pins(ctx, b)
	if err != nil {
		return nil, err
	}
	pinned := map[string]bool{}
	for _, p := range all {
		if p.Holds(now) {
			pinned[p.ID] = true
		}
	}
	return pinned, nil
}

// Component returns the component that a value's name belongs to.
func Component(name string) string {
	id, _, _ := strings.Cut(name, "/")
	return id
}

// Delete removes values while they are as they were listed, and returns those that it removed. An entry that was
// replaced, or is gone, is no error.
func Delete(ctx context.Context, b backend.Backend, listed []backend.Info) (removed []backend.Info, err error) {
	seen := make([]backend.Seen, 0, len(listed))
	at := make([]int, 0, len(listed))
	for i, info := range listed {
		if info.Version == "" {
			now, err := b.Stat(ctx, info.Key)
			if errors.Is(err, backend.ErrNotFound) || err == nil && (now.Size != info.Size || !now.ModTime.Equal(info.ModTime)) {
				continue
			}
			if err != nil {
				return nil, err
			}
			info.Version = now.Version
		}
		seen, at = append(seen, backend.Seen{Key: info.Key, Version: info.Version}), append(at, i)
	}
	failed := backend.DeleteMatch(ctx, b, seen)
	var first error
	for n, i := range at {
		switch err := backend.ItemError(failed, n); {
		case err == nil:
			removed = append(removed, listed[i])
		case first == nil && !errors.Is(err, backend.ErrChanged):
			first = err
		}
	}
	return removed, first
}
