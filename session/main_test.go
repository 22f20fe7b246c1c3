package session_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/larder-store/larder/internal/sessiontest"
)

// No timer, heartbeat or reader outlives the calls that made it.
func TestMain(m *testing.M) {
	sessiontest.Main()
	goleak.VerifyTestMain(m)
}
