package catalog

import (
	"context"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/evict"
	"github.com/larder-store/larder/internal/marks"
)

// Sum counts values.
type Sum struct {
	Values int
	Bytes  int64
	Cost   time.Duration // what computing them took, of those of which that was recorded
	NoCost int           // of those it was not
}

func (s *Sum) add(r *rank) {
	s.Values++
	s.Bytes += r.size
	if r.cost < 0 {
		s.NoCost++
		return
	}
	s.Cost += time.Duration(float64(r.cost) * float64(time.Second))
}

// TypeSum counts values of one type.
type TypeSum struct {
	Type string // "" where it is not known
	Sum
}

// An Eviction is a plan of what goes: see [PlanEviction] and [Evict].
type Eviction struct {
	Goes   Sum
	Stays  Sum
	Kept   Sum       // of what stays, what a pin or a condition keeps
	ByType []TypeSum // what goes, the most bytes first
	// Over is by how many bytes that which is kept is above MaxSize.
	Over int64

	policy  Policy
	present bool
	marks   marks.Set
	goes    []uint64 // the values that go, as they were seen, in order
	seed    maphash.Seed
}

// otherTypes is what types are counted as beyond the first maxTypes.
const (
	maxTypes   = 10_000
	otherTypes = "(others)"
)

// planner is a PlanEviction in progress.
type planner struct {
	store   *larder.Store
	policy  Policy
	present bool // Now is the present
	keep    []component.Query
	pinned  map[string]bool
	marks   marks.Set
	lineage *lineage
	costs   bool // costs are wanted even where each takes a request
	seed    maphash.Seed

	ranks  []rank
	types  map[string]uint16
	byType []TypeSum
}

// PlanEviction says what goes by a policy, and removes nothing. It lists the values once, reads the descriptions once (where requests are
// costly, only for a condition of Keep that needs them; types are unknown then), with WithInputs once more, and holds less than 128 bytes a value in memory, with WithInputs less than 64 more a component. A value
// that is replaced, used or pinned after it was listed survives the plan.
func PlanEviction(ctx context.Context, store *larder.Store, policy Policy) (*Eviction, error) {
	if err := policy.check(); err != nil {
		return nil, err
	}
	present := policy.Now.IsZero()
	if present {
		policy.Now = time.Now()
	}
	p := &planner{store: store, policy: policy, present: present, seed: maphash.MakeSeed(), types: map[string]uint16{}}
	p.costs = policy.Order == LowestCost || !backend.LimitsOf(store.Backend()).CostlyRequests
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if err := p.gather(ctx); err != nil {
		return nil, err
	}
	p.inherit()
	choose(p.ranks, policy, policy.Now)
	return p.plan(), nil
}

// prepare reads what the policy needs to know besides the values.
func (p *planner) prepare(ctx context.Context) (err error) {
	for _, where := range p.policy.Keep {
		q, err := prepare(ctx, p.store, component.Query{Where: where})
		if err != nil {
			return err
		}
		p.keep = append(p.keep, q)
		p.costs = p.costs || where.Uses(component.FieldCost)
	}
	b := p.store.Backend()
	p.store.FlushUses(ctx)
	if p.pinned, err = evict.Pinned(ctx, b, p.policy.Now); err != nil {
		return err
	}
	if p.marks, err = marks.Read(ctx, b); err != nil {
		return err
	}
	if p.policy.WithInputs {
		p.lineage, err = lineageOf(ctx, p.store, p.number)
	}
	return err
}

func (p *planner) number(key string) uint64 { return maphash.String(p.seed, key) }

// gather ranks all values.
func (p *planner) gather(ctx context.Context) error {
	all := scanned(ctx, p.store.Backend(), component.Query{})
	if !p.describes() {
		all = listed(ctx, p.store.Backend())
	}
	for e, err := range all {
		if err != nil {
			return err
		}
		if err := p.rank(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// describes reports whether descriptions are read: where each costs a request, only for a condition that needs them.
func (p *planner) describes() bool {
	if !backend.LimitsOf(p.store.Backend()).CostlyRequests {
		return true
	}
	return slices.ContainsFunc(p.keep, func(q component.Query) bool {
		return slices.ContainsFunc(ofDescriptions, func(f component.Field) bool { return f != component.FieldKey && q.Where.Uses(f) })
	})
}

// listed lists values without descriptions.
func listed(ctx context.Context, b larder.Backend) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
			if !yield(entryOf(info), err) || err != nil {
				return
			}
		}
	}
}

