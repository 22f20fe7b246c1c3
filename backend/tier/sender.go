package tier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/spool"
)

// A sender sends own values to the far store, one process at a time for each near store.
type sender struct {
	b      *Backend
	woken  chan struct{}
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex // guards the rest
	queued int64      // bytes that wait, as last counted, and what was put since
	moved  chan struct{}
	last   error // of the last pass

	stuck atomic.Int64 // values that cannot be sent, as of the last pass
}

const (
	lease    = "tier-sender"
	leaseTTL = time.Minute

	firstRest = 100 * time.Millisecond
	lastRest  = 30 * time.Second
	idleRest  = 10 * time.Second // another process may have left something
)

func newSender(b *Backend) *sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sender{b: b, woken: make(chan struct{}, 1), cancel: cancel, ended: make(chan struct{}), moved: make(chan struct{})}
	go s.run(ctx)
	return s
}

// wake makes the sender look for what waits.
func (s *sender) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *sender) run(ctx context.Context) {
	defer close(s.ended)
	rest := idleRest
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.woken:
			if s.failing() { // it is tried again in its own time
				continue
			}
		}
		switch err := s.pass(ctx); {
		case err == nil, errors.Is(err, backend.ErrLocked):
			rest = idleRest
		case rest >= idleRest && !s.failing():
			rest = firstRest
		default:
			rest = min(2*rest, lastRest)
		}
		timer.Reset(rest/2 + rand.N(rest))
	}
}

func (s *sender) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil
}

// close sends what waits, as long as the far store takes it and the time of [Options.Drain] lasts.
func (s *sender) close() {
	s.cancel()
	<-s.ended
	if s.b.opts.Drain < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.b.opts.Drain)
	defer cancel()
	_ = s.pass(ctx) // what is left waits for the next handle
}

// pass sends what waits, and counts what is left. It is ErrLocked where another process sends.
func (s *sender) pass(ctx context.Context) error {
	err := s.exclusively(ctx, s.sendAll)
	queued := int64(0)
	for near, lerr := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if lerr != nil {
			err = errors.Join(err, lerr)
			break
		}
		queued += near.Size
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queued = queued; !errors.Is(err, backend.ErrLocked) {
		s.last = err
	}
	close(s.moved)
	s.moved = make(chan struct{})
	return err
}

// exclusively runs f as the only sender of the near store.
func (s *sender) exclusively(ctx context.Context, f func(ctx context.Context) error) error {
	leaser, ok := backend.As[backend.Leaser](s.b.near)
	if !ok {
		return f(ctx)
	}
	held, err := leaser.Acquire(ctx, lease, leaseTTL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(leaseTTL / 4)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if held.Renew(ctx) != nil {
					cancel()
				}
			}
		}
	}()
	err = f(ctx)
	cancel()
	<-renewed
	return errors.Join(err, held.Release(context.WithoutCancel(ctx)))
}

// sendAll sends everything that waits: results after all else, so that what they are is known where they are. A value that cannot be
// sent, ever, does not keep the others.
func (s *sender) sendAll(ctx context.Context) error {
	// Results are listed before all else is sent: of one that is put meanwhile the description may not be among that.
	prefix := ownPrefix(backend.ShelfCache)
	var results []backend.Key
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{Prefix: prefix}) {
		if err != nil {
			return err
		}
		results = append(results, near.Key)
	}
	stuck := int64(0)
	var first error
	// send sends one, and returns the error that ends the pass.
	send := func(at backend.Key) error {
		err := s.send(ctx, at)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, backend.ErrUnavailable):
			s.b.absences.Add(1)
			return err
		default:
			stuck++
			if first == nil {
				first = err
			}
		}
		return nil
	}
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(near.Key.Name, prefix) {
			continue
		}
		if err := send(near.Key); err != nil {
			return err
		}
	}
	for _, at := range results {
		if err := send(at); err != nil {
			return err
		}
	}
	s.stuck.Store(stuck)
	return first
}

// send sends one own value, lays its copy and removes it, unless a newer one has taken its place.
func (s *sender) send(ctx context.Context, at backend.Key) error {
	body, info, near, err := s.b.openOwn(ctx, at)
	if errors.Is(err, errNotOwn) {
		return nil
	}
	if isGrave(near) {
		key := backend.Key{Shelf: near.Meta[metaShelf], Name: near.Meta[metaName]}
		if err := s.b.far.Delete(ctx, key); err != nil {
			return err
		}
		if _, err := s.b.lay(ctx, key); err != nil {
			return err
		}
		return s.remove(ctx, near)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	whole, err := backend.Verify(body, info)
	if err != nil {
		return err
	}
	held, err := spool.Read(whole, "")
	if err != nil {
		return err
	}
	defer held.Close()
	far, err := s.b.far.Put(ctx, info.Key, held.Body, backend.PutOptions{Size: info.Size, Digest: info.Digest, Sum: info.Sum, Meta: info.Meta})
	if err != nil {
		return err
	}
	mark, err := s.b.mark(ctx, info.Key)
	if err != nil {
		return err
	}
	if err := s.b.seal(ctx, far, held.Body, mark); err != nil {
		return err
	}
	return s.remove(ctx, near)
}

func (s *sender) remove(ctx context.Context, near backend.Info) error {
	err := backend.DeleteMatch(ctx, s.b.near, []backend.Seen{{Key: near.Key, Version: near.Version}})
	if err = backend.ItemError(err, 0); errors.Is(err, backend.ErrChanged) {
		return nil // it is sent by the next pass
	}
	return err
}

// room waits until a value of so many bytes can wait, and counts it.
func (s *sender) room(ctx context.Context, size int64) error {
	for {
		s.mu.Lock()
		if s.queued+size <= s.b.opts.Queue || s.queued == 0 {
			s.queued += size
			s.mu.Unlock()
			return nil
		}
		moved, last, queued := s.moved, s.last, s.queued
		s.mu.Unlock()
		if last != nil {
			return fmt.Errorf("%w: %d bytes wait for the far store, queue= allows %d, and it takes none: %v", backend.ErrUnavailable, queued, s.b.opts.Queue, last)
		}
		s.wake()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.b.calls.Closing():
			return backend.ErrClosed
		}
	}
}

// Flush sends what waits, and returns when the far store has all that was put before, or with the error that keeps it. In other modes
// than Back there is nothing to send.
func (b *Backend) Flush(ctx context.Context) error {
	if b.sender == nil {
		return nil
	}
	if err := b.calls.Begin(ctx); err != nil {
		return wrap("flush", backend.Key{}, err)
	}
	defer b.calls.End()
	for {
		err := b.sender.pass(ctx)
		if !errors.Is(err, backend.ErrLocked) {
			return wrap("flush", backend.Key{}, err)
		}
		select { // another sends: what it does not see is sent here
		case <-time.After(firstRest):
		case <-ctx.Done():
			return wrap("flush", backend.Key{}, ctx.Err())
		case <-b.calls.Closing():
			return wrap("flush", backend.Key{}, backend.ErrClosed)
		}
	}
}
