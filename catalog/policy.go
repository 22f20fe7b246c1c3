package catalog

import (
	"fmt"
	"time"

	"github.com/larder-store/larder/component"
)

// A Policy says which values may stay. Its rules compose:
//
//   - What is pinned, or fulfils a condition of Keep, stays.
//   - Of the rest goes what was not used for longer than MaxAge.
//   - Of the rest goes, in Order, as much as must so that all that stays is no more than MaxSize.
//
// A value is used when it is stored and when it is found; the latter is known to a day.
type Policy struct {
	MaxSize int64         // bytes of values; 0 is no limit
	MaxAge  time.Duration // 0 is no limit
	Keep    []component.Condition
	// WithInputs counts what a value was computed from, at any distance, as used when the value was, as costly as it,
	// and as kept where it is: so nothing goes from which something that stays was computed.
	WithInputs bool
	Order      Order
	Now        time.Time // what ages count from; zero is the present
}

// Order is which values go first.
type Order string

// The orders.
const (
	// LeastRecentlyUsed: those that were not used for longest.
	LeastRecentlyUsed Order = "lru"
	// LowestCost: those that took least time to compute for their size. Those of which that was not recorded go last; of equal
	// ones, the least recently used go first.
	LowestCost Order = "cost"
)

// check refuses what is no policy.
func (p Policy) check() error {
	switch {
	case p.MaxSize < 0:
		return fmt.Errorf("policy: a limit of %d bytes is negative", p.MaxSize)
	case p.MaxAge < 0:
		return fmt.Errorf("policy: an age of %v is negative", p.MaxAge)
	case p.MaxSize == 0 && p.MaxAge == 0:
		return fmt.Errorf("policy: without a size and an age nothing goes; give one of them")
	case p.Order != LeastRecentlyUsed && p.Order != LowestCost && p.Order != "":
		return fmt.Errorf("policy: %q is no order: lru or cost", p.Order)
	}
	return nil
}
