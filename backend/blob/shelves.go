package blob

import (
	"container/heap"
	"context"
	"iter"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// Shelves implements [backend.Backend]. It takes the bucket's word for what is a folder:
// one that holds nothing but strangers' objects, and could be a shelf, is yielded too.
func (b *Backend) Shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		fail := func(err error) { yield("", backend.Wrap("shelves", b.scheme, backend.Key{}, err)) }
		if err := opts.ValidateShelves(); err != nil {
			fail(err)
			return
		}
		if strings.HasPrefix(opts.Prefix, ".") { // as no shelf does; see beginsName
			return
		}
		n := 0
		for shelf, err := range b.shelves(ctx, opts) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				fail(err)
				return
			}
			if n++; !yield(shelf, nil) || n == opts.Limit {
				return
			}
		}
	}
}

// shelves yields the shelves with the prefix and after the position of opts, in byte order.
//
// A bucket yields folders in the order of their names with a slash: "a-b/" comes before "a/". So a
// shelf is held until no shelf can follow that goes before it.
func (b *Backend) shelves(ctx context.Context, opts backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		query := driver.ListOptions{Prefix: b.prefix + opts.Prefix, Folders: true}
		if opts.After != "" {
			query.After = b.prefix + opts.After // without a slash, or "a" would pass over "a-b"
		}
		var held held
		for o, err := range b.objects(ctx, query) {
			if err != nil {
				yield("", err)
				return
			}
			shelf, folder := strings.CutSuffix(strings.TrimPrefix(o.Name, b.prefix), "/")
			if !folder || shelf <= opts.After || backend.ValidateShelf(shelf) != nil {
				continue
			}
			heap.Push(&held, shelf)
			for len(held) > 0 && !mayFollow(shelf, held[0], opts) {
				if !yield(heap.Pop(&held).(string), nil) {
					return
				}
			}
		}
		for len(held) > 0 {
			if !yield(heap.Pop(&held).(string), nil) {
				return
			}
		}
	}
}

// mayFollow reports whether a folder behind that of seen may be a shelf that opts choose and that
// goes before shelf. Of a shelf that goes before another, and whose folder does not, the other's name
// is a continuation by one of the bytes below the slash. The shortest such folder is the last.
func mayFollow(seen, shelf string, opts backend.ListOptions) bool {
	for i := max(1, len(opts.Prefix)); i < len(shelf); i++ {
		if (shelf[i] == '-' || shelf[i] == '.') && shelf[:i] > opts.After {
			return shelf[:i]+"/" > seen+"/"
		}
	}
	return false
}

// held is a heap of names in byte order.
type held []string

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i] < h[j] }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *held) Push(x any)        { *h = append(*h, x.(string)) }

func (h *held) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
