package chunkedbackend_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance"
	_ "github.com/larder-store/larder/examples/chunkedbackend" // registers chunks:
)

var places atomic.Int64

// Places are named by URL, so that the laws about URLs apply too.
func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:   func(testing.TB) string { return fmt.Sprintf("chunks://place-%d", places.Add(1)) },
		Open:  backend.Open,
		Sizes: []int64{64 << 10}, // the size of a chunk
	})
}
