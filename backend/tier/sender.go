package tier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/spool"
)

// A sender sends own values to the far store, one process at a time for each near store.
type sender struct {
	b       *Backend
	woken   chan struct{}
	closing chan struct{}
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex // guards the rest
	queued  int64      // bytes that wait, as last counted, and what is being put or was put since
	putting int64      // bytes of Puts that are under way
	begun   int64      // bytes of Puts that were under way when the last count began, or began since
	counted bool       // they were, once
	moved   chan struct{}
	last    error            // of the last pass; nil where another process sends
	late    map[string]int64 // own values that failed as if the far store were away, and are sent last: the first to fail first
	fails   int64            // how often one did
	known   map[string]doubt // what is in doubt, as the last pass knew it
	done    map[string]bool  // those of them that it sent, or found sent

	theirs   string    // the Version of the note of another process that sends
	theirsAt time.Time // when it was first seen

	noteMu sync.Mutex // guards mine, and orders its changes
	mine   string     // the Version of this sender's own note; empty while it is not at work

	stuck    atomic.Int64 // values that cannot be sent, as of the last pass
	stopping atomic.Bool  // nothing more is sent
}

const (
	sendLease = "tier-sender"
	leaseTTL  = time.Minute

	// objectTTL is that of a lease that does not end with its holder. What the holder of one that ended still sends is in doubt, so it may be short.
	objectTTL = 20 * time.Second

	// mostLate bounds the names that a sender keeps while the far store is away: each pass fails with another one.
	mostLate = 1000

	// lastRequest is how long Close waits for a request that is under way, where nothing more is sent.
	lastRequest = 5 * time.Second

	firstRest = 100 * time.Millisecond
	lastRest  = 30 * time.Second
	idleRest  = 10 * time.Second // another process may have left something
)

// renewal is the time between two signs of life of a sender. It is a variable for tests.
var renewal = 5 * time.Second

func newSender(b *Backend) *sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sender{
		b: b, woken: make(chan struct{}, 1), closing: make(chan struct{}), cancel: cancel, ended: make(chan struct{}),
		moved: make(chan struct{}), late: map[string]int64{},
	}
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

// errStopping ends a pass: nothing more is sent.
var errStopping = errors.New("the handle is being closed")

// errAnother says that another handle sends.
var errAnother = errors.New("another process sends to the far store")

func (s *sender) run(ctx context.Context) {
	defer close(s.ended)
	rest := idleRest
	var asked time.Time // when another process was last found to send
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.closing:
			if s.stopping.Load() {
				return
			}
			_ = s.pass(ctx) // what is left waits for the next handle
			return
		case <-timer.C:
		case <-s.woken:
			if s.failing() { // it is tried again in its own time
				continue
			}
			if soon := firstRest - time.Since(asked); soon > 0 {
				timer.Reset(soon)
				continue
			}
		}
		err := s.pass(ctx)
		if errors.Is(err, errAnother) {
			asked = time.Now()
			_ = s.count(ctx) // what it sends makes room here
		}
		switch {
		case err == nil, errors.Is(err, errAnother):
			rest = idleRest
		case rest == idleRest: // the first failure: the rests after others are no such number
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

// close sends what waits, as long as the far store takes it and the time of [Options.Drain] lasts. A request that is under way is
// not given up at once: its key would be in doubt.
func (s *sender) close() {
	defer s.cancel()
	drain := s.b.opts.Drain
	if s.stopping.Store(drain < 0); drain < 0 {
		drain = lastRequest
	}
	defer time.AfterFunc(drain, s.cancel).Stop()
	close(s.closing)
	<-s.ended
}

// pass sends what waits, and counts what is left. It is errAnother, and counts nothing, where another process sends, unless that seems to be
// stopped.
func (s *sender) pass(ctx context.Context) error {
	err := s.exclusively(ctx, s.sendAll)
	var last error
	if another := errors.Is(err, errAnother); !another {
		err = errors.Join(err, s.count(ctx))
		last = err
	} else if last = s.stopped(ctx, err); last != nil {
		err = last
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = last
	s.move()
	return err
}

// move tells who waits for room to look again. The caller holds mu.
func (s *sender) move() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// count counts the bytes that wait.
func (s *sender) count(ctx context.Context) error {
	s.mu.Lock()
	s.begun = s.putting // whether the list has them is not known
	s.mu.Unlock()
	queued := int64(0)
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) {
			break // the pass says so
		}
		if err != nil {
			return err
		}
		if !s.wasSent(near) {
			queued += near.Size
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued, s.counted = queued+s.begun, true
	s.move()
	return nil
}

// exclusively runs f as the only sender of the near store.
func (s *sender) exclusively(ctx context.Context, f func(ctx context.Context) error) error {
	held, err := s.b.acquire(ctx, sendLease)
	if errors.Is(err, backend.ErrLocked) {
		return fmt.Errorf("%w: %v", errAnother, err)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		tick := time.NewTicker(renewal)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if held.Renew(ctx) != nil {
					cancel()
					continue
				}
				s.beat(ctx)
			}
		}
	}()
	err = f(ctx)
	cancel()
	<-renewed
	return errors.Join(err, held.Release(context.WithoutCancel(ctx)))
}

