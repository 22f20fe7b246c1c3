package session_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/larder-store/larder/internal/sessiontest"
)

// stopServers ends the servers that tests started.
var stopServers = func() {}

// No timer, heartbeat or reader outlives the calls that made it.
func TestMain(m *testing.M) {
	sessiontest.Main()
	code := m.Run()
	stopServers()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
