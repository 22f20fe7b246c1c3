package indexed

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
)

// A Stager is a Data whose Create takes over the bytes of a draft of its own.
type Stager interface {
	Stage(ctx context.Context) (backend.Draft, error)
}

// Stage implements [backend.Stager]. A draft is no data yet: it has no name, and so neither needs a claim nor is in the
// way of a sweep.
func (h *Handle) Stage(ctx context.Context) (backend.Draft, error) {
	d, err := h.stage(ctx)
	if err != nil {
		return nil, h.p.Wrap("stage", backend.Key{}, err)
	}
	return d, nil
}

func (h *Handle) stage(ctx context.Context) (backend.Draft, error) {
	s, ok := h.p.Store.Data.(Stager)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	if err := h.BeginChange(ctx); err != nil {
		return nil, err
	}
	defer h.p.Calls.End()
	if h.p.Present != nil {
		if err := h.p.Present(); err != nil {
			return nil, err
		}
	}
	return s.Stage(ctx)
}
