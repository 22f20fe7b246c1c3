package custombackend_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance"
	_ "github.com/larder-store/larder/examples/custombackend" // registers folder:
)

// place names a fresh folder by URL, so that the laws about URLs apply too. A path that holds # or %, as
// those of tests may, becomes a URL by package net/url.
func place(t testing.TB) string {
	return (&url.URL{Scheme: "folder", Path: filepath.ToSlash(t.TempDir())}).String()
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{New: place, Open: backend.Open, Crash: conformance.Self})
}
