package shelve

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/mapped"
)

// Map implements [indexed.Mapper].
func (d *dir) Map(_ context.Context, name string, size int64) (*backend.View, error) {
	f, err := d.open(name, size)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size < mapped.MinSize {
		return nil, errors.ErrUnsupported
	}
	bytes, release, err := mapped.Map(f, 0, size)
	if err != nil {
		return nil, errors.ErrUnsupported // it can be read still, and says then what is wrong
	}
	return backend.NewView(bytes, release), nil
}
