package tier

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
)

// Map implements [backend.Mapper] for near copies that are sound. All else is read by Get, which lays a copy.
func (b *Backend) Map(ctx context.Context, key backend.Key) (*backend.View, backend.Info, error) {
	if err := b.begin(ctx, key); err != nil {
		return nil, backend.Info{}, wrap("map", key, err)
	}
	defer b.calls.End()
	v, info, err := b.mapCopy(ctx, key)
	return v, info, wrap("map", key, err)
}

func (b *Backend) mapCopy(ctx context.Context, key backend.Key) (*backend.View, backend.Info, error) {
	m, ok := backend.As[backend.Mapper](b.near)
	if !ok || b.overlays() {
		return nil, backend.Info{}, errors.ErrUnsupported
	}
	v, near, err := m.Map(ctx, nearKey(key))
	if err != nil {
		return nil, backend.Info{}, errors.ErrUnsupported // Get counts what went wrong
	}
	info, ok := b.copied(key, near)
	if ok && v.Verify(near) == nil {
		b.hits.Add(1)
		return v, info, nil
	}
	if ok { // it is damaged: so that Get reads far
		_ = backend.DeleteMatch(context.WithoutCancel(ctx), b.near, []backend.Seen{{Key: near.Key, Version: near.Version}})
	}
	v.Close()
	return nil, backend.Info{}, errors.ErrUnsupported
}

// Stage implements [backend.Stager]: what goes to the far store as it is, is written ahead there.
func (b *Backend) Stage(ctx context.Context) (backend.Draft, error) {
	s, ok := backend.As[backend.Stager](b.far)
	if !ok || b.overlays() || b.opts.ReadOnly {
		return nil, wrap("stage", backend.Key{}, errors.ErrUnsupported)
	}
	if err := b.calls.Begin(ctx); err != nil {
		return nil, wrap("stage", backend.Key{}, err)
	}
	defer b.calls.End()
	d, err := s.Stage(ctx)
	return d, wrap("stage", backend.Key{}, err)
}
