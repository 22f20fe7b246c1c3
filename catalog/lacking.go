package catalog

import (
	"context"
	"errors"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

var errEmptySource = errors.New("the source holds no values; check its path")

// distinct makes sure that what one store lacks may be deleted from the other.
func distinct(ctx context.Context, dst, src *larder.Store) error {
	if _, err := sameKeys(ctx, dst, src); err != nil {
		return err
	}
	for _, err := range src.Backend().List(ctx, backend.ShelfCache, backend.ListOptions{Limit: 1}) {
		return err
	}
	return errEmptySource
}

// lacking returns the entries of which a store holds nothing under their keys.
func lacking(ctx context.Context, src *larder.Store, entries []Entry) ([]Entry, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	p := (&copier{to: src.Backend()}).newPage(backend.ShelfCache)
	for _, e := range entries {
		p.infos = append(p.infos, e.Info)
	}
	p.sort()
	listed, upTo, err := p.ours(ctx)
	if err != nil {
		return nil, err
	}
	var missing []Entry
	for _, e := range entries {
		name := e.Info.Key.Name
		if _, ok := listed[name]; ok {
			continue
		}
		if name > upTo {
			switch _, err := src.Backend().Stat(ctx, e.Info.Key); {
			case err == nil, errors.Is(err, larder.ErrCorrupt):
				continue
			case !errors.Is(err, larder.ErrNotFound):
				return nil, err
			}
		}
		missing = append(missing, e)
	}
	// A source that vanished while it was asked would lack everything.
	return missing, distinct(ctx, src, src)
}
