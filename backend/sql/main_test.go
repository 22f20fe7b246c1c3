//go:build unix

package sql_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/sql"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/ramdisk"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

var schemas atomic.Int64

// place returns the URL of a fresh store on a server, with its data in a directory.
func place(t testing.TB, server string) string {
	t.Helper()
	return pgtest.With(alone(t, server), "data", "file://"+filepath.ToSlash(ramdisk.Dir(t)))
}

// alone is a place without data.
func alone(t testing.TB, server string) string {
	t.Helper()
	return pgtest.With(server, "schema", fmt.Sprintf("t%d_%d", os.Getpid(), schemas.Add(1)))
}

func openURL(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) }

func TestConformance(t *testing.T) {
	server := pgtest.URL(t)
	conformance.Run(t, conformance.Config{
		New:   func(t testing.TB) string { return place(t, server) },
		Open:  openURL,
		Crash: conformance.Self,
		Quick: true, // package interop runs the full tier
	})
}
