package catalog

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// empty is a backend that holds nothing, and takes nothing.
type empty struct{}

var _ larder.Backend = empty{}

func (empty) Get(_ context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	return nil, backend.Info{}, backend.Wrap("get", "empty", key, backend.ErrNotFound)
}

func (empty) Stat(_ context.Context, key backend.Key) (backend.Info, error) {
	return backend.Info{}, backend.Wrap("stat", "empty", key, backend.ErrNotFound)
}

func (empty) Put(_ context.Context, key backend.Key, _ io.ReadSeeker, _ backend.PutOptions) (backend.Info, error) {
	return backend.Info{}, backend.Wrap("put", "empty", key, errors.ErrUnsupported)
}

func (empty) Delete(context.Context, backend.Key) error { return nil }

func (empty) List(context.Context, string, backend.ListOptions) iter.Seq2[backend.Info, error] {
	return func(func(backend.Info, error) bool) {}
}

func (empty) Shelves(context.Context, backend.ListOptions) iter.Seq2[string, error] {
	return func(func(string, error) bool) {}
}

func (empty) Close() error { return nil }
