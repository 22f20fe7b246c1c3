package indexed

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/larder-store/larder/backend"
)

// List yields the entries of a shelf as [backend.Backend] says. It goes on past entries
// that cannot be decoded, and yields their errors, joined, at its end.
func (s *Store) List(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		room := enter(false)
		defer room.leave()
		s.walk(ctx, shelf, opts, room)(yield)
	}
}

// Scan is List with bodies, as [backend.Scanner] says. The body of an entry whose data is
// lost fails with [backend.ErrCorrupt] when it is read.
func (s *Store) Scan(ctx context.Context, shelf string, opts backend.ListOptions) iter.Seq2[backend.Entry, error] {
	return func(yield func(backend.Entry, error) bool) {
		inline := new(backend.Body) // of one step after the other
		room := enter(true)
		defer room.leave()
		for {
			vanished, limit := 0, opts.Limit
			for e, err := range s.walk(ctx, shelf, opts, room) {
				if err != nil {
					yield(backend.Entry{}, err)
					return
				}
				opts.After = e.Key.Name
				if e.Name == "" {
					inline.Reset(e.Inline)
					if !yield(backend.Entry{Info: e.Info, Body: inline}, nil) {
						return
					}
					continue
				}
				body, info, err := s.body(ctx, e)
				switch {
				case errors.Is(err, backend.ErrNotFound):
					vanished++
					continue
				case errors.Is(err, backend.ErrCorrupt):
					body, info = backend.FailingBody(err), e.Info
				case err != nil:
					yield(backend.Entry{}, err)
					return
				}
				more := yield(backend.Entry{Info: info, Body: body}, nil)
				body.Close()
				if !more {
					return
				}
			}
			if opts.Limit = vanished; vanished == 0 || limit == 0 {
				return
			}
		}
	}
}

// rooms are those of lists and scans that are over. One of a few entries would take longer to get memory than to read.
var rooms = sync.Pool{New: func() any { return new(Room) }}

func enter(scan bool) *Room {
	room := rooms.Get().(*Room)
	room.Scan = scan
	return room
}

// leave gives the room to a later list or scan.
func (r *Room) leave() {
	clear(r.Entries[:min(r.used, cap(r.Entries))])
	r.used = 0
	rooms.Put(r)
}

// body returns the body of an entry as it is, or as it is now if its data was removed.
func (s *Store) body(ctx context.Context, e Entry) (io.ReadCloser, backend.Info, error) {
	if e.Name == "" {
		return backend.NewBody(e.Inline), e.Info, nil
	}
	return s.open(ctx, e, 0, -1)
}

// walk yields entries page by page; nothing is held while one is looked at.
func (s *Store) walk(ctx context.Context, shelf string, opts backend.ListOptions, room *Room) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var corrupt []error
		left := opts.Limit
		for {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			opts.Limit = left
			p, err := s.Index.Page(ctx, shelf, opts, room)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			room.used = max(room.used, len(room.Entries))
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
