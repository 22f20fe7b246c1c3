package cli

import (
	"context"
	"io"
	"iter"

	"github.com/larder-store/larder/backend"
)

// broken is a store that could not be opened: every call fails with the reason.
type broken struct{ err error }

var _ backend.Backend = broken{}

func (b broken) fail(op string, key backend.Key) error {
	return backend.Wrap(op, "store", key, b.err)
}

func (b broken) Get(_ context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	return nil, backend.Info{}, b.fail("get", key)
}

func (b broken) Stat(_ context.Context, key backend.Key) (backend.Info, error) {
	return backend.Info{}, b.fail("stat", key)
}

func (b broken) Put(_ context.Context, key backend.Key, _ io.ReadSeeker, _ backend.PutOptions) (backend.Info, error) {
	return backend.Info{}, b.fail("put", key)
}

func (b broken) Delete(_ context.Context, key backend.Key) error { return b.fail("delete", key) }

func (b broken) List(_ context.Context, shelf string, _ backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(yield func(backend.Info, error) bool) {
		yield(backend.Info{}, b.fail("list", backend.Key{Shelf: shelf}))
	}
}

func (b broken) Shelves(context.Context, backend.ListOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", b.fail("shelves", backend.Key{})) }
}

func (b broken) Close() error { return nil }
