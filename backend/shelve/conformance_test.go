package shelve_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/ramdisk"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return ramdisk.Dir(t) },
		Open:  func(ctx context.Context, loc string) (backend.Backend, error) { return shelve.Open(loc, nil) },
		Crash: conformance.Self,
	})
}

// TestConformanceOnDisk is a quick look with a real disk below, where places wait for it.
func TestConformanceOnDisk(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return t.TempDir() },
		Open:  func(ctx context.Context, loc string) (backend.Backend, error) { return shelve.Open(loc, nil) },
		Crash: conformance.Self,
		Quick: true,
	})
}
