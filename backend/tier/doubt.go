package tier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
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
// preceded by one that was killed, or is stopped, and does not know by which request. It puts everything that waits in doubt. The entry holds a
// nonce, so that a sender that went on after it was taken for dead does not remove its successor's.
const (
	doubtShelf = backend.OwnShelves + "tier.doubt" // its names are those of the own values
	atWork     = "sending"                         // and this one, which contains no slash as they do
	metaSince  = "since"                           // nanoseconds since 1970
	metaSent   = "sent"                            // the near Version of the own value that was sent since
)

// landed is how old a doubt is when it is over. It is a variable for tests.
var landed = settled

// doubt is what is known of a key in doubt.
type doubt struct {
	since time.Time
	sent  string // the near Version of the own value that was sent since; empty for none
}

// fresh reports whether a request may still land. A clock that was set back ends doubts.
func (d doubt) fresh() bool { return time.Since(d.since).Abs() < landed }

// covers reports whether an own value was sent, and stays because of the doubt.
func (d doubt) covers(near backend.Info) bool {
	return d.fresh() && d.sent != "" && d.sent == near.Version
}

// doubts are those that a pass begins with, by the names of the own values.
type doubts struct {
	of      map[string]doubt
	aged    []backend.Seen // the entries of those that are not fresh
	damaged bool           // some could not be read
}

func doubtKey(name string) backend.Key { return backend.Key{Shelf: doubtShelf, Name: name} }

// begin says that a sender is at work, and returns what is in doubt.
func (s *sender) begin(ctx context.Context) (doubts, error) {
	err := s.note(ctx, backend.PutOptions{IfAbsent: true})
	killed := errors.Is(err, backend.ErrExists)
	if killed {
		err = s.note(ctx, backend.PutOptions{})
	}
	if err != nil {
		return doubts{}, err
	}
	d, err := s.b.doubts(ctx)
	if err == nil && d.damaged {
		err = s.mendDoubts(ctx, d)
	}
	if err == nil && killed {
		err = s.doubtAll(ctx, d)
	}
	return d, err
}

// note puts the entry that says that this sender is at work.
func (s *sender) note(ctx context.Context, opts backend.PutOptions) error {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	info, err := backend.PutBytes(ctx, s.b.near, doubtKey(atWork), []byte(rand.Text()), opts)
	if err == nil {
		s.mine = info.Version
	}
	return err
}

// beat renews that entry, for those who wait: a sender that is stopped does not.
func (s *sender) beat(ctx context.Context) {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	if s.mine == "" {
		return
	}
	ctx = context.WithoutCancel(ctx) // what was put has to be known
	info, err := backend.PutBytes(ctx, s.b.near, doubtKey(atWork), []byte(rand.Text()), backend.PutOptions{IfMatch: s.mine})
	if err == nil {
		s.mine = info.Version
	}
}

// silence is for how long a sender that is at work may renew nothing, before it is taken for stopped. It is a variable for tests.
var silence = leaseTTL

// stopped returns an error if the other process that sends, by why, shows no sign of life.
func (s *sender) stopped(ctx context.Context, why error) error {
	near, err := s.b.near.Stat(ctx, doubtKey(atWork))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || near.Version != s.theirs {
		s.theirs, s.theirsAt = near.Version, time.Now()
		return nil
	}
	if silent := time.Since(s.theirsAt); silent > silence {
		return fmt.Errorf("%w: %v, which shows no sign of life for %v; is it stopped?", backend.ErrUnavailable, why, silent.Round(time.Second))
	}
	return nil
}

// doubts reads what is in doubt.
func (b *Backend) doubts(ctx context.Context) (doubts, error) {
	d := doubts{of: map[string]doubt{}}
	for near, err := range b.near.List(ctx, doubtShelf, backend.ListOptions{}) {
		if err == nil && near.Meta == nil && near.Key.Name != atWork { // lists may leave it out
			near, err = b.near.Stat(ctx, near.Key)
		}
		switch {
		case errors.Is(err, backend.ErrCorrupt):
			d.damaged = true
			continue
		case errors.Is(err, backend.ErrNotFound):
			continue // it is over
		case err != nil:
			return d, err
		case near.Key.Name == atWork:
			continue
		}
		nanos, _ := strconv.ParseInt(near.Meta[metaSince], 10, 64)
		one := doubt{time.Unix(0, nanos), near.Meta[metaSent]}
		d.of[near.Key.Name] = one
		if !one.fresh() {
			d.aged = append(d.aged, backend.Seen{Key: near.Key, Version: near.Version})
		}
	}
	return d, nil
}

