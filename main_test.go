package larder_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No flight, heartbeat or spool outlives the calls that made it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
