package session

import (
	"context"
	"errors"
	"iter"

	"github.com/larder-store/larder/backend"
)

// What [Session.PutAll] stores at a time, at most: enough that the cost of a commit is shared by many.
const (
	bulkItems = 1000
	bulkBytes = 4 << 20
)

// PutAll stores many items in few commits or requests: as [Session.Put] of each, in their order. After an error those
// before it may be stored or not.
func (s *Session) PutAll(ctx context.Context, items iter.Seq2[string, any]) error {
	if err := s.ready(); err != nil {
		return wrap(s.name, err)
	}
	k, bulk := s.keep.(*itemKeeper)
	if !bulk {
		for key, value := range items {
			if err := s.Put(ctx, key, value); err != nil {
				return err
			}
		}
		return nil
	}
	var b batch
	defer b.close()
	for key, v := range items {
		e, err := encode(v)
		if err != nil {
			return wrapKey(s.name, key, err)
		}
		if _, again := b.at[key]; again || len(b.keys) == bulkItems || b.bytes > bulkBytes {
			if err := s.writes(func() error { return k.putBatch(ctx, &b) }); err != nil {
				e.close()
				return wrap(s.name, err)
			}
		}
		b.add(key, e)
	}
	return wrap(s.name, s.writes(func() error { return k.putBatch(ctx, &b) }))
}

// batch is items with different keys.
type batch struct {
	keys   []string
	values []*value
	at     map[string]int
	bytes  int64
}

func (b *batch) add(key string, v *value) {
	if b.at == nil {
		b.at = map[string]int{}
	}
	b.at[key] = len(b.keys)
	b.keys, b.values = append(b.keys, key), append(b.values, v)
	b.bytes += v.size
}

func (b *batch) close() {
	for _, v := range b.values {
		v.close()
	}
	*b = batch{}
}

// putBatch stores what is new in one commit, and one by one what is there already.
func (k *itemKeeper) putBatch(ctx context.Context, b *batch) error {
	defer b.close()
	limits := k.s.m.limits
	items := make([]backend.Item, len(b.keys))
	for i, key := range b.keys {
		name, err := itemName(key)
		if err != nil {
			return wrap(k.s.name, err)
		}
		items[i] = b.values[i].item(backend.Key{Shelf: k.s.shelf, Name: name})
		items[i].IfAbsent = k.s.hold.lock != nil && limits.AtomicIfAbsent && limits.AtomicIfMatch
	}
	if err := k.s.hold.held(); err != nil {
		return wrap(k.s.name, err)
	}
	_, errs := backend.PutBatch(ctx, k.s.m.backend, items)
	for i, key := range b.keys {
		err := backend.ItemError(errs, i)
		if errors.Is(err, backend.ErrExists) {
			err = k.put(ctx, key, b.values[i])
		}
		if err != nil {
			return wrapKey(k.s.name, key, err)
		}
	}
	k.s.touched()
	return wrap(k.s.name, k.s.hold.held())
}