// mendDoubts puts in doubt, from now on, whatever waits and has an entry that cannot be read: a list may not name it.
func (s *sender) mendDoubts(ctx context.Context, d doubts) error {
	damaged := map[string]doubt{}
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) {
			break // the others were listed
		}
		if err != nil {
			return err
		}
		if _, ok := d.of[near.Key.Name]; ok {
			continue
		}
		if _, err := s.b.near.Stat(ctx, doubtKey(near.Key.Name)); errors.Is(err, backend.ErrCorrupt) {
			damaged[near.Key.Name] = doubt{since: time.Now()}
		}
	}
	maps.Copy(d.of, damaged)
	return s.putDoubts(ctx, damaged)
}

// end says that the sender is no longer at work, and which aged doubts are over: all if it did all it had to, else those of what it sent.
func (s *sender) end(ctx context.Context, d doubts, all bool) error {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	over := []backend.Seen{{Key: doubtKey(atWork), Version: s.mine}}
	s.mine = ""
	s.mu.Lock()
	for _, aged := range d.aged {
		if all || s.done[aged.Key.Name] {
			over = append(over, aged)
		}
	}
	s.mu.Unlock()
	err := backend.DeleteMatch(ctx, s.b.near, over)
	for i := range over {
		if one := backend.ItemError(err, i); one != nil && !errors.Is(one, backend.ErrChanged) {
			return one
		}
	}
	return nil
}

// putDoubts notes doubts of own values, by their names.
func (s *sender) putDoubts(ctx context.Context, of map[string]doubt) error {
	digest, sum := sums.Of(nil)
	var items []backend.Item
	for name, d := range of {
		meta := backend.Meta{metaSince: strconv.FormatInt(d.since.UnixNano(), 10)}
		if d.sent != "" {
			meta[metaSent] = d.sent
		}
		items = append(items, backend.Item{Key: doubtKey(name), Body: strings.NewReader(""), PutOptions: backend.PutOptions{Digest: digest, Sum: sum, Meta: meta}})
	}
	_, err := backend.PutBatch(ctx, s.b.near, items)
	return err
}

// doubtAll puts everything that waits in doubt, from now on. Of what was sent in a doubt the sender that was killed had no request under way: it
// was not sent again, or noted first. So a sender that is killed in each pass gets on, too.
func (s *sender) doubtAll(ctx context.Context, d doubts) error {
	const atOnce = 1000
	all := map[string]doubt{}
	note := func() error {
		maps.Copy(d.of, all)
		err := s.putDoubts(ctx, all)
		clear(all)
		return err
	}
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) {
			break // the others were listed
		}
		if err != nil {
			return err
		}
		if one := d.of[near.Key.Name]; one.sent != "" && one.sent == near.Version {
			continue
		}
		if all[near.Key.Name] = (doubt{since: time.Now()}); len(all) == atOnce {
			if err := note(); err != nil {
				return err
			}
		}
	}
	return note()
}

// again notes that what was sent in a doubt is about to be sent once more.
func (s *sender) again(ctx context.Context, d doubt, near backend.Info) error {
	if d.sent == "" || d.sent != near.Version {
		return nil
	}
	return s.setDoubt(ctx, near.Key.Name, doubt{since: time.Now()})
}

// hasLanded reports whether the far store has a value as it is here, and describes it there.
func (s *sender) hasLanded(ctx context.Context, info backend.Info) (far backend.Info, same bool, err error) {
	far, err = s.b.far.Stat(ctx, info.Key)
	if errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrCorrupt) {
		return far, false, nil
	}
	return far, far.Size == info.Size && far.Digest == info.Digest && maps.Equal(far.Meta, info.Meta), err
}
