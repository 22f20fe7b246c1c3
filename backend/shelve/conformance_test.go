package shelve_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:  func(t testing.TB) string { return t.TempDir() },
		Open: func(ctx context.Context, loc string) (backend.Backend, error) { return shelve.Open(loc, nil) },
	})
}
