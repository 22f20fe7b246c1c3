package larder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
)

// Memo returns an attribute of c from the store or, where it is absent, corrupt or
// older than [MaxAge] allows, from compute, whose result it stores.
//
// Of all callers that miss the same attribute, one computes and the others wait for
// it: in this process always, among processes and machines where the backend lets
// them know of each other (see [Options]). Every caller gets a value of its own, decoded
// from the stored form, so that a first result looks exactly like a later hit.
//
// compute runs in a goroutine of its own, under a context with the values of the first
// caller's, that is cancelled only when no caller waits any longer. It may
// call Memo for other results with that context; asking for its own result, however
// indirectly, is [ErrLoop]. A panic in compute reaches every caller; an error does too,
// and nothing is stored.
//
// A result that cannot be stored is returned all the same, and the failure is logged and counted. One that cannot be
// encoded cannot be copied either: of several callers each computes its own. A store that cannot be reached for the lookup is
// logged, and the result is computed. For a store of another generator ([ErrKeys]) or of a newer format nothing is computed.
func Memo[T any](ctx context.Context, s *Store, c Component, attribute string, compute func(ctx context.Context) (T, error), opts ...GetOption) (T, error) {
	var v, none T
	err := s.memo(ctx, c, attribute, &v, opts, func(ctx context.Context) (any, error) {
		return compute(ctx)
	})
	if err != nil {
		return none, err
	}
	return v, nil
}

// task is one call of Memo that missed.
type task struct {
	c       Component
	key     backend.Key
	miss    *Miss
	opts    []GetOption
	fresh   func() any // a pointer to a new T
	compute func(context.Context) (any, error)
}

func (s *Store) memo(ctx context.Context, c Component, attribute string, dst any, opts []GetOption, compute func(context.Context) (any, error)) error {
	key, err := s.placeOrGuess(ctx, c, attribute)
	if err != nil {
		return err
	}
	if reflect.TypeOf(dst).Elem().Implements(reflect.TypeFor[io.Reader]()) {
		return fmt.Errorf("memo %q: a stream can be read once, by one caller; store it by Put and read it by Reader", key)
	}
	for {
		landed := s.flights.count(key).Load()
		err := s.read(ctx, key, dst, opts)
		if err == nil {
			return nil
		}
		var miss *Miss
		switch {
		case errors.As(err, &miss):
		case backend.Retryable(err) && ctx.Err() == nil:
			s.log.Warn("larder: store cannot be asked; computing", "key", key.String(), "err", err)
			miss = &Miss{Key: key, Reason: ErrNotFound}
		case errors.Is(err, ErrNewer):
			miss = &Miss{Key: key, Reason: err}
		case errors.Is(err, codec.ErrType):
			return fmt.Errorf("memo %s, version %q, holds what it returned before: %w; give the component a new version when its result changes its type", c.Type(), c.Version(), err)
		default:
			return err
		}
		t := &task{c: c, key: key, miss: miss, opts: opts, compute: compute}
		t.fresh = func() any { return reflect.New(reflect.TypeOf(dst).Elem()).Interface() }
		f, err := s.flights.join(ctx, key, landed, func(ctx context.Context, f *flight) { s.fly(ctx, f, t) })
		if err != nil {
			return err
		}
		if f == nil {
			continue // another flight landed between our lookup and now
		}
		if err := s.flights.wait(ctx, f); err != nil {
			return err
		}
		err = s.deliver(ctx, f, dst, opts)
		if errors.Is(err, errTaken) {
			continue
		}
		if !errors.Is(err, errOutdated) {
			return err
		}
		if key, err = s.place(ctx, c, attribute); err != nil {
			return err
		}
	}
}

// outcome is what a flight has for its waiters: one of these.
type outcome struct {
	err      error
	panicked *panicError
	found    any      // a pointer to the value that another process stored, good for one waiter
	computed *encoded // from which each waiter decodes
	value    any      // computed, but not encodable, good for one waiter
	taken    bool     // value has gone to one

	mu *sync.Mutex // guards found, taken and the position of computed
}

// errTaken: another waiter got what cannot be copied, or read again. Each looks again then, and computes a value of its own.
var errTaken = errors.New("larder: the value went to another caller")

// panicError carries a panic of compute to the goroutines of its callers.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string {
	return fmt.Sprintf("larder: compute panicked: %v\n\n%s", p.value, p.stack)
}

// Unwrap lets errors.Is look into a recovered panic with an error.
func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// fly runs one flight to its landing, whatever compute does.
func (s *Store) fly(ctx context.Context, f *flight, t *task) {
	o := outcome{err: errors.New("larder: compute ended its goroutine (runtime.Goexit, t.FailNow)")}
	defer func() {
		if r := recover(); r != nil {
			o = outcome{panicked: &panicError{r, debug.Stack()}}
		}
		o.mu = new(sync.Mutex)
		s.flights.land(f, o)
	}()
	o = s.settle(ctx, t)
}

