package indexed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/larder-store/larder/backend"
)

// Get returns the value of key as [backend.Backend] says. With [backend.ErrCorrupt] the
// Info is that of the entry, so that a Put with IfMatch can heal it.
func (s *Store) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	e, err := s.Index.Lookup(ctx, key, true)
	if err != nil {
		return nil, backend.Info{}, err
	}
	return s.body(ctx, e)
}

// GetRange returns part of the value of key, as [backend.RangeGetter] says.
func (s *Store) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	if off < 0 {
		return nil, backend.Info{}, fmt.Errorf("offset %d is negative", off)
	}
	e, err := s.Index.Lookup(ctx, key, true)
	if err != nil {
		return nil, backend.Info{}, err
	}
	if version != "" && version != e.Version {
		return nil, e.Info, backend.ErrChanged
	}
	if e.Name != "" {
		body, info, err := s.open(ctx, e, off, n)
		if err == nil && version != "" && version != info.Version {
			body.Close()
			return nil, info, backend.ErrChanged
		}
		return body, info, err
	}
	part := e.Inline[min(off, int64(len(e.Inline))):]
	if n >= 0 {
		part = part[:min(n, int64(len(part)))]
	}
	return backend.NewBody(part), e.Info, nil
}

// Stat returns what Get would say about key.
func (s *Store) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	e, err := s.Index.Lookup(ctx, key, false)
	if err != nil {
		return backend.Info{}, err
	}
	for e.Name != "" {
		err := s.Data.Check(ctx, e.Name, e.Size)
		if !errors.Is(err, fs.ErrNotExist) {
			return e.Info, err
		}
		now, err := s.again(ctx, e)
		if err != nil {
			return now.Info, err
		}
		e = now
	}
	return e.Info, nil
}

// open returns the body of an entry whose data is apart.
func (s *Store) open(ctx context.Context, e Entry, off, n int64) (io.ReadCloser, backend.Info, error) {
	for {
		body, err := s.Data.Open(ctx, e.Name, e.Size, off, n)
		if !errors.Is(err, fs.ErrNotExist) {
			return body, e.Info, err
		}
		if e, err = s.again(ctx, e); err != nil {
			return nil, e.Info, err
		}
		if e.Name == "" {
			return s.GetRange(ctx, e.Key, "", off, n)
		}
	}
}

// again looks up an entry whose data was gone. If it was replaced between the two steps
// the new entry is returned; each turn of a caller's loop needs one more Put by someone
// else. If it is the same still, its data was lost.
func (s *Store) again(ctx context.Context, e Entry) (Entry, error) {
	now, err := s.Index.Lookup(ctx, e.Key, false)
	if err != nil {
		return Entry{}, err
	}
	if now.Name == e.Name {
		return e, fmt.Errorf("%w: its data %s is gone; store the value again", backend.ErrCorrupt, e.Name)
	}
	return now, ctx.Err()
}
