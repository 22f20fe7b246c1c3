package catalog

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A rank is what a plan holds of a value: 48 bytes, so that a million values take less than 100 MB while they are
// ranked, and 8 bytes for each that goes afterwards.
type rank struct {
	seen  uint64 // the value as it was seen; see fingerprint
	used  int64  // nanoseconds since 1970
	price uint64 // cost for each byte: the bits of a float that is not negative, which order as it does
	size  int64
	cost  float32 // seconds; negative where it was not recorded
	node  int32   // the component in the graph; -1 without one
	depth uint32  // how many steps what was computed from it is away, at most
	typ   uint16
	kept  bool
	goes  bool
}

// priceOf returns the cost for each byte. What has no price is worth most.
func priceOf(cost time.Duration, size int64) uint64 {
	if cost < 0 {
		return math.Float64bits(math.Inf(1))
	}
	return math.Float64bits(cost.Seconds() / float64(max(size, 1)))
}

// choose marks what goes. It is all that a policy means, once it is known what is kept, used and computed from what.
func choose(ranks []rank, p Policy, now time.Time) {
	var held int64
	oldest := now.Add(-p.MaxAge).UnixNano()
	for i := range ranks {
		r := &ranks[i]
		r.goes = !r.kept && p.MaxAge > 0 && r.used < oldest
		if !r.goes {
			held += r.size
		}
	}
	if p.MaxSize == 0 || held <= p.MaxSize {
		return
	}
	slices.SortFunc(ranks, order(p.Order))
	for i := range ranks {
		if held <= p.MaxSize {
			return
		}
		if r := &ranks[i]; !r.goes && !r.kept {
			r.goes = true
			held -= r.size
		}
	}
}

// order returns what goes first: of what is equal, that which is computed from others before these.
func order(o Order) func(a, b rank) int {
	if o == LowestCost {
		return func(a, b rank) int {
			return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.used, b.used), cmp.Compare(a.depth, b.depth), cmp.Compare(a.seen, b.seen))
		}
	}
	return func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.depth, b.depth), cmp.Compare(a.seen, b.seen))
	}
}