// sendAll sends everything that waits.
func (s *sender) sendAll(ctx context.Context) error {
	if idle, err := s.idle(ctx); idle || err != nil {
		return err
	}
	d, err := s.begin(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.known, s.done = d.of, map[string]bool{}
	s.mu.Unlock()
	all, err := s.sendIn(ctx)
	if ctx.Err() != nil || errors.Is(err, errUnnoted) {
		return err // what was under way is in doubt, and the next sender finds that this one did not end its work
	}
	return errors.Join(err, s.end(ctx, d, all))
}

// idle reports whether nothing waits and nothing is in doubt.
func (s *sender) idle(ctx context.Context) (bool, error) {
	for _, shelf := range []string{ownShelf, doubtShelf} {
		for _, err := range s.b.near.List(ctx, shelf, backend.ListOptions{Limit: 1}) {
			return false, err
		}
	}
	return true, nil
}

// sendIn sends what waits: results after all else, so that what they are is known where they are. A value that cannot be sent, ever, does
// not keep the others; nor does one that always fails as if the far store were away: it comes last in the passes that follow, and a first one
// does not even end the pass. Those take turns, so that one that goes through does not wait behind another. It reports whether it came to the end.
func (s *sender) sendIn(ctx context.Context) (all bool, err error) {
	// Results are listed before all else is sent: of one that is put meanwhile the description may not be among that.
	prefix := ownPrefix(backend.ShelfCache)
	stuck := int64(0)
	var first, away error
	var results, late []backend.Info
	order := s.lateOrder()
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{Prefix: prefix}) {
		if errors.Is(err, backend.ErrCorrupt) {
			break // it is told below
		}
		if err != nil {
			return false, err
		}
		near = backend.Info{Key: near.Key, Version: near.Version}
		if order[near.Key.Name] > 0 {
			late = append(late, near)
		} else {
			results = append(results, near)
		}
	}
	// send sends one, and returns the error that ends the pass.
	send := func(near backend.Info) error {
		if s.stopping.Load() {
			return errStopping
		}
		key, err := s.send(ctx, near)
		cause := err
		err = wrap("flush", key, err)
		switch {
		case err == nil:
			s.inTime(near.Key.Name)
		case ctx.Err() != nil:
			return err
		case backend.Retryable(err):
			s.b.absences.Add(1)
			s.putOff(near.Key.Name)
			if failed := s.doubtLost(ctx, cause); failed != nil {
				return fmt.Errorf("%w (%w: %w)", err, errUnnoted, failed)
			}
			if away != nil || s.failing() {
				return err
			}
			away = err
		default:
			stuck, first = stuck+1, cmp.Or(first, err)
		}
		return nil
	}
	for near, err := range s.b.near.List(ctx, ownShelf, backend.ListOptions{}) {
		if errors.Is(err, backend.ErrCorrupt) { // the others were listed
			stuck, first = stuck+1, cmp.Or(first, err)
			break
		}
		if err != nil {
			return false, err
		}
		if strings.HasPrefix(near.Key.Name, prefix) {
			continue
		}
		if order[near.Key.Name] > 0 {
			late = append(late, backend.Info{Key: near.Key, Version: near.Version})
			continue
		}
		if err := send(near); err != nil {
			return false, err
		}
	}
	slices.SortFunc(late, func(x, y backend.Info) int { return cmp.Compare(order[x.Key.Name], order[y.Key.Name]) })
	for _, near := range slices.Concat(results, late) {
		if err := send(near); err != nil {
			return false, err
		}
	}
	s.stuck.Store(stuck)
	if away == nil {
		s.allInTime()
	}
	return away == nil, cmp.Or(away, first)
}

// send sends one own value, lays its copy and removes it, unless a newer one has taken its place. What is in doubt stays. It returns the key
// that an error is about.
func (s *sender) send(ctx context.Context, listed backend.Info) (backend.Key, error) {
	if s.wasSent(listed) {
		return listed.Key, nil
	}
	name := listed.Key.Name
	d, doubtful := s.doubtOf(name)
	fresh := d.fresh() // before it is compared: what lands meanwhile is seen another time
	body, info, near, err := s.b.openOwn(ctx, listed.Key)
	key := backend.Key{Shelf: near.Meta[metaShelf], Name: near.Meta[metaName]}
	if key.Validate() != nil {
		key = listed.Key
	}
	switch {
	case errors.Is(err, errNotOwn):
		return key, nil
	case isGrave(near):
		err = s.bury(ctx, near, d)
	case err == nil:
		err = s.sendBody(ctx, body, info, near, d, doubtful)
	}
	switch {
	case err != nil:
		return key, err
	case fresh:
		return key, s.setDoubt(ctx, name, doubt{d.since, near.Version})
	}
	return key, s.remove(ctx, near)
}

