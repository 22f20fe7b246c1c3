package backend_test

import (
	"errors"
	"net/url"
	"testing"

	"context"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

func init() {
	backend.Register("wrapped", func(_ context.Context, u *url.URL, _ *backend.Params) (backend.Backend, error) {
		return mem.Open(u.Host, nil), nil
	})
	backend.Register("enforcing", func(_ context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
		if p.ReadOnly() != p.MustExist() {
			return nil, errors.New("to read only is of what is there")
		}
		return mem.Open(u.Host, nil), nil
	})
}

// What was opened to read can be read, and nothing of it changed: by no ability either.
func TestReadOnly(t *testing.T) {
	m := mem.Open("readonly", nil)
	defer m.Close()
	put(t, m, "a", "text")
	b, err := backend.OpenWith(ctx, "wrapped://readonly", backend.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	key := backend.Key{Shelf: "s", Name: "a"}
	if text, _, err := backend.GetVerified(ctx, b, key); string(text) != "text" && !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("GetVerified = %q, %v", text, err)
	}
	_, putErr := backend.PutBytes(ctx, b, key, []byte("other"), backend.PutOptions{})
	_, batchErr := backend.PutBatch(ctx, b, []backend.Item{item("b", "x")})
	_, sweepErr := backend.Sweep(ctx, b, backend.SweepOptions{})
	for what, err := range map[string]error{
		"Put": putErr, "PutBatch": batchErr, "Delete": b.Delete(ctx, key),
		"DeleteBatch": backend.DeleteBatch(ctx, b, []backend.Key{key}),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s = %v, want ErrUnsupported", what, err)
		}
	}
	if _, ok := backend.As[backend.Sweeper](m); ok && !errors.Is(sweepErr, errors.ErrUnsupported) {
		t.Errorf("Sweep = %v, want ErrUnsupported", sweepErr)
	}
	if _, err := backend.Sweep(ctx, b, backend.SweepOptions{DryRun: true}); err != nil {
		t.Errorf("a dry Sweep = %v", err)
	}
	if _, ok := backend.As[backend.Leaser](b); ok {
		t.Error("a handle to read has leases")
	}
	_, has := backend.As[backend.Scanner](m)
	if _, ok := backend.As[backend.Scanner](b); ok != has {
		t.Errorf("a handle to read has scans: %v, want %v", ok, has)
	}
	if got, want := backend.LimitsOf(b), backend.LimitsOf(m); got != want {
		t.Errorf("a handle to read has the limits %+v, the place %+v", got, want)
	}
	if text, _, err := backend.GetVerified(ctx, m, key); string(text) != "text" && !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("afterwards the value is %q, %v", text, err)
	}
}

// A driver that refuses to write by itself is not wrapped.
func TestReadOnlyIsEnforcedOnce(t *testing.T) {
	for _, opts := range [][]backend.OpenOption{nil, {backend.ReadOnly()}} {
		b, err := backend.OpenWith(ctx, "enforcing://x", opts...)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := b.(*mem.Backend); !ok {
			t.Errorf("with %d options it is a %T", len(opts), b)
		}
		b.Close()
	}
}
