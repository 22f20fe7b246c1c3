// Package interop_test tries Larder on servers that others wrote.
package interop_test

import (
	"os"
	"testing"

	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/sessiontest"
	"github.com/larder-store/larder/interop/servers"
)

func TestMain(m *testing.M) {
	servers.Environment()
	sessiontest.Main()
	code := m.Run()
	servers.Stop()
	pgtest.Stop()
	os.Exit(code)
}
