package blob

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// Map implements [backend.Mapper], where the bucket is of this machine.
func (b *Backend) Map(ctx context.Context, key backend.Key) (*backend.View, backend.Info, error) {
	m, ok := b.bucket.(driver.Mapper)
	if !ok {
		return nil, backend.Info{}, backend.Wrap("map", b.scheme, key, errors.ErrUnsupported)
	}
	c, err := b.begin(ctx)
	if err != nil {
		return nil, backend.Info{}, backend.Wrap("map", b.scheme, key, err)
	}
	v, info, err := b.view(c.ctx, m, key)
	return v, info, c.end("map", key, err)
}

func (b *Backend) view(ctx context.Context, m driver.Mapper, key backend.Key) (*backend.View, backend.Info, error) {
	if err := key.Validate(); err != nil {
		return nil, backend.Info{}, err
	}
	v, o, err := m.Map(ctx, b.object(key))
	if err != nil {
		return nil, backend.Info{}, err
	}
	info, _, err := describe(key, o)
	if err != nil {
		return nil, backend.Info{}, errors.Join(err, v.Close())
	}
	return v, info, nil
}
