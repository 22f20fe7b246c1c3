package larder

import (
	"context"
	"fmt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
)

// A View is a stored value as memory to read from: the pages of its file, where the backend can show them, else a copy. See
// [backend.View] for what holds of it.
type View struct {
	*backend.View
	Info Info
}

// View shows the stored bytes of an attribute of c, verified, and without copying them where the backend can: large values
// on shelves and in local files. It takes the time to sum them once. The caller closes it, after the last use of the bytes:
//
//	v, err := store.View(ctx, c, "spectrum")
//	…
//	defer v.Close()
//	numbers, err := larder.Slice[float64](v)
//
// Misses are those of [Get].
func (s *Store) View(ctx context.Context, c Component, attribute string, opts ...GetOption) (*View, error) {
	key, err := s.place(ctx, c, attribute)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, key, opts)
	if err != nil {
		s.countMiss(err)
		return nil, err
	}
	s.hit(v.Info)
	return v, nil
}

func (s *Store) view(ctx context.Context, key backend.Key, opts []GetOption) (*View, error) {
	v, info, err := backend.MapVerified(ctx, s.backend, key)
	if err != nil {
		return nil, s.missed(ctx, key, info.Version, err)
	}
	if err := s.fresh(info, opts); err != nil {
		v.Close()
		return nil, &Miss{Key: key, Reason: err, version: info.Version}
	}
	return &View{v, info}, nil
}

// Slice returns the numbers of a stored slice where they lie, without a copy; see [codec.Slice]. It must not be written to, nor used
// after v was closed.
func Slice[T codec.Element](v *View) ([]T, error) {
	return shown(v, codec.Slice[T])
}

// Matrix is [Slice] of a stored matrix.
func Matrix[T codec.Element](v *View) (codec.Matrix[T], error) {
	return shown(v, codec.MatrixOf[T])
}

func shown[V any](v *View, show func(codec string, b []byte) (V, error)) (shown V, err error) {
	name := v.Info.Meta[codec.MetaKey]
	if name == "" {
		name = codec.Raw
	}
	err = v.Use(func(b []byte) error {
		shown, err = show(name, b)
		return err
	})
	if err != nil {
		return shown, fmt.Errorf("view %q: %w", v.Info.Key, err)
	}
	return shown, nil
}
