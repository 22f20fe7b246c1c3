package custombackend_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/examples/custombackend"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return t.TempDir() },
		Open:  func(_ context.Context, loc string) (backend.Backend, error) { return custombackend.Open(loc) },
		Crash: conformance.Self,
	})
}