func (p *planner) rank(ctx context.Context, e Entry) error {
	r := rank{seen: fingerprint(p.seed, e.Info), size: e.Info.Size, cost: -1, node: p.lineage.find(p.number(e.ID)), kept: p.pinned[e.ID]}
	r.used = p.marks.Used(e.Info.Key.Name, e.Info.ModTime, p.policy.Now).UnixNano()
	if p.costs && e.Info.Meta == nil {
		if info, err := p.store.Backend().Stat(ctx, e.Info.Key); err == nil {
			e.Info.Meta = info.Meta
		} else if ctx.Err() != nil {
			return err
		}
	}
	cost, known := larder.Cost(e.Info)
	if !known {
		cost = -1
	} else {
		r.cost = float32(cost.Seconds())
	}
	r.price = priceOf(cost, e.Info.Size)
	for _, q := range p.keep {
		if r.kept {
			break
		}
		d := e.Description
		d.Key = e.ID
		r.kept = q.Match(d, e.Value())
	}
	r.typ = p.typeOf(e.Description.Type)
	if r.node >= 0 {
		p.lineage.nodes[r.node].own.join(worth{r.used, r.price, r.kept})
	}
	p.ranks = append(p.ranks, r)
	return nil
}

func (p *planner) typeOf(name string) uint16 {
	i, ok := p.types[name]
	if ok {
		return i
	}
	if len(p.byType) >= maxTypes-1 && name != otherTypes {
		return p.typeOf(otherTypes)
	}
	i = uint16(len(p.byType))
	p.types[name] = i
	p.byType = append(p.byType, TypeSum{Type: name})
	return i
}

// inherit gives inputs what they have from that which was computed from them.
func (p *planner) inherit() {
	if p.lineage == nil {
		return
	}
	p.lineage.inherit()
	for i := range p.ranks {
		r := &p.ranks[i]
		if r.node < 0 {
			continue
		}
		n := p.lineage.nodes[r.node]
		r.used, r.price = max(r.used, n.heirs.used), max(r.price, n.heirs.price)
		r.kept, r.depth = r.kept || n.heirs.kept, n.depth
	}
	p.lineage = nil
}

// plan sums up what was chosen.
func (p *planner) plan() *Eviction {
	e := &Eviction{policy: p.policy, present: p.present, marks: p.marks, seed: p.seed}
	for i := range p.ranks {
		r := &p.ranks[i]
		if r.goes {
			e.Goes.add(r)
			e.goes = append(e.goes, r.seen)
			p.byType[r.typ].add(r)
			continue
		}
		e.Stays.add(r)
		if r.kept {
			e.Kept.add(r)
		}
	}
	slices.Sort(e.goes)
	if p.policy.MaxSize > 0 {
		e.Over = max(0, e.Stays.Bytes-p.policy.MaxSize)
	}
	e.ByType = slices.DeleteFunc(p.byType, func(t TypeSum) bool { return t.Values == 0 })
	slices.SortStableFunc(e.ByType, func(a, b TypeSum) int { return int(min(1, max(-1, b.Bytes-a.Bytes))) })
	return e
}

// fingerprint returns a value as it was listed, as a number. Two of a million have the same once in 37 million plans; then
// one would go for the other.
func fingerprint(seed maphash.Seed, info larder.Info) uint64 {
	type seen struct {
		name, version string
		size, stored  int64
	}
	return maphash.Comparable(seed, seen{info.Key.Name, info.Version, info.Size, info.ModTime.UnixNano()})
}

// has reports whether a value goes, as it was listed now.
func (e *Eviction) has(info larder.Info) bool {
	_, ok := slices.BinarySearch(e.goes, fingerprint(e.seed, info))
	return ok
}
