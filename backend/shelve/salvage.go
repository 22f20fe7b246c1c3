package shelve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/durable"
)

var _ backend.Salvager = (*Backend)(nil)

// damaged is within the name of a bbolt file that was damaged, and replaced by what could be saved of it.
const damaged = ".damaged-"

// Salvage implements [backend.Salvager]: each bbolt file with a page or a record that cannot be read is
// replaced by one with all records that can, and lies beside it afterwards. Other processes wait
// meanwhile. Of a file without a sound meta page nothing can be saved, and it stays as it is.
func (b *Backend) Salvage(ctx context.Context) ([]backend.Salvaged, error) {
	all, err := b.salvage(ctx)
	return all, wrap("salvage", backend.Key{}, err)
}

func (b *Backend) salvage(ctx context.Context) (all []backend.Salvaged, err error) {
	if b.opts.ReadOnly {
		return nil, errReadOnly
	}
	if err := b.parts.Calls.Begin(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	files, err := b.place.bboltFiles()
	for _, f := range files {
		err := f.do(ctx, b.index.wait, func(context.Context) error {
			s, err := f.salvage()
			if s != nil {
				all = append(all, *s)
			}
			return err
		})
		if err != nil {
			return all, fmt.Errorf("salvage %s: %w", f.path, err)
		}
	}
	return all, err
}

// noneAside makes sure that no damaged file lies beside its successor: a record that was lost in it may name data
// that no entry names now, and from which it could still be made again.
func (p *place) noneAside() error {
	files, err := p.bboltFiles()
	for _, f := range files {
		entries, err := os.ReadDir(filepath.Dir(f.path))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), filepath.Base(f.path)+damaged) {
				return fmt.Errorf("%w: no data was removed, for %s may name it: remove that file if what it lost need not be saved", backend.ErrCorrupt, filepath.Join(filepath.Dir(f.path), e.Name()))
			}
		}
	}
	return err
}

// saved is a record that can be read.
type saved struct {
	bucket     string
	key, value []byte
}

// salvage rebuilds the file if it is damaged. Its turnstile is held alone, and no session is open.
func (f *file) salvage() (*backend.Salvaged, error) {
	r, err := durable.Open(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, durable.ErrIrregular):
		return &backend.Salvaged{Part: f.path, Errors: []error{err}}, nil
	case err != nil:
		return nil, err
	}
	defer r.Close()
	fi, err := r.Stat()
	if err != nil {
		return nil, err
	}
	var records []saved
	s := &backend.Salvaged{Part: f.path}
	faults := walkPages(r, fi.Size(), func(bucket string, key, value []byte) {
		_, err := parseRecord(backend.Key{Shelf: bucket, Name: string(key)}, value)
		if err != nil && !errors.Is(err, backend.ErrNewer) {
			s.Lost++
			s.Errors = append(s.Errors, err)
			return
		}
		records = append(records, saved{bucket, key, value})
	})
	s.Errors = append(s.Errors, faults...)
	if len(s.Errors) == 0 {
		return nil, nil
	}
	if len(records) == 0 && s.Lost == 0 {
		return s, nil // not even where it begins is known: an empty file would hide that
	}
	s.Saved = len(records)
	s.Aside = f.path + damaged + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Link(f.path, s.Aside); err != nil {
		return nil, err
	}
	return s, f.place.replace(f.path, func(dst *bbolt.DB) error { return fillBuckets(dst, records) })
}

func fillBuckets(dst *bbolt.DB, records []saved) error {
	// In order, since random order costs bbolt many times as much; a key that is there twice, in a file
	// whose pages were mixed up, keeps its first record.
	slices.SortStableFunc(records, func(a, b saved) int {
		if c := strings.Compare(a.bucket, b.bucket); c != 0 {
			return c
		}
		return strings.Compare(string(a.key), string(b.key))
	})
	// Notes count on the sequence of their bucket, which is lost. Who looks for one sees that this is another file.
	records = slices.DeleteFunc(records, func(r saved) bool { return r.bucket == string(notesBucket) })
	for len(records) > 0 {
		err := dst.Update(func(tx *bbolt.Tx) error {
			for size := 0; len(records) > 0 && size < compactStep; records = records[1:] {
				r := records[0]
				b, err := tx.CreateBucketIfNotExists([]byte(r.bucket))
				if err != nil {
					return err
				}
				if b.Get(r.key) != nil {
					continue
				}
				if err := b.Put(r.key, r.value); err != nil {
					return err
				}
				size += len(r.key) + len(r.value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
