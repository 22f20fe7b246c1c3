package conformance_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

var deleteMutants = []mutant{
	{law: "delete/gone", did: "leaves deleted keys in its list", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				return r.Backend.Delete(ctx, k)
			}
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			r.place.marked[k] = true
			return nil
		}
		gone := func(k key) bool {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			return r.place.marked[k]
		}
		r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
			if gone(k) {
				return nil, info{}, backend.Wrap("get", "ref", k, backend.ErrNotFound)
			}
			return r.Backend.Get(ctx, k)
		}
		r.doStat = func(ctx context.Context, k key) (info, error) {
			if gone(k) {
				return info{}, backend.Wrap("stat", "ref", k, backend.ErrNotFound)
			}
			return r.Backend.Stat(ctx, k)
		}
	}},
	{law: "delete/absent", did: "cannot delete what is not there", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				return err
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
	{law: "delete/again", did: "finds the metadata of a deleted value again", breaks: func(r *ref) {
		r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if _, err := r.Backend.Stat(ctx, k); err != nil && len(r.place.infos[k].Meta) > 0 {
				o.Meta = r.place.infos[k].Meta
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			r.place.infos[k] = i
			return i, err
		}
	}},
	{law: "delete/race", did: "fails where another was quicker to delete", breaks: func(r *ref) {
		r.doDelete = func(ctx context.Context, k key) error {
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				return nil
			}
			time.Sleep(moment)
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if _, err := r.Backend.Stat(ctx, k); err != nil {
				return err
			}
			return r.Backend.Delete(ctx, k)
		}
	}},
}

var batchMutants = []mutant{
	{law: "batch/put", did: "answers in an order of its own", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			slices.SortFunc(infos, func(a, b info) int { return strings.Compare(a.Key.String(), b.Key.String()) })
			return infos, err
		}
	}},
	{law: "batch/put-order", did: "stores the items of a batch backwards", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			items = slices.Clone(items)
			slices.Reverse(items)
			infos, err := r.Backend.PutBatch(ctx, items)
			slices.Reverse(infos)
			return infos, err
		}
	}},
	{law: "batch/put-fails", did: "gives up a batch at its first failure", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			for n, it := range items {
				if infos[n], errs[n] = r.Backend.Put(ctx, it.Key, it.Body, it.PutOptions); errs[n] != nil {
					break
				}
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "batch/put-fails", did: "returns one error for all items", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items)
			if err != nil {
				err = errors.New(err.Error())
			}
			return infos, err
		}
	}},
	{law: "batch/put-if", did: "passes over the conditions of items", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			for n := range items {
				items[n].IfAbsent, items[n].IfMatch = false, ""
			}
			return r.Backend.PutBatch(ctx, items)
		}
	}},
	{law: "batch/put-race", did: "decides the conditions of a batch before it writes it", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, errs := make([]info, len(items)), make(backend.BatchError, len(items))
			for n, it := range items {
				infos[n], errs[n] = r.unless(ctx, it.Key, it.Body, it.PutOptions)
			}
			return infos, errs.OrNil()
		}
	}},
	{law: "batch/put-many", did: "stores as many items as one request takes", breaks: func(r *ref) {
		r.doPutBatch = func(ctx context.Context, items []backend.Item) ([]info, error) {
			infos, err := r.Backend.PutBatch(ctx, items[:min(len(items), 250)])
			return append(infos, make([]info, len(items)-len(infos))...), err
		}
	}},
	{law: "batch/delete", did: "fails to delete what is not there", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			errs := make(backend.BatchError, len(keys))
			for n, k := range keys {
				if _, errs[n] = r.Backend.Stat(ctx, k); errs[n] == nil {
					errs[n] = r.Backend.Delete(ctx, k)
				}
			}
			return errs.OrNil()
		}
	}},
	{law: "batch/delete-fails", did: "stops deleting at its first failure", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			for _, k := range keys {
				if err := r.Backend.Delete(ctx, k); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	{law: "batch/delete-many", did: "deletes as many keys as one request takes", breaks: func(r *ref) {
		r.doDelBatch = func(ctx context.Context, keys []key) error {
			return r.Backend.DeleteBatch(ctx, keys[:min(len(keys), 250)])
		}
	}},
}
