package catalog_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/marks"
)

// valueModel is a value as the rules of a policy see it.
type valueModel struct {
	component int
	size      int64
	used      time.Time
	price     float64 // cost for each byte
	kept      bool
}

// world is a store and what is known of it.
type world struct {
	t      *rapid.T
	store  *larder.Store
	inputs [][]int
	ids    []string
	values map[string]*valueModel // by name
	now    time.Time
}

// newWorld fills a store with components that are computed from each other, with values of any age, cost and use, and with pins.
func newWorld(t *rapid.T) *world {
	w := &world{t: t, values: map[string]*valueModel{}, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	clock := w.now
	w.store = larder.New(mem.New(&mem.Options{Now: func() time.Time { return clock }}), &larder.Options{NoLease: true, Logger: silent.Logger})
	ctx := context.Background()
	var components []component.Component
	var noted []marks.Mark
	for i := range rapid.IntRange(1, 12).Draw(t, "components") {
		var from []component.Component
		var inputs []int
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "from") == 0 {
				from, inputs = append(from, components[j]), append(inputs, j)
			}
		}
		c := component.New(fmt.Sprintf("lab/t%d", i%3), "v1", map[string]any{"i": i}, from...)
		id, err := w.store.Key(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		components, w.inputs, w.ids = append(components, c), append(w.inputs, inputs), append(w.ids, id)
		for a := range rapid.IntRange(0, 2).Draw(t, "values") {
			// No two are stored at the same time: then the order of what is not computed from each other is fixed.
			age := time.Duration(rapid.IntRange(-100, 2000).Draw(t, "age"))*time.Hour + time.Duration(len(w.values))*time.Second
			clock = w.now.Add(-age)
			m := &valueModel{component: i, size: int64(rapid.IntRange(0, 100).Draw(t, "size")), used: clock, price: math.Inf(1)}
			info := w.put(c, fmt.Sprintf("a%d", a), m, rapid.IntRange(-1, 50).Draw(t, "cost"))
			if rapid.Bool().Draw(t, "marked") {
				at := w.now.Add(-time.Duration(rapid.IntRange(-200, 2000).Draw(t, "mark")) * time.Hour)
				noted = append(noted, marks.Mark{ID: marks.ID(info.Key.Name), At: marks.Hour(at)})
				if hour := time.Unix(int64(marks.Hour(at))*3600, 0); hour.After(m.used) && !hour.After(w.now.Add(time.Hour)) {
					m.used = hour
				}
			}
			w.values[info.Key.Name] = m
		}
		clock = w.now
		if rapid.IntRange(0, 5).Draw(t, "pin") == 0 && w.hasValues(i) {
			until := time.Time{}
			ended := rapid.Bool().Draw(t, "ended")
			if ended {
				until = w.now.Add(-time.Hour)
			}
			err := catalog.PinComponent(ctx, w.store, catalog.Pin{ID: id, By: "me", Made: w.now.Add(-48 * time.Hour), Until: until})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range w.of(i) {
				m.kept = !ended
			}
		}
	}
	if err := marks.Put(ctx, w.store.Backend(), marks.Of(noted)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) put(c component.Component, attribute string, m *valueModel, cost int) larder.Info {
	value := make([]byte, m.size)
	if cost < 0 {
		info, err := w.store.Put(context.Background(), c, attribute, value)
		if err != nil {
			w.t.Fatal(err)
		}
		return info
	}
	claim, err := w.store.Claim(context.Background(), c, attribute)
	if err != nil {
		w.t.Fatal(err)
	}
	defer claim.Release()
	claim.Cost = time.Duration(cost+1) * time.Second
	m.price = float64(cost+1) / float64(max(m.size, 1))
	info, err := claim.Put(context.Background(), value)
	if err != nil {
		w.t.Fatal(err)
	}
	return info
}

func (w *world) hasValues(i int) bool { return len(w.of(i)) > 0 }

func (w *world) of(i int) (of []*valueModel) {
	for _, m := range w.values {
		if m.component == i {
			of = append(of, m)
		}
	}
	return of
}

// ancestors returns what a component is computed from, at any distance, as far as the store can know: it describes what has values, and
// the inputs of that.
func (w *world) ancestors(i int) map[int]bool {
	all := map[int]bool{}
	described := w.hasValues(i)
	for j, inputs := range w.inputs {
		described = described || w.hasValues(j) && slices.Contains(inputs, i)
	}
	if !described {
		return all
	}
	for _, j := range w.inputs[i] {
		all[j] = true
		maps.Copy(all, w.ancestors(j))
	}
	return all
}

// inherit makes values as used, costly and kept as what is computed from them.
func (w *world) inherit() {
	before := map[*valueModel]valueModel{}
	for _, m := range w.values {
		before[m] = *m
	}
	for heir, h := range before {
		for a := range w.ancestors(heir.component) {
			for _, m := range w.of(a) {
				m.price, m.kept = max(m.price, h.price), m.kept || h.kept
				if h.used.After(m.used) {
					m.used = h.used
				}
			}
		}
	}
}

// What stays and what goes is exactly the rule, whatever the store and the policy: each rule is checked by its words, not by an order
// of steps.
func TestPolicyIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		p := catalog.Policy{Now: w.now, WithInputs: rapid.Bool().Draw(t, "with inputs"),
			Order: rapid.SampledFrom([]catalog.Order{"", catalog.LeastRecentlyUsed, catalog.LowestCost}).Draw(t, "order")}
		if rapid.Bool().Draw(t, "by size") {
			p.MaxSize = int64(rapid.IntRange(1, 800).Draw(t, "size"))
		}
		if p.MaxSize == 0 || rapid.Bool().Draw(t, "by age") {
			p.MaxAge = time.Duration(rapid.IntRange(1, 2000).Draw(t, "age")) * time.Hour
		}
		for i, typ := range []string{"lab/t0", "lab/t1"} {
			if rapid.IntRange(0, 3).Draw(t, "keep") == 0 {
				p.Keep = append(p.Keep, component.Where(component.FieldType, component.Equal, typ))
				for _, m := range w.values {
					m.kept = m.kept || m.component%3 == i
				}
			}
		}
		plan, err := catalog.PlanEviction(context.Background(), w.store, p)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(w.present()); got != len(w.values) {
			t.Fatalf("planning removed %d values", len(w.values)-got)
		}
		done, err := catalog.Evict(context.Background(), w.store, plan)
		if err != nil {
			t.Fatal(err)
		}
		stays := w.present()
		if p.WithInputs {
			w.inherit()
		}
		w.check(p, stays)
		w.checkSums(plan, done, stays)
	})
}