// bury deletes far what was deleted here.
func (s *sender) bury(ctx context.Context, near backend.Info, d doubt) error {
	key := backend.Key{Shelf: near.Meta[metaShelf], Name: near.Meta[metaName]}
	if err := s.again(ctx, d, near); err != nil {
		return err
	}
	if err := s.b.far.Delete(ctx, key); err != nil {
		return lost(near.Key.Name, err)
	}
	_, err := s.b.lay(ctx, key)
	return err
}

// sendBody sends a value, unless it was in doubt and is there, and lays its copy.
func (s *sender) sendBody(ctx context.Context, body io.ReadCloser, info, near backend.Info, d doubt, doubtful bool) error {
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
	var far backend.Info
	same := false
	if doubtful {
		if far, same, err = s.hasLanded(ctx, info); err != nil {
			return err
		}
	}
	if !same {
		if err := s.again(ctx, d, near); err != nil {
			return err
		}
		far, err = s.b.far.Put(ctx, info.Key, held.Body, backend.PutOptions{Size: info.Size, Digest: info.Digest, Sum: info.Sum, Meta: info.Meta})
		if err != nil {
			return lost(near.Key.Name, err)
		}
	}
	mark, err := s.b.mark(ctx, info.Key)
	if err != nil {
		return err
	}
	return s.b.seal(ctx, far, held.Body, mark)
}

// lostError says that the answer to a write of the far store was lost, perhaps.
type lostError struct {
	name string // of the own value
	error
}

func (e *lostError) Unwrap() error { return e.error }

func lost(name string, err error) error {
	if errors.Is(err, backend.ErrUnavailable) {
		return &lostError{name, err}
	}
	return err
}

// errUnnoted says that a key is in doubt that the near store did not note: the next pass finds that this one did not end its work.
var errUnnoted = errors.New("the near store cannot note that it is in doubt")

// doubtLost puts a key in doubt if err says that an answer about it was lost.
func (s *sender) doubtLost(ctx context.Context, err error) error {
	var lost *lostError
	if !errors.As(err, &lost) {
		return nil
	}
	return s.setDoubt(ctx, lost.name, doubt{since: time.Now()})
}

// lateOrder returns the own values to send last, with numbers in the order in which to send them.
func (s *sender) lateOrder() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.late)
}

// putOff has an own value sent after the others from now on, also after those that were put off before.
func (s *sender) putOff(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late[name] == 0 && len(s.late) >= mostLate {
		clear(s.late)
	}
	s.fails++
	s.late[name] = s.fails
}

// inTime says that an own value did not fail.
func (s *sender) inTime(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.late, name)
	if _, ok := s.known[name]; ok {
		s.done[name] = true
	}
}

// allInTime says that none failed as if the far store were away.
func (s *sender) allInTime() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.late)
}

// wasSent reports whether an own value is in doubt, and was sent all the same.
func (s *sender) wasSent(near backend.Info) bool {
	d, _ := s.doubtOf(near.Key.Name)
	return d.covers(near)
}

func (s *sender) doubtOf(name string) (doubt, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.known[name]
	return d, ok
}

func (s *sender) setDoubt(ctx context.Context, name string, d doubt) error {
	s.mu.Lock()
	s.known[name] = d
	s.mu.Unlock()
	return s.putDoubts(ctx, map[string]doubt{name: d})
}

func (s *sender) remove(ctx context.Context, near backend.Info) error {
	err := backend.DeleteMatch(ctx, s.b.near, []backend.Seen{{Key: near.Key, Version: near.Version}})
	if err = backend.ItemError(err, 0); errors.Is(err, backend.ErrChanged) {
		return nil // it is sent by the next pass
	}
	return err
}

// room waits until a value of so many bytes can wait, and counts it; took is called when it was put or not.
func (s *sender) room(ctx context.Context, size int64) error {
	s.mu.Lock()
	counted := s.counted
	s.mu.Unlock()
	if !counted { // the first pass may take long, where the far store is away
		if err := s.count(ctx); err != nil {
			return err
		}
	}
	for {
		s.mu.Lock()
		if s.queued+size <= s.b.opts.Queue || s.queued == 0 {
			s.queued, s.putting, s.begun = s.queued+size, s.putting+size, s.begun+size
			s.mu.Unlock()
			return nil
		}
		moved, last, queued, some := s.moved, s.last, s.queued, s.queued > s.putting
		s.mu.Unlock()
		if last != nil {
			return fmt.Errorf("%w: %d bytes wait for the far store, queue= allows %d, and not all is sent: %v", backend.ErrUnavailable, queued, s.b.opts.Queue, last)
		}
		if some { // else there is nothing to send until a Put has ended
			s.wake()
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.b.calls.Closing():
			return backend.ErrClosed
		}
	}
}

// took ends what room began.
func (s *sender) took(size int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putting -= size
	if err != nil {
		s.queued = max(s.queued-size, s.putting)
	}
	s.move()
	s.wake()
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
		if !errors.Is(err, errAnother) {
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
