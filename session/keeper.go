package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/packname"
	"github.com/larder-store/larder/internal/sums"
)

// packKeeper gathers items in memory and stores them in packs, one object a flush.
//
// Only the holder of the session's lock stores packs, each under the next number and only if there is none. A process
// that lost the lock without knowing can store no more than the one pack that it was about to: where its
// number is taken, that fails; where it is not, the next holder finds it and goes on after it.
// It acknowledges nothing, since it looks at the lock after the pack was stored.
type packKeeper struct {
	s *Session

	mu    sync.Mutex        // guards buf, bytes, going and timer; never held while anything is stored
	buf   map[string]record // put since the last flush began
	bytes int               // what buf takes
	going map[string]record // being stored, or could not be
	timer *time.Timer       // flushes what is old; nil: nothing is in memory, or a flush is about to begin
	late  error             // of a flush by timer, returned by the next call
	over  bool              // the session is over

	storing sync.Mutex // guards the rest, and is held while a pack is stored
	frozen  *frozen    // the pack of going
	packs   []packRef  // that count
	lost    error      // sticks
}

// frozen is a pack that is tried as it is until it is stored: an attempt of unknown outcome may have
// stored it already.
type frozen struct {
	body   []byte
	digest [32]byte
	sum    uint32
}

func openPacks(ctx context.Context, s *Session) (*packKeeper, error) {
	live, replaced, err := s.m.packs(ctx, s.shelf)
	if err != nil {
		return nil, err
	}
	k := &packKeeper{s: s, buf: map[string]record{}, packs: live}
	k.discard(ctx, replaced)
	return k, nil
}

func (k *packKeeper) put(ctx context.Context, key string, v *value) error {
	body, err := v.bytes()
	if err != nil {
		return err
	}
	return k.add(ctx, record{key: key, codec: v.codec, body: body})
}

func (k *packKeeper) delete(ctx context.Context, key string) error {
	return k.add(ctx, record{key: key, deleted: true})
}

// add takes a record. One that would not fit makes room first, so that what cannot be stored is never more than
// the session's FlushSize, and a flush's worth that is being stored.
func (k *packKeeper) add(ctx context.Context, r record) error {
	for {
		taken, err := k.tryAdd(r)
		if err != nil {
			return err
		}
		if taken {
			break
		}
		if err := k.flush(ctx); err != nil {
			return fmt.Errorf("not taken, since what was put before could not be stored: %w", err)
		}
	}
	if k.s.opts.Sync {
		return k.flush(ctx)
	}
	return k.earlier()
}

func (k *packKeeper) tryAdd(r record) (taken bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return false, ErrClosed
	}
	if k.bytes > 0 && k.bytes+r.size() > k.s.opts.FlushSize {
		return false, nil
	}
	if old, ok := k.buf[r.key]; ok {
		k.bytes -= old.size()
	}
	k.buf[r.key] = r
	k.bytes += r.size()
	k.s.touched()
	k.arm()
	return true, nil
}

// arm sees to it that what is in memory is flushed in time. The caller holds mu.
func (k *packKeeper) arm() {
	if k.timer == nil && !k.over {
		k.timer = time.AfterFunc(k.s.opts.FlushAge, k.flushLate)
	}
}

// touched remembers when something was written.
func (s *Session) touched() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote = s.m.now()
}

// flushLate stores what has waited long enough. A failure is returned by the next call, and tried again later.
func (k *packKeeper) flushLate() {
	k.mu.Lock()
	k.timer = nil // it fired
	k.mu.Unlock()
	err := k.flush(context.Background())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.late = err
}

// earlier returns, once, what a flush by timer met.
func (k *packKeeper) earlier() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.late
	k.late = nil
	if err != nil {
		err = fmt.Errorf("taken, but what was put before is not stored yet: %w", err)
	}
	return err
}

