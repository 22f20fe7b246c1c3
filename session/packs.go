package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/packname"
)

// packRef is a pack of a session. Each flush is numbered, and its pack has that number alone. A pack that was
// merged from others has the numbers of them all, which are neighbours; it is stored before they are
// deleted, so that of packs whose numbers lie within another's only the other counts. Of two records with
// one key that of the pack with the higher last number is the item, also where numbers overlap, as after two
// processes merged, of which one had lost the session without knowing.
type packRef struct {
	name        string
	first, last uint64
	size        int64
}

// packs returns the packs that count, in the order of their numbers, and those that others replaced.
func (m *Manager) packs(ctx context.Context, shelf string) (live, replaced []packRef, err error) {
	for tries := 0; ; tries++ {
		if live, replaced, err = m.listPacks(ctx, shelf); err == nil || !errors.Is(err, errGap) || tries == 5 {
			return live, replaced, err
		}
		// A list may show the second of two packs that were stored while it went on, and not the first.
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(10 * time.Millisecond << tries):
		}
	}
}

// errGap: packs are missing.
var errGap = fmt.Errorf("%w: packs are missing", backend.ErrCorrupt)

// listPacks lists twice, the second time what comes after the last pack of the first. A list may lack packs that were
// merged while it went on, and also what they were merged into, if it took the names first. Their replacement was
// stored before it ended, and its last number is no lower: where they were the last, the second list meets it. Where
// others come after them, the gap shows. Only if such a list lacks packs twice, by a merge within each, can they be missed; lists
// of shelves, of Postgres and of files lack none.
func (m *Manager) listPacks(ctx context.Context, shelf string) (live, replaced []packRef, err error) {
	opts := backend.ListOptions{Prefix: packMark}
	for range 2 {
		for info, err := range m.backend.List(ctx, shelf, opts) {
			if err != nil {
				return nil, nil, err
			}
			first, last, ok := packname.Parse(info.Key.Name)
			if !ok {
				return nil, nil, fmt.Errorf("%w: %q is not the name of a pack", backend.ErrCorrupt, info.Key)
			}
			r := packRef{info.Key.Name, first, last, info.Size}
			for k := len(live); k > 0 && live[k-1].first >= r.first; k = len(live) {
				replaced, live = append(replaced, live[k-1]), live[:k-1]
			}
			live = append(live, r)
			opts.After = r.name
		}
	}
	next := uint64(1)
	for _, r := range live {
		if r.first > next {
			return nil, nil, fmt.Errorf("%w: after number %d comes %q", errGap, next-1, r.name)
		}
		next = r.last + 1
	}
	return live, replaced, nil
}

// What is read at a time of each of several packs: together windowAll, a request's worth at least.
const (
	windowAll = 32 << 20
	windowMax = 4 << 20
	windowMin = 128 << 10
)

// reader returns a reader of one of n packs that are read at once.
func (m *Manager) reader(shelf string, r packRef, n int) *packReader {
	key := backend.Key{Shelf: shelf, Name: r.name}
	return &packReader{
		size:   r.size,
		window: min(max(int64(windowAll/n), windowMin), windowMax),
		fetch: func(ctx context.Context, off, n int64) ([]byte, error) {
			if off == 0 && n == r.size {
				body, info, err := m.backend.Get(ctx, key)
				if err != nil {
					return nil, err
				}
				defer body.Close()
				return readVerified(body, info)
			}
			body, _, err := backend.GetRange(ctx, m.backend, key, "", off, n)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			return readUpTo(body, n)
		},
	}
}

// readUpTo reads n bytes, or those that there are. A size that a list stated takes no memory before the bytes come.
func readUpTo(r io.Reader, n int64) ([]byte, error) {
	b := make([]byte, 0, min(n, windowMax)+1)
	for int64(len(b)) < n {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		got, err := r.Read(b[len(b):min(int64(cap(b)), n)])
		b = b[:len(b)+got]
		if err == io.EOF {
			break // known by the length
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}
