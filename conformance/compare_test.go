package conformance_test

import (
	"context"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/examples/custombackend"
)

// shelves is shelve with options.
func shelves(opts shelve.Options) conformance.Config {
	return conformance.Config{
		New:  func(t testing.TB) string { return t.TempDir() },
		Open: func(_ context.Context, loc string) (backend.Backend, error) { return shelve.Open(loc, &opts) },
	}
}

func TestConfigurationsAnswerAlike(t *testing.T) {
	conformance.Compare(t, map[string]conformance.Config{
		"mem":             inMemory,
		"mem, plain":      withoutAbilities,
		"shelve":          shelves(shelve.Options{}),
		"shelve in files": shelves(shelve.Options{Inline: -1, NoSync: true}),
		"shelve inline":   shelves(shelve.Options{Inline: shelve.MaxInline}),
	})
}

// TestWithoutConditions compares where one of several promises none.
func TestWithoutConditions(t *testing.T) {
	conformance.Compare(t, map[string]conformance.Config{
		"mem": inMemory,
		"folder": {
			New:  func(t testing.TB) string { return t.TempDir() },
			Open: func(_ context.Context, loc string) (backend.Backend, error) { return custombackend.Open(loc) },
		},
	})
}
