package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/evict"
	"github.com/larder-store/larder/internal/marks"
)

// Evicted is what an eviction removed.
type Evicted struct {
	Deleted
	Spared       int // values that were planned to go and were replaced, used, pinned or removed meanwhile
	Descriptions int // of components that nothing names any longer
}

// Evict does what a plan says. It lists the values again and removes, a batch at a time, those that are still as they were planned:
// a value that was replaced, used or pinned meanwhile stays. Others may read and write meanwhile; a reader of
// a value that is being removed gets the value or a miss. After an error, or if the process dies, only planned values are gone,
// and a new plan does the rest.
//
// The description of a component goes when the component has no value, was described more than 30 days ago, and is no input of one
// whose description stays. That takes a look at all descriptions, and so is left out where requests are costly, unless the
// policy is one WithInputs, which reads them all the same.
//
// A plan by age is refused if the clock of the store and that of this machine are more than five minutes apart.
func Evict(ctx context.Context, store *larder.Store, plan *Eviction) (Evicted, error) {
	v := &eviction{store: store, plan: plan, now: plan.policy.Now}
	if err := v.checkClock(ctx); err != nil {
		return v.done, err
	}
	if err := v.values(ctx); err != nil {
		return v.done, err
	}
	evict.SetSize(ctx, store.Backend(), v.listed-v.done.Bytes)
	v.done.Spared = max(0, plan.Goes.Values-v.done.Values)
	_ = marks.Fold(ctx, store.Backend(), v.lives)
	if backend.LimitsOf(store.Backend()).CostlyRequests && !plan.policy.WithInputs {
		return v.done, nil
	}
	var err error
	v.done.Descriptions, err = forget(ctx, store, v.now.Add(-descriptionsStay))
	return v.done, err
}

// eviction is an Evict in progress.
type eviction struct {
	store  *larder.Store
	plan   *Eviction
	now    time.Time
	marks  marks.Set
	alive  []bool // of marks: their values are there
	listed int64  // bytes of all values
	batch  []larder.Info
	done   Evicted
}

// maxSkew is how far the clocks of the store and of this machine may be apart.
const maxSkew = 5 * time.Minute

// checkClock asks the store for its time: by a clock that is a year ahead, all is older than 30 days.
func (v *eviction) checkClock(ctx context.Context) error {
	if !v.plan.present || v.plan.policy.MaxAge == 0 {
		return nil
	}
	b, key := v.store.Backend(), backend.Key{Shelf: marks.Shelf, Name: "clock"}
	before := time.Now()
	info, err := backend.PutBytes(ctx, b, key, nil, backend.PutOptions{})
	if err == nil && info.ModTime.IsZero() {
		info, err = b.Stat(ctx, key)
	}
	after := time.Now()
	if err != nil {
		return fmt.Errorf("nothing is removed: the store's clock: %w", err)
	}
	if err := b.Delete(ctx, key); err != nil {
		return fmt.Errorf("nothing is removed: %w", err)
	}
	if info.ModTime.Before(before.Add(-maxSkew)) || info.ModTime.After(after.Add(maxSkew)) {
		return fmt.Errorf("nothing is removed: the store's clock says %s, this machine's %s; set the one that is wrong",
			info.ModTime.UTC().Format(time.RFC3339), before.UTC().Format(time.RFC3339))
	}
	return nil
}

// values removes the values that go.
func (v *eviction) values(ctx context.Context) (err error) {
	v.store.FlushUses(ctx)
	if v.marks, err = marks.Read(ctx, v.store.Backend()); err != nil {
		return err
	}
	v.alive = make([]bool, len(v.marks))
	for info, err := range v.store.Backend().List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			return errors.Join(err, v.flush(ctx))
		}
		v.listed += info.Size
		i, marked := v.marks.Find(marks.ID(info.Key.Name))
		if marked {
			v.alive[i] = true
		}
		if !v.plan.has(info) || marked && v.usedSince(i) {
			continue
		}
		if v.batch = append(v.batch, info); len(v.batch) == deleteBatch {
			if err := v.flush(ctx); err != nil {
				return err
			}
		}
	}
	return v.flush(ctx)
}

// usedSince reports whether a mark came after the plan was made.
func (v *eviction) usedSince(i int) bool {
	m := v.marks[i]
	old, ok := v.plan.marks.Find(m.ID)
	return !ok || m.At > v.plan.marks[old].At
}

// flush removes a batch, but for what was pinned since the plan was made.
func (v *eviction) flush(ctx context.Context) error {
	if len(v.batch) == 0 {
		return nil
	}
	defer func() { v.batch = v.batch[:0] }()
	unlock, err := lockEvictions(ctx, v.store)
	if err != nil {
		return err
	}
	defer unlock()
	pinned, err := evict.Pinned(ctx, v.store.Backend(), v.now)
	if err != nil {
		return err
	}
	var victims []larder.Info
	for _, info := range v.batch {
		if !pinned[evict.Component(info.Key.Name)] {
			victims = append(victims, info)
		}
	}
	removed, err := evict.Delete(ctx, v.store.Backend(), victims)
	for _, info := range removed {
		v.done.Values++
		v.done.Bytes += info.Size
	}
	return err
}

// lives reports whether a mark is worth keeping: its value was there, or it came later.
func (v *eviction) lives(m marks.Mark) bool {
	i, ok := v.marks.Find(m.ID)
	return !ok || v.alive[i] || v.marks[i] != m
}
