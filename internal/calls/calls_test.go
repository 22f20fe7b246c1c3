package calls_test

import (
	"context"
	"errors"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
)

func TestCounter(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := calls.New()
	if err := c.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	calling, stop, err := c.BeginContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan bool)
	go func() { closed <- c.Close() }()
	<-c.Closing()
	<-calling.Done()
	if cause := context.Cause(calling); !errors.Is(cause, backend.ErrClosed) {
		t.Errorf("the call's context ended by %v, want ErrClosed", cause)
	}
	if err := c.Begin(ctx); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("Begin of a closed counter = %v", err)
	}
	c.End()
	select {
	case <-closed:
		t.Error("Close did not wait for the second call")
	default:
	}
	stop()
	c.End()
	if first := <-closed; !first {
		t.Error("the first Close says that it is not")
	}
	if c.Close() {
		t.Error("the second Close says that it is the first")
	}
	cancel()
	if err := calls.New().Begin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Begin with a context that has ended = %v", err)
	}
	if _, _, err := calls.New().BeginContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("BeginContext with a context that has ended = %v", err)
	}
}

// A context that ends on its own does not end the call.
func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := calls.New()
	calling, stop, err := c.BeginContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-calling.Done()
	if cause := context.Cause(calling); !errors.Is(cause, context.Canceled) {
		t.Errorf("cause = %v", cause)
	}
	stop()
	c.End()
	if !c.Close() {
		t.Error("Close")
	}
}
