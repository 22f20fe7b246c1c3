package backend_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/larder-store/larder/backend"
)

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  backend.Error
		want string
	}{
		{backend.Error{Op: "get", Backend: "mem", Key: backend.Key{Shelf: "cache", Name: "ab/result"}, Err: backend.ErrNotFound}, `mem get "cache/ab/result": not found`},
		{backend.Error{Op: "list", Backend: "mem", Key: backend.Key{Shelf: "cache"}, Err: backend.ErrClosed}, `mem list "cache": closed`},
		{backend.Error{Op: "open", Backend: "mem", Err: backend.ErrLocked}, `mem open: locked by another process`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("Error() = %q, want %q", got, c.want)
		}
	}
}

func TestSentinels(t *testing.T) {
	if !errors.Is(backend.ErrNotFound, fs.ErrNotExist) || !errors.Is(backend.ErrExists, fs.ErrExist) {
		t.Error("ErrNotFound and ErrExists do not match those of io/fs")
	}
	if errors.Is(backend.ErrNotFound, fs.ErrExist) || errors.Is(fs.ErrNotExist, backend.ErrNotFound) {
		t.Error("ErrNotFound matches too much")
	}
	err := backend.Wrap("get", "mem", backend.Key{Shelf: "s", Name: "a"}, fmt.Errorf("look: %w", backend.ErrNotFound))
	if !errors.Is(err, backend.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not match ErrNotFound and fs.ErrNotExist", err)
	}
}

func TestWrapOnce(t *testing.T) {
	key := backend.Key{Shelf: "s", Name: "a"}
	if err := backend.Wrap("get", "mem", key, nil); err != nil {
		t.Errorf("Wrap(nil) = %v, want nil", err)
	}
	inner := backend.Wrap("get", "mem", key, backend.ErrCorrupt)
	for _, err := range []error{inner, fmt.Errorf("more words: %w", inner)} {
		if got := backend.Wrap("scan", "sql", backend.Key{}, err); got != err {
			t.Errorf("Wrap of %v = %v, want it as it is", err, got)
		}
	}
	var e *backend.Error
	if !errors.As(inner, &e) || e.Op != "get" || e.Backend != "mem" || e.Key != key || e.Err != backend.ErrCorrupt {
		t.Errorf("Wrap = %#v", inner)
	}
}

func TestRetryable(t *testing.T) {
	for err, want := range map[error]bool{
		backend.ErrUnavailable: true,
		backend.ErrLocked:      true,
		backend.Wrap("put", "s3", backend.Key{}, fmt.Errorf("503: %w", backend.ErrUnavailable)): true,
		backend.ErrNotFound:     false,
		backend.ErrChanged:      false,
		backend.ErrClosed:       false,
		context.Canceled:        false,
		errors.New("disk full"): false,
	} {
		if got := backend.Retryable(err); got != want {
			t.Errorf("Retryable(%v) = %v, want %v", err, got, want)
		}
	}
	if backend.Retryable(nil) {
		t.Error("Retryable(nil) = true, want false")
	}
}

func TestBatchError(t *testing.T) {
	none := make(backend.BatchError, 3)
	if err := none.OrNil(); err != nil {
		t.Errorf("OrNil of no failure = %v, want nil", err)
	}
	if err := (backend.BatchError{}).OrNil(); err != nil {
		t.Errorf("OrNil of no item = %v, want nil", err)
	}
	some := backend.BatchError{nil, backend.ErrExists, nil, backend.ErrChanged}
	err := fmt.Errorf("store: %w", some.OrNil())
	if want := "store: 2 of 4 items failed, the first: already exists"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
	if !errors.Is(err, backend.ErrExists) || !errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrNotFound) {
		t.Errorf("%v matches the wrong sentinels", err)
	}
	whole := errors.New("the whole batch")
	for _, c := range []struct {
		err  error
		i    int
		want error
	}{
		{err, 0, nil}, {err, 1, backend.ErrExists}, {err, 3, backend.ErrChanged},
		{whole, 0, whole}, {whole, 7, whole}, {nil, 0, nil}, {err, 9, err},
	} {
		if got := backend.ItemError(c.err, c.i); got != c.want {
			t.Errorf("ItemError(%v, %d) = %v, want %v", c.err, c.i, got, c.want)
		}
	}
}
