package tier

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// A request whose answer was lost may land late: the network keeps it, or the far store is slow, and its sender gave up or was killed.
// If a newer value of the key was sent meanwhile, the late one replaces it. So the key of such a request is in doubt: what is sent for it
// stays an own value, which is read, until nothing can land any more. Then it is compared with what the far store has, and sent
// again where that is something else.
//
// Doubts are kept in the near store, for they outlive their process. While a sender is at work, one more entry says so: who finds it was
// preceded by one that was killed, and does not know by which request. It puts everything that waits in doubt.
const (
	doubtShelf = backend.OwnShelves + "tier.doubt" // its names are those of the own values
	atWork     = "sending"                         // and this one, which contains no slash as they do
)

// landed is how old a doubt is when it is over. It is a variable for tests.
var landed = settled

// doubts are those that a pass begins with.
type doubts struct {
	fresh map[string]bool // by the name of the own value
	aged  map[string]bool
	over  []backend.Seen // the entries of the aged ones
}

func doubtKey(name string) backend.Key { return backend.Key{Shelf: doubtShelf, Name: name} }

// begin says that a sender is at work, and returns what is in doubt.
func (s *sender) begin(ctx context.Context) (doubts, error) {
	_, err := backend.PutBytes(ctx, s.b.near, doubtKey(atWork), nil, backend.PutOptions{IfAbsent: true})
	if errors.Is(err, backend.ErrExists) {
		err = s.doubtAll(ctx)
	}
	d := doubts{fresh: map[string]bool{}, aged: map[string]bool{}}
	if err != nil {
		return d, err
	}
	for near, err := range s.b.near.List(ctx, doubtShelf, backend.ListOptions{}) {
		switch {
		case err != nil:
			return d, err
		case near.Key.Name == atWork:
		case time.Since(near.ModTime).Abs() < landed: // of a clock that was set back as well
			d.fresh[near.Key.Name] = true
		default:
			d.aged[near.Key.Name] = true
			d.over = append(d.over, backend.Seen{Key: near.Key, Version: near.Version})
		}
	}
	return d, nil
}

// end says that the sender is no longer at work, and that the aged doubts are over if it did all it had to.
func (s *sender) end(ctx context.Context, d doubts, all bool) error {
	if all && len(d.over) > 0 {
		err := backend.DeleteMatch(ctx, s.b.near, d.over)
		for i := range d.over {
			if one := backend.ItemError(err, i); one != nil && !errors.Is(one, backend.ErrChanged) {
				return one
			}
		}
	}
	return s.b.near.Delete(ctx, doubtKey(atWork))
}

// doubt puts keys in doubt, which are named by their own values, from now on.
func (s *sender) doubt(ctx context.Context, names ...string) error {
	digest, sum := sums.Of(nil)
	items := make([]backend.Item, len(names))
	for i, name := range names {
		items[i] = backend.Item{Key: doubtKey(name), Body: strings.NewReader(""), PutOptions: backend.PutOptions{Digest: digest, Sum: sum}}
	}
	_, err := backend.PutBatch(ctx, s.b.near, items)
	return err
}

// doubtAll puts everything that waits in doubt.
func (s *sender) doubtAll(ctx context.Context) error {
	const atOnce = 1000
	var names []string
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		if names = append(names, near.Key.Name); len(names) == atOnce {
			if err := s.doubt(ctx, names...); err != nil {
				return err
			}
			names = names[:0]
		}
	}
	return s.doubt(ctx, names...)
}

// doubts counts the keys that are in doubt.
func (b *Backend) doubts(ctx context.Context) (n int64, err error) {
	for near, err := range b.near.List(ctx, doubtShelf, backend.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		if near.Key.Name != atWork {
			n++
		}
	}
	return n, nil
}

// hasLanded reports whether the far store has a value as it is here, and describes it there.
func (s *sender) hasLanded(ctx context.Context, info backend.Info) (far backend.Info, same bool, err error) {
	far, err = s.b.far.Stat(ctx, info.Key)
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrCorrupt) {
		return far, false, nil
	}
	return far, far.Size == info.Size && far.Digest == info.Digest && maps.Equal(far.Meta, info.Meta), err
}
