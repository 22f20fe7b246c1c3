package indexed

import (
	"context"
	"errors"
	"io/fs"

	"github.com/larder-store/larder/backend"
)

// A Mapper is a Data that shows values where they lie, under the rules of Open. It may refuse with [errors.ErrUnsupported].
type Mapper interface {
	Map(ctx context.Context, name string, size int64) (*backend.View, error)
}

// Map implements [backend.Mapper]. A value that the index holds is shown as it was read from there.
func (h *Handle) Map(ctx context.Context, key backend.Key) (*backend.View, backend.Info, error) {
	if err := h.beginKey(ctx, key); err != nil {
		return nil, backend.Info{}, h.p.Wrap("map", key, err)
	}
	defer h.p.Calls.End()
	v, info, err := h.p.Store.Map(ctx, key)
	if err != nil {
		return nil, info, h.p.Wrap("map", key, err)
	}
	return v, info, nil
}

// Map shows the value of key, as [backend.Mapper] says.
func (s *Store) Map(ctx context.Context, key backend.Key) (*backend.View, backend.Info, error) {
	m, ok := s.Data.(Mapper)
	if !ok {
		return nil, backend.Info{}, errors.ErrUnsupported
	}
	e, err := s.Index.Lookup(ctx, key, true)
	for err == nil && e.Name != "" {
		v, failed := m.Map(ctx, e.Name, e.Size)
		if !errors.Is(failed, fs.ErrNotExist) {
			return v, e.Info, failed
		}
		if e, err = s.again(ctx, e); err == nil && e.Name == "" {
			e, err = s.Index.Lookup(ctx, key, true)
		}
	}
	if err != nil {
		return nil, e.Info, err
	}
	return backend.NewView(e.Inline, nil), e.Info, nil
}