// settle makes a missing value: found after all, or computed and stored.
func (s *Store) settle(ctx context.Context, t *task) outcome {
	if _, err := s.checkRecord(ctx); err != nil {
		return outcome{err: err}
	}
	if errors.Is(s.checkKey(ctx, t.c, t.key), errOutdated) {
		return outcome{err: errOutdated}
	}
	l, waited, err := s.lease(ctx, t.key)
	if err != nil {
		return outcome{err: err}
	}
	if l != nil {
		defer s.keepLease(ctx, l, t.key)()
	}
	if waited || l != nil && l.Epoch() > 1 { // an earlier holder may have stored it since our lookup
		v := t.fresh()
		info, err := s.fetch(ctx, t.key, v, t.opts)
		if err == nil {
			s.counters.waited.Add(1)
			s.hit(info)
			return outcome{found: v}
		}
		if errors.Is(err, ErrNewer) {
			err = &Miss{Key: t.key, Reason: err}
		}
		errors.As(err, &t.miss)
	}

	start := time.Now()
	value, err := t.compute(ctx)
	if err != nil {
		return outcome{err: err}
	}
	s.counters.computed.Add(1)
	e, err := s.encode(ctx, value, false) // each waiter reads it again
	if err != nil {
		s.storeFailed(t.key, err)
		return outcome{value: value}
	}
	e.meta[metaCost] = strconv.FormatInt(time.Since(start).Milliseconds(), 10)
	return s.publish(context.WithoutCancel(ctx), t, e)
}

// publishTries bounds how often publish meets an entry that is corrupt, or gone, when it
// comes to look at it.
const publishTries = 3

// publish stores a computed value in the place of what was missing. The second to come
// takes what the first one stored, unless that is corrupt: then it is replaced.
func (s *Store) publish(ctx context.Context, t *task, e *encoded) outcome {
	if errors.Is(t.miss.Reason, ErrNewer) { // what is there may be right: it stays
		s.storeFailed(t.key, t.miss.Reason)
		return outcome{computed: e}
	}
	for range publishTries {
		_, err := s.put(ctx, t.c, t.key, e, s.replacing(ctx, t.miss))
		if err == nil {
			return outcome{computed: e}
		}
		if !errors.Is(err, ErrExists) && !errors.Is(err, backend.ErrChanged) {
			s.storeFailed(t.key, err)
			return outcome{computed: e}
		}
		v := t.fresh()
		if _, err = s.fetch(ctx, t.key, v, t.opts); err == nil {
			return outcome{found: v}
		}
		if !errors.As(err, &t.miss) {
			s.storeFailed(t.key, err)
			return outcome{computed: e}
		}
	}
	if _, err := s.put(ctx, t.c, t.key, e, condition{}); err != nil {
		s.storeFailed(t.key, err)
	}
	return outcome{computed: e}
}

func (s *Store) storeFailed(key backend.Key, err error) {
	s.counters.storeFailures.Add(1)
	s.log.Error("larder: result computed but not stored", "key", key.String(), "err", err)
}

// deliver gives one waiter its copy of the outcome.
func (s *Store) deliver(ctx context.Context, f *flight, dst any, opts []GetOption) error {
	o := &f.outcome
	switch {
	case o.panicked != nil:
		panic(o.panicked)
	case o.err != nil:
		return o.err
	case o.computed != nil:
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, err := o.computed.body.Seek(0, 0); err != nil {
			return err
		}
		if err := codec.Decode(o.computed.codec, o.computed.body, o.computed.size, dst); err != nil {
			return fmt.Errorf("decode %q: %w", f.key, err)
		}
		return nil
	case o.value != nil:
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.taken {
			return errTaken
		}
		o.taken = true
		return assign(dst, o.value)
	}
	o.mu.Lock()
	found := o.found
	o.found = nil
	o.mu.Unlock()
	if found != nil {
		return assign(dst, reflect.ValueOf(found).Elem().Interface())
	}
	if _, err := s.fetch(ctx, f.key, dst, opts); err != nil {
		return errTaken // gone meanwhile, say: the caller looks again, and computes where that helps
	}
	return nil
}

// assign sets what dst points to. Callers of one flight may want different types.
func assign(dst, value any) error {
	d, v := reflect.ValueOf(dst).Elem(), reflect.ValueOf(value)
	if !v.IsValid() {
		d.SetZero()
		return nil
	}
	if !v.Type().AssignableTo(d.Type()) {
		return fmt.Errorf("larder: another caller computes the same attribute as %v, not %v", v.Type(), d.Type())
	}
	d.Set(v)
	return nil
}
