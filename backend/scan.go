package backend

import (
	"context"
	"errors"
	"io"
	"iter"
)

// A Scanner lists values with their bodies in fewer steps than a Get for each.
type Scanner interface {
	// Scan is List with bodies, under the same rules.
	Scan(ctx context.Context, shelf string, opts ListOptions) iter.Seq2[Entry, error]
}

// Entry is one step of a Scan. Body, and memory that it gives away without a copy as
// [Body.Take] does, are valid until the next step. It need not be read. Meta must not be
// changed: entries may share it.
type Entry struct {
	Info
	Body io.Reader
}

// Scan is [Scanner] for any backend: without the ability it lists and gets. An
// entry that was removed between the two is left out; the body of one that is corrupt fails when it is read.
func Scan(ctx context.Context, b Backend, shelf string, opts ListOptions) iter.Seq2[Entry, error] {
	if s, ok := As[Scanner](b); ok {
		return s.Scan(ctx, shelf, opts)
	}
	limit := opts.Limit
	opts.Limit = min(limit, 0) // entries that vanish do not count
	return func(yield func(Entry, error) bool) {
		n := 0
		for info, err := range b.List(ctx, shelf, opts) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			body, got, err := b.Get(ctx, info.Key)
			switch {
			case errors.Is(err, ErrNotFound):
				continue
			case errors.Is(err, ErrCorrupt):
				body, got = FailingBody(err), info
			case err != nil:
				yield(Entry{}, err)
				return
			}
			more := yield(Entry{got, body}, nil)
			body.Close()
			if n++; !more || n == limit {
				return
			}
		}
	}
}

// FailingBody is the body of an entry that cannot be read, in a Scan: each Read fails with err.
func FailingBody(err error) io.ReadCloser { return failing{err} }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
func (f failing) Close() error             { return nil }
