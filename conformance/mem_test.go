package conformance_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/conformance"
)

var places atomic.Int64

// fresh names a place in memory that nobody else uses.
func fresh() string { return fmt.Sprintf("mem://place-%d", places.Add(1)) }

func TestMem(t *testing.T) {
	conformance.Run(t, conformance.Config{
		New:  func(testing.TB) string { return fresh() },
		Open: func(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) },
	})
}

var _ = mem.New
