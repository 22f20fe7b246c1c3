package conformance_test

import (
	"context"
	"slices"

	"github.com/larder-store/larder/backend"
)

var deleteMatchMutants = []mutant{
	{law: "delete-match/seen", did: "deletes whatever the version", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			keys := make([]key, len(seen))
			for i, s := range seen {
				keys[i] = s.Key
			}
			return r.Backend.DeleteBatch(ctx, keys)
		}
	}},
	{law: "delete-match/seen", did: "says that it deleted what was replaced", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			_ = r.Backend.DeleteMatch(ctx, seen)
			return nil
		}
	}},
	{law: "delete-match/seen", did: "takes an empty version for any", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			all := slices.Clone(seen)
			for i, s := range all {
				if info, err := r.Backend.Stat(ctx, s.Key); err == nil && s.Version == "" {
					all[i].Version = info.Version
				}
			}
			return r.Backend.DeleteMatch(ctx, all)
		}
	}},
	{law: "delete-match/fails", did: "stops at the first key that it cannot delete", breaks: func(r *ref) {
		r.doDelMatch = func(ctx context.Context, seen []backend.Seen) error {
			for i := range seen {
				if err := r.Backend.DeleteMatch(ctx, seen[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}
	}},
}
