package file

import (
	"context"
	"errors"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/mapped"
)

// Map implements [driver.Mapper]. A file that is replaced or deleted stays as it is where it is shown.
func (b *bucket) Map(_ context.Context, name string) (*backend.View, driver.Object, error) {
	f, err := open(b.path(name))
	if err != nil {
		return nil, driver.Object{}, err
	}
	defer f.Close()
	o, start, err := readObject(f, name)
	if err != nil {
		return nil, driver.Object{}, err
	}
	if o.Size < mapped.MinSize {
		return nil, driver.Object{}, errors.ErrUnsupported
	}
	bytes, release, err := mapped.Map(f, start, o.Size)
	if err != nil {
		return nil, driver.Object{}, errors.ErrUnsupported // it can be read still, and says then what is wrong
	}
	return backend.NewView(bytes, release), o, nil
}
