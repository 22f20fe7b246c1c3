// Package calls counts the calls in progress on a handle, so that its Close can wait for them.
package calls

import (
	"context"
	"sync"

	"github.com/larder-store/larder/backend"
)

// A Counter counts calls until it is closed. Its methods are safe for concurrent use.
type Counter struct {
	mu      sync.RWMutex // held shared while a call begins, so that Close misses none
	closed  bool         // guarded by mu
	closing context.Context
	close   context.CancelCauseFunc
	going   sync.WaitGroup
}

// New returns a Counter of no calls.
func New() *Counter {
	c := &Counter{}
	c.closing, c.close = context.WithCancelCause(context.Background())
	return c
}

// Begin counts a call, which [Counter.End] ends. It fails with [backend.ErrClosed] after Close began, and with the
// error of ctx if that has ended.
func (c *Counter) Begin(ctx context.Context) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return backend.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.going.Add(1)
	return nil
}

// End ends a call that began.
func (c *Counter) End() { c.going.Done() }

// BeginContext is Begin of a call with a context that also ends when Close begins, with the cause
// [backend.ErrClosed]. The context is released by stop, which may come after [Counter.End]: what a call
// returned, such as a body, may need it for longer.
func (c *Counter) BeginContext(ctx context.Context) (calling context.Context, stop func(), err error) {
	if err := c.Begin(ctx); err != nil {
		return nil, nil, err
	}
	calling, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(c.closing, func() { cancel(backend.ErrClosed) })
	return calling, func() {
		unlink()
		cancel(nil)
	}, nil
}

// Closing is closed when Close begins.
func (c *Counter) Closing() <-chan struct{} { return c.closing.Done() }

// Close refuses calls from now on, and waits for those in progress. It reports whether it is the first Close.
func (c *Counter) Close() (first bool) {
	c.mu.Lock()
	first = !c.closed
	c.closed = true
	c.mu.Unlock()
	c.close(backend.ErrClosed)
	c.going.Wait()
	return first
}
