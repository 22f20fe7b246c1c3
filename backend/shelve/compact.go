package shelve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

const (
	// minCompact is the size below which a file is left alone: bbolt's own growth makes
	// small files half empty.
	minCompact = 1 << 20

	// compactStep bounds a transaction of a compaction, and so its memory.
	compactStep = 16 << 20
)

// compact rewrites the bbolt files that are mostly free space, and returns the bytes that
// this gives back, or would.
func (b *Backend) compact(ctx context.Context, dryRun bool) (total int64, err error) {
	files, err := b.place.bboltFiles()
	for _, f := range files {
		var freed int64
		err := f.do(ctx, b.index.wait, func(context.Context) (err error) {
			freed, err = f.compact(dryRun)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("compact %s: %w", f.path, err)
		}
		total += freed
	}
	return total, err
}

// compact rewrites the file if it is mostly free, or removes it if it holds nothing. Its
// turnstile is held alone, and no session is open.
func (f *file) compact(dryRun bool) (freed int64, err error) {
	before, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	s := &session{path: f.path, alone: true, yield: make(chan struct{}, 1)}
	if err := s.open(true); err != nil {
		return 0, err
	}
	defer s.closeFile() // again: Windows removes and replaces nothing that is open
	defer s.rescue(debug.SetPanicOnFault(true), &err)

	free := int64(s.db.Stats().FreePageN) * int64(s.db.Info().PageSize)
	removable := f != f.place.main && isEmpty(s.db)
	switch {
	case removable && dryRun:
		return before.Size(), nil
	case removable:
		if err := s.closeFile(); err != nil {
			return 0, err
		}
		return before.Size(), os.Remove(f.path)
	case before.Size() < minCompact || free < before.Size()/2:
		return 0, nil
	case dryRun:
		return free, nil
	}
	err = f.place.replace(f.path, func(dst *bbolt.DB) error {
		return errors.Join(bbolt.Compact(dst, s.db, compactStep), s.closeFile())
	})
	if err != nil {
		return 0, err
	}
	after, err := os.Stat(f.path)
	if err != nil {
		return 0, err
	}
	return before.Size() - after.Size(), nil
}

// isEmpty reports whether no shelf holds anything.
func isEmpty(db *bbolt.DB) bool {
	empty := true
	_ = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if k, _ := b.Cursor().First(); k != nil && !bytes.Equal(name, notesBucket) {
				empty = false
			}
			return nil
		})
	})
	return empty
}