// flush stores all that was put before it was called. What could not be stored is tried again by time.
func (k *packKeeper) flush(ctx context.Context) error {
	k.storing.Lock()
	defer k.storing.Unlock()
	if k.lost != nil {
		return k.lost
	}
	k.mu.Lock()
	over := k.over
	k.mu.Unlock()
	if over {
		return ErrClosed
	}
	for again := k.frozen != nil; ; again = false {
		if k.frozen == nil && !k.freeze() {
			break
		}
		if err := k.store(ctx); err != nil {
			if errors.Is(err, ErrLost) && k.s.hold.lost() {
				k.lost = err
				return err
			}
			k.mu.Lock()
			k.arm()
			k.mu.Unlock()
			return err
		}
		k.mu.Lock()
		k.going = nil
		k.mu.Unlock()
		k.frozen = nil
		if !again {
			break
		}
	}
	k.compact(ctx, false)
	return k.s.hold.held()
}

// freeze makes a pack of what was put. It reports whether there is anything.
func (k *packKeeper) freeze() bool {
	k.mu.Lock()
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	k.going, k.buf, k.bytes, k.late = k.buf, map[string]record{}, 0, nil
	records := slices.SortedFunc(maps.Values(k.going), byKey)
	k.mu.Unlock()
	if len(records) == 0 {
		return false
	}
	f := &frozen{body: packOf(records)}
	f.digest, f.sum = sums.Of(f.body)
	k.frozen = f
	return true
}

// store puts the frozen pack under the next number that is free.
func (k *packKeeper) store(ctx context.Context) error {
	f := k.frozen
	for {
		n := uint64(1)
		if len(k.packs) > 0 {
			n = k.packs[len(k.packs)-1].last + 1
		}
		if n > packname.Max {
			return fmt.Errorf("%w: the session has %d packs", backend.ErrTooLarge, n-1)
		}
		if err := k.s.hold.held(); err != nil {
			return err
		}
		ref := packRef{packname.Of(n, n), n, n, int64(len(f.body))}
		err := k.s.putPack(ctx, ref, bytes.NewReader(f.body), f.digest, f.sum)
		if errors.Is(err, backend.ErrExists) {
			// Our own, of an attempt whose outcome was unknown; or one of a holder before us, that came late.
			var info backend.Info
			info, err = k.s.m.backend.Stat(ctx, backend.Key{Shelf: k.s.shelf, Name: ref.name})
			if err == nil && info.Digest != f.digest {
				ref.size = info.Size
				k.packs = append(k.packs, ref)
				continue
			}
		}
		if err != nil {
			return err
		}
		if err := k.s.hold.held(); err != nil {
			return err // if nobody took over, the next attempt finds its own
		}
		k.packs = append(k.packs, ref)
		return nil
	}
}

// abandon forgets what is not stored.
func (k *packKeeper) abandon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	k.buf, k.bytes, k.going, k.over = map[string]record{}, 0, nil, true
}

// finish merges the packs of a session that is complete.
func (k *packKeeper) finish(ctx context.Context) error {
	k.storing.Lock()
	defer k.storing.Unlock()
	k.compact(ctx, true)
	return k.s.hold.held()
}

// unstored returns, sorted, what is in memory alone.
func (k *packKeeper) unstored() [][]record {
	k.mu.Lock()
	defer k.mu.Unlock()
	var above [][]record
	for _, records := range []map[string]record{k.going, k.buf} {
		if len(records) > 0 {
			above = append(above, slices.SortedFunc(maps.Values(records), byKey))
		}
	}
	return above
}

func (k *packKeeper) get(ctx context.Context, key string) (record, error) {
	k.mu.Lock()
	r, ok := k.buf[key]
	if !ok {
		r, ok = k.going[key]
	}
	k.mu.Unlock()
	if !ok {
		for found, err := range k.s.m.scan(ctx, k.s.shelf, query{match: Prefix(key), exact: true}) {
			return found, err
		}
	}
	if !ok || r.deleted {
		return record{}, backend.ErrNotFound
	}
	r.body = bytes.Clone(r.body) // decoding takes it over
	return r, nil
}

// items merges what is stored with what is not. What is stored meanwhile may be in both.
func (k *packKeeper) items(ctx context.Context, q query) source {
	return func(yield func(record, error) bool) {
		k.s.m.scan(ctx, k.s.shelf, q, k.unstored()...)(yield)
	}
}
