package larder_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/place"
)

// tap counts the calls that reach a backend and lets a test step into them. It has
// none of the optional abilities but limits.
type tap struct {
	backend.Backend
	limits            backend.Limits
	gets, puts, stats atomic.Int64
	onGet             func(backend.Key) error
	onPut             func(backend.Key, backend.PutOptions) error
	body              func(io.ReadCloser) io.ReadCloser
}

func newTap() *tap {
	b := mem.New(nil)
	return &tap{Backend: b, limits: b.Limits()}
}

func (b *tap) Limits() backend.Limits { return b.limits }

func (b *tap) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	b.gets.Add(1)
	if b.onGet != nil {
		if err := b.onGet(key); err != nil {
			return nil, backend.Info{}, err
		}
	}
	body, info, err := b.Backend.Get(ctx, key)
	if err == nil && b.body != nil {
		body = b.body(body)
	}
	return body, info, err
}

func (b *tap) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	b.stats.Add(1)
	return b.Backend.Stat(ctx, key)
}

func (b *tap) Put(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (backend.Info, error) {
	b.puts.Add(1)
	if b.onPut != nil {
		if err := b.onPut(key, opts); err != nil {
			return backend.Info{}, err
		}
	}
	return b.Backend.Put(ctx, key, body, opts)
}

var quiet = slog.New(slog.DiscardHandler)

// open returns a Store over b that says nothing and is closed with the test.
func open(t testing.TB, b backend.Backend) *larder.Store {
	t.Helper()
	s := larder.New(b, &larder.Options{Logger: quiet, TempDir: t.TempDir()})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// fit is a component that tests use; different n, different component.
func fit(n int) larder.Component {
	return component.New("test/fit", "v1", map[string]any{"n": n})
}

// at is where a test's attribute stands in the backend.
func at(t testing.TB, s *larder.Store, c larder.Component, attribute string) backend.Key {
	t.Helper()
	id, err := s.Key(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	key, err := place.Of(id, attribute)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// spoil damages the stored bytes of an attribute behind the store's back: the checksums
// stay those of the sound value.
func spoil(t testing.TB, s *larder.Store, b backend.Backend, c larder.Component, attribute string) {
	t.Helper()
	key := at(t, s, c, attribute)
	body, info, err := b.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := io.ReadAll(body)
	if err != nil || len(bad) == 0 {
		t.Fatalf("nothing to spoil: %d bytes, %v", len(bad), err)
	}
	bad[len(bad)-1] ^= 0x10
	_, err = b.Put(t.Context(), key, newSeeker(bad), backend.PutOptions{
		Size: info.Size, Digest: info.Digest, Sum: info.Sum, Meta: info.Meta,
	})
	if err != nil {
		t.Fatal(err)
	}
}

var errBoom = errors.New("boom")
