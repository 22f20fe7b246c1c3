package blob

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// Stage implements [backend.Stager], where the bucket is of this machine. What a service is sent must say at its beginning
// what its sums are.
func (b *Backend) Stage(ctx context.Context) (backend.Draft, error) {
	s, ok := b.bucket.(driver.Stager)
	if !ok {
		return nil, backend.Wrap("stage", b.scheme, backend.Key{}, errors.ErrUnsupported)
	}
	c, err := b.begin(ctx)
	if err != nil {
		return nil, backend.Wrap("stage", b.scheme, backend.Key{}, err)
	}
	d, err := s.Stage(ctx) // the draft outlives the call
	return d, c.end("stage", backend.Key{}, err)
}
