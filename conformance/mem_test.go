package conformance_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/conformance"
)

var places atomic.Int64

// fresh names a place in memory that nobody else uses.
func fresh() string { return fmt.Sprintf("mem://place-%d", places.Add(1)) }

var inMemory = conformance.Config{
	New:  func(testing.TB) string { return fresh() },
	Open: func(ctx context.Context, loc string) (backend.Backend, error) { return backend.Open(ctx, loc) },
}

func TestMem(t *testing.T) { conformance.Run(t, inMemory) }

// plain is a backend without any optional ability but its limits, so that every helper of
// package backend does without.
type plain struct{ backend.Backend }

func (p plain) Limits() backend.Limits { return backend.LimitsOf(p.Backend) }

var withoutAbilities = conformance.Config{
	New: inMemory.New,
	Open: func(ctx context.Context, loc string) (backend.Backend, error) {
		b, err := backend.Open(ctx, loc)
		return plain{b}, err
	},
}

func TestWithoutAbilities(t *testing.T) { conformance.Run(t, withoutAbilities) }

func FuzzWithoutAbilities(f *testing.F) { conformance.Fuzz(f, withoutAbilities) }
