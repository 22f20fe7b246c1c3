// Package place knows where a Store keeps an attribute of a component.
package place

import (
	"errors"
	"fmt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

// Of returns where an attribute of the component with a known key is kept. Any text is an attribute, as long as
// its escaped form is short enough; the error names the limit.
func Of(id, attribute string) (backend.Key, error) {
	name, err := keying.Escape(attribute)
	if err != nil {
		return backend.Key{}, attributeError(attribute, err)
	}
	return backend.Key{Shelf: backend.ShelfCache, Name: id + "/" + name}, nil
}

func attributeError(attribute string, err error) error {
	if errors.Is(err, keying.ErrTooLong) {
		return fmt.Errorf("attribute %.40q…: %w: %w", attribute, backend.ErrTooLarge, err)
	}
	return fmt.Errorf("attribute %q: %w", attribute, err)
}
