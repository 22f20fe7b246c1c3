package indexed

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/larder-store/larder/backend"
)

// uploads bounds the values of one batch that are stored at the same time. From 16
// parallel fsyncs on, a disk of today gains little (measured: 318 µs a file alone, 167
// with 16 at once).
const uploads = 16

// claims bounds how often a value is stored anew because its claim ran out.
const claims = 3

// Put stores one value. See [Store.PutBatch].
func (s *Store) Put(ctx context.Context, item backend.Item) (backend.Info, error) {
	infos, errs := s.PutBatch(ctx, []backend.Item{item})
	return infos[0], errs[0]
}

// PutBatch stores items that were checked before, each for itself, as [backend.BatchPutter]
// says. It returns one Info and one error an item.
func (s *Store) PutBatch(ctx context.Context, items []backend.Item) ([]backend.Info, []error) {
	b := &batch{
		s:       s,
		items:   items,
		changes: make([]Change, len(items)),
		infos:   make([]backend.Info, len(items)),
		errs:    make([]error, len(items)),
	}
	todo := b.prepare(ctx)
	for range claims {
		if todo = b.publish(ctx, todo); len(todo) == 0 {
			break
		}
	}
	for _, i := range todo {
		b.errs[i] = fmt.Errorf("%w: %w %d times before the value was stored", backend.ErrUnavailable, ErrClaimLost, claims)
	}
	return b.infos, b.errs
}

// batch is a PutBatch in progress. Its slices have one element an item.
type batch struct {
	s       *Store
	items   []backend.Item
	changes []Change
	infos   []backend.Info
	errs    []error
}

// prepare makes the changes of all items but for their data, and returns the items to go
// on with.
func (b *batch) prepare(ctx context.Context) (todo []int) {
	for i, it := range b.items {
		if b.errs[i] = b.prepareItem(ctx, i, it); b.errs[i] == nil {
			todo = append(todo, i)
		}
	}
	err := ctx.Err()
	if err == nil {
		return todo
	}
	for _, i := range todo { // it ended while bodies were read, and who waits for a commit may see that or the commit first
		b.errs[i] = err
	}
	return nil
}

func (b *batch) prepareItem(ctx context.Context, i int, it backend.Item) (err error) {
	b.changes[i] = Change{Key: it.Key, Options: it.PutOptions}
	if !b.s.inline(it.Key.Shelf, it.Size) {
		return b.s.precheck(ctx, it)
	}
	b.changes[i].Inline, err = backend.ReadBody(it.Body, it.Size)
	return err
}

// precheck fails early, before uploading. It is the commit that decides.
func (s *Store) precheck(ctx context.Context, it backend.Item) error {
	if !it.IfAbsent && it.IfMatch == "" {
		return nil
	}
	switch e, err := s.Index.Lookup(ctx, it.Key, false); {
	case it.IfAbsent && err == nil:
		return backend.ErrExists
	case it.IfMatch != "" && (err == nil && e.Version != it.IfMatch || errors.Is(err, backend.ErrNotFound)):
		return backend.ErrChanged
	}
	return nil
}

// publish stores the data of the items in todo, and commits. It returns those whose
// claims were lost.
func (b *batch) publish(ctx context.Context, todo []int) (lost []int) {
	todo = b.upload(ctx, todo)
	if len(todo) == 0 {
		return nil
	}
	changes := b.changes
	if len(todo) < len(changes) {
		changes = make([]Change, len(todo))
		for n, i := range todo {
			changes[n] = b.changes[i]
		}
	}
	outcomes := b.s.Index.Commit(ctx, changes)
	b.s.removeFree(ctx, outcomes)
	for n, i := range todo {
		if errors.Is(outcomes[n].Err, ErrClaimLost) {
			lost = append(lost, i)
			continue
		}
		b.infos[i], b.errs[i] = outcomes[n].Info, outcomes[n].Err
	}
	return lost
}

// upload stores the data of large values, several at once, and returns the items whose
// data, if they need any, is there.
func (b *batch) upload(ctx context.Context, todo []int) []int {
	var large []int
	for _, i := range todo {
		if it := b.items[i]; !b.s.inline(it.Key.Shelf, it.Size) {
			large = append(large, i)
		}
	}
	if len(large) == 0 {
		return todo
	}
	names, err := b.s.Index.Claim(ctx, len(large))
	if err != nil {
		for _, i := range large {
			b.errs[i] = err
		}
		return b.healthy(todo)
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, uploads)
	for n, i := range large {
		free <- struct{}{}
		wg.Go(func() {
			b.errs[i] = b.create(ctx, i, names[n])
			<-free
		})
	}
	wg.Wait()
	return b.healthy(todo)
}

func (b *batch) healthy(todo []int) (healthy []int) {
	for _, i := range todo {
		if b.errs[i] == nil {
			healthy = append(healthy, i)
		}
	}
	return healthy
}

// create stores the data of one item under name, or leaves nothing of it.
func (b *batch) create(ctx context.Context, i int, name string) error {
	b.changes[i].Name = name
	err := b.s.Data.Create(ctx, name, b.items[i].Body, b.items[i].PutOptions)
	if err != nil {
		// The index does not forget the name: an upload that timed out may still land.
		_ = b.s.Data.Remove(context.WithoutCancel(ctx), name)
		b.s.Index.Abandon([]string{name})
	}
	return err
}

// Delete removes keys, each for itself, and returns one error a key.
func (s *Store) Delete(ctx context.Context, keys []backend.Key) []error {
	changes := make([]Change, len(keys))
	for i, key := range keys {
		changes[i] = Change{Key: key, Delete: true}
	}
	return s.Remove(ctx, changes)
}

// Remove makes changes that are deletions, each for itself, and returns one error a change.
func (s *Store) Remove(ctx context.Context, changes []Change) []error {
	errs := make([]error, len(changes))
	outcomes := s.Index.Commit(ctx, changes)
	s.removeFree(ctx, outcomes)
	for i, o := range outcomes {
		errs[i] = o.Err
	}
	return errs
}

// removeFree removes data that no entry names, also when the call that made it so was
// cancelled. Failing is no harm: the sweep finds it.
func (s *Store) removeFree(ctx context.Context, outcomes []Outcome) {
	var names []string
	for _, o := range outcomes {
		if o.Free != "" {
			names = append(names, o.Free)
		}
	}
	if len(names) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	if s.Data.Remove(ctx, names...) == nil {
		_ = s.Index.Forget(ctx, names...)
	}
}
