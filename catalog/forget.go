package catalog

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/evict"
)

// descriptionsStay is for how long a description outlives the values of its component: so long "why" can say that a result
// was there, and what it was.
const descriptionsStay = 30 * 24 * time.Hour

// forget removes descriptions that are older than a moment, of components without values, that are no inputs of components whose
// descriptions stay. It returns how many.
func forget(ctx context.Context, store *larder.Store, before time.Time) (int, error) {
	b, seed := store.Backend(), maphash.MakeSeed()
	number := func(key string) uint64 { return maphash.String(seed, key) }
	if old, err := anyOld(ctx, b, before); err != nil || !old {
		return 0, err
	}
	l, err := lineageOf(ctx, store, number)
	if err != nil {
		return 0, err
	}
	// Kept is what has a value, or was described lately, and so all that it comes from.
	for key, young := range described(ctx, b, before, &err) {
		if i := l.find(number(key)); i >= 0 && young {
			l.nodes[i].own.kept = true
		}
	}
	if err != nil {
		return 0, err
	}
	last := ""
	for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		id := evict.Component(info.Key.Name)
		if id == last {
			continue
		}
		last = id
		if i := l.find(number(id)); i >= 0 {
			l.nodes[i].own.kept = true
		}
	}
	l.inherit()

	n := 0
	for key, young := range described(ctx, b, before, &err) {
		i := l.find(number(key))
		if young || i < 0 || l.nodes[i].waits > 0 || l.nodes[i].own.kept || l.nodes[i].heirs.kept {
			continue
		}
		gone, err := forgetOne(ctx, store, key)
		if err != nil {
			return n, err
		}
		if !gone {
			continue
		}
		n++
		if err := forgetOutputs(ctx, store, key); err != nil {
			return n, err
		}
	}
	return n, err
}

// described yields the keys of all descriptions, and whether they are younger than a moment.
func described(ctx context.Context, b larder.Backend, before time.Time, failed *error) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for info, err := range b.List(ctx, backend.ShelfComponents, backend.ListOptions{}) {
			if err != nil {
				*failed = err
				return
			}
			if !yield(info.Key.Name, !info.ModTime.Before(before)) {
				return
			}
		}
	}
}

// anyOld reports whether there is anything to look for.
func anyOld(ctx context.Context, b larder.Backend, before time.Time) (old bool, err error) {
	for _, young := range described(ctx, b, before, &err) {
		if !young {
			return true, err
		}
	}
	return false, err
}

// forgetOne removes a description, and puts it back if a value of its component came meanwhile.
func forgetOne(ctx context.Context, store *larder.Store, id string) (bool, error) {
	b, key := store.Backend(), backend.Key{Shelf: backend.ShelfComponents, Name: id}
	text, info, err := backend.GetVerified(ctx, b, key)
	if err != nil {
		return false, ignoreGone(err)
	}
	removed, err := evict.Delete(ctx, b, []larder.Info{info})
	if err != nil || len(removed) == 0 {
		return false, err
	}
	back, err := stored(ctx, store, id)
	if err != nil || !back {
		return true, err
	}
	_, err = b.Put(ctx, key, bytes.NewReader(text), backend.PutOptions{Size: info.Size, Digest: info.Digest, Sum: info.Sum, Meta: info.Meta})
	return false, err
}

// ignoreGone returns nil for what is gone, or damaged: that is for check to say.
func ignoreGone(err error) error {
	if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) || errors.Is(err, larder.ErrNewer) {
		return nil
	}
	return err
}
