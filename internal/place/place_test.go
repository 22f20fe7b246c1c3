package place_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/place"
)

func TestOf(t *testing.T) {
	key, err := place.Of("3f2a", "Mean & more")
	if err != nil || key.Validate() != nil || key.Shelf != backend.ShelfCache || !strings.HasPrefix(key.Name, "3f2a/") {
		t.Errorf("Of = %q, %v", key, err)
	}
	if _, err := place.Of("3f2a", strings.Repeat("x", 1000)); !errors.Is(err, backend.ErrTooLarge) || !strings.Contains(err.Error(), "xxx\"…") {
		t.Errorf("Of a long attribute = %v, want ErrTooLarge and its beginning", err)
	}
}
