package indexed

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/larder-store/larder/backend"
)

// List yields the entries of a shelf as [backend.Backend] says. It goes on past entries
// that cannot be decoded, and yields their errors, joined, at its end.
func (s *Store) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[Entry, error] {
	return s.walk(ctx, shelf, opts, false)
}

// Scan is List with bodies, as [backend.Scanner] says. Data that is apart is opened at
// the first Read.
func (s *Store) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		for e, err := range s.walk(ctx, shelf, opts, true) {
			if err != nil {
				yield(backend.Entry{}, err)
				return
			}
			if e.Name == "" {
				if !yield(backend.Entry{Info: e.Info, Body: backend.NewBody(e.Inline)}, nil) {
					return
				}
				continue
			}
			body := &lateBody{ctx: ctx, data: s.Data, entry: e}
			more := yield(backend.Entry{Info: e.Info, Body: body}, nil)
			body.close()
			if !more {
				return
			}
		}
	}
}

// walk yields entries page by page; nothing is held while one is looked at.
func (s *Store) walk(ctx context.Context, shelf string, opts backend.ListOptions, bodies bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var corrupt []error
		left := opts.Limit
		for {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			opts.Limit = left
			p, err := s.Index.Page(ctx, shelf, opts, bodies)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			corrupt = append(corrupt, p.Corrupt...)
			for _, e := range p.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if left -= len(p.Entries); p.Next == "" || opts.Limit > 0 && left <= 0 {
				break
			}
			opts.After = p.Next
		}
		if len(corrupt) > 0 {
			yield(Entry{}, errors.Join(corrupt...))
		}
	}
}

// lateBody opens its data when it is read.
type lateBody struct {
	ctx   context.Context
	data  Data
	entry Entry
	body  io.ReadCloser
	err   error
}

// Read implements io.Reader. Data that is gone was removed or replaced since the entry
// was listed, or is lost; for a scan both are the same.
func (b *lateBody) Read(p []byte) (int, error) {
	if b.body == nil && b.err == nil {
		b.body, b.err = b.data.Open(b.ctx, b.entry.Name, b.entry.Size, 0, -1)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.body.Read(p)
}

func (b *lateBody) close() {
	if b.body != nil {
		b.body.Close()
	}
}
