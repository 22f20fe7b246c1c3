package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A BatchPutter stores many values with fewer commits or requests than a Put for each.
type BatchPutter interface {
	// PutBatch stores the items, across shelves, in as few commits as the engine can;
	// bbolt and Postgres take one. Each item succeeds or fails for itself, as by
	// Put in the order given: an item whose condition fails does not keep the others
	// from being stored. The result has one Info an item, zero where it failed. Bodies are
	// treated as by Put: while one is waited for, no other call is.
	//
	// Where any item failed the error is a [BatchError], unless nothing could be
	// attempted at all. What was not stored because ctx ended has failed too. A crash leaves each item stored wholly or not at all.
	PutBatch(ctx context.Context, items []Item) ([]Info, error)
}

// Item is one Put of a batch.
type Item struct {
	Key  Key
	Body io.ReadSeeker
	PutOptions
}

// A BatchDeleter removes many keys with fewer commits or requests.
type BatchDeleter interface {
	// DeleteBatch removes the keys, any number of them, and no others. Those that are absent
	// count as removed. Failures are reported as by PutBatch.
	DeleteBatch(ctx context.Context, keys []Key) error
}

// BatchError says which items of a batch failed: it has one error an item, in the
// order of the batch, nil where the item succeeded.
type BatchError []error

// Error counts the failures and shows the first.
func (e BatchError) Error() string {
	failed := e.Unwrap()
	if len(failed) == 0 {
		return "no item failed"
	}
	return fmt.Sprintf("%d of %d items failed, the first: %v", len(failed), len(e), failed[0])
}

// Unwrap returns the failures.
func (e BatchError) Unwrap() []error {
	var failed []error
	for _, err := range e {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// OrNil returns e if any item failed, else nil.
func (e BatchError) OrNil() error {
	for _, err := range e {
		if err != nil {
			return e
		}
	}
	return nil
}

// ItemError returns what went wrong with item i of a batch whose call returned err:
// err itself where that is no [BatchError].
func ItemError(err error, i int) error {
	var e BatchError
	if errors.As(err, &e) && i < len(e) {
		return e[i]
	}
	return err
}

// PutBatch is [BatchPutter] for any backend: without the ability it puts one by
// one.
func PutBatch(ctx context.Context, b Backend, items []Item) ([]Info, error) {
	if p, ok := As[BatchPutter](b); ok {
		return p.PutBatch(ctx, items)
	}
	infos := make([]Info, len(items))
	errs := make(BatchError, len(items))
	for i, it := range items {
		infos[i], errs[i] = b.Put(ctx, it.Key, it.Body, it.PutOptions)
	}
	return infos, errs.OrNil()
}

// DeleteBatch is [BatchDeleter] for any backend: without the ability it deletes
// one by one.
func DeleteBatch(ctx context.Context, b Backend, keys []Key) error {
	if d, ok := As[BatchDeleter](b); ok {
		return d.DeleteBatch(ctx, keys)
	}
	errs := make(BatchError, len(keys))
	for i, key := range keys {
		errs[i] = b.Delete(ctx, key)
	}
	return errs.OrNil()
}