func (w *world) present() map[string]bool {
	names := map[string]bool{}
	for info, err := range w.store.Backend().List(context.Background(), backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		names[info.Key.Name] = true
	}
	return names
}

// check holds what stays against the words of the policy.
func (w *world) check(p catalog.Policy, stays map[string]bool) {
	t := w.t
	old := func(m *valueModel) bool { return p.MaxAge > 0 && m.used.Before(w.now.Add(-p.MaxAge)) }
	var total int64
	for name := range stays {
		total += w.values[name].size
	}
	var lastToGo, firstToStay *valueModel
	for name, m := range w.values {
		switch {
		case m.kept && !stays[name]:
			t.Errorf("%s is kept, and went", name)
		case m.kept:
		case old(m):
			if stays[name] {
				t.Errorf("%s was used last at %v, and stays", name, m.used)
			}
		case stays[name]:
			if firstToStay == nil || before(p.Order, m, firstToStay) < 0 {
				firstToStay = m
			}
		case lastToGo == nil || cmp.Or(before(p.Order, m, lastToGo), cmp.Compare(m.size, lastToGo.size)) > 0: // of equal ones, any may be the last
			lastToGo = m
		}
	}
	if lastToGo != nil && p.MaxSize == 0 {
		t.Errorf("what was used at %v went, without a rule", lastToGo.used)
	}
	if lastToGo != nil && firstToStay != nil && before(p.Order, lastToGo, firstToStay) > 0 {
		t.Errorf("in order %q, %+v went and %+v stays", p.Order, *lastToGo, *firstToStay)
	}
	if lastToGo != nil && total+lastToGo.size <= p.MaxSize {
		t.Errorf("%d bytes stay and %d went last: more than must, with a limit of %d", total, lastToGo.size, p.MaxSize)
	}
	if firstToStay != nil && p.MaxSize > 0 && total > p.MaxSize {
		t.Errorf("%d bytes stay, the limit is %d, and not all of it is kept", total, p.MaxSize)
	}
	if !p.WithInputs {
		return
	}
	for name := range stays {
		for a := range w.ancestors(w.values[name].component) {
			for other, m := range w.values {
				if m.component == a && !stays[other] {
					t.Errorf("%s stays, and %s, from which it was computed, went", name, other)
				}
			}
		}
	}
}

func before(o catalog.Order, a, b *valueModel) int {
	if o == catalog.LowestCost {
		return cmp.Or(cmp.Compare(a.price, b.price), a.used.Compare(b.used))
	}
	return a.used.Compare(b.used)
}

// checkSums holds what the plan said against what happened.
func (w *world) checkSums(plan *catalog.Eviction, done catalog.Evicted, stays map[string]bool) {
	goes, left := catalog.Sum{}, catalog.Sum{}
	for name, m := range w.values {
		sum := &goes
		if stays[name] {
			sum = &left
		}
		sum.Values++
		sum.Bytes += m.size
	}
	if plan.Goes.Values != goes.Values || plan.Goes.Bytes != goes.Bytes || done.Values != goes.Values || done.Bytes != goes.Bytes || done.Spared != 0 {
		w.t.Errorf("planned %+v, done %+v, went %+v", plan.Goes, done, goes)
	}
	if plan.Stays.Values != left.Values || plan.Stays.Bytes != left.Bytes {
		w.t.Errorf("planned to stay %+v, stays %+v", plan.Stays, left)
	}
	byType := 0
	for _, s := range plan.ByType {
		byType += s.Values
	}
	if byType != goes.Values || !slices.IsSortedFunc(plan.ByType, func(a, b catalog.TypeSum) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		w.t.Errorf("by type: %+v", plan.ByType)
	}
}
