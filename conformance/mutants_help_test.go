package conformance_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// slurp reads a body as one should.
func slurp(b body) (string, error) {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	text, err := io.ReadAll(b)
	return string(text), err
}

// honest stores text in place of what was given.
func (r *ref) honest(ctx context.Context, k key, text string, o put) (info, error) {
	o.Size = int64(len(text))
	return r.Backend.Put(ctx, k, strings.NewReader(text), o)
}

// load reads the value of k.
func (r *ref) load(ctx context.Context, k key) (string, info, error) {
	b, i, err := r.Backend.Get(ctx, k)
	if err != nil {
		return "", i, err
	}
	text, err := io.ReadAll(b)
	return string(text), i, err
}

// hooked is a body of a Get with another Read or Close.
type hooked struct {
	io.Reader
	close func() error
}

func (h hooked) Close() error {
	if h.close != nil {
		return h.close()
	}
	return nil
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// remembersLeases notes the leases of the place in it, by their names.
func (r *ref) remembersLeases() {
	r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
		l, err := r.Backend.Acquire(ctx, name, ttl)
		if err == nil {
			r.place.mu.Lock()
			defer r.place.mu.Unlock()
			if r.place.leases == nil {
				r.place.leases = map[string]backend.Lease{}
			}
			r.place.leases[name] = l
		}
		return l, err
	}
}

// keepsLeases notes the leases that this handle is given, and returns what gives them up.
func (r *ref) keepsLeases() (giveUp func()) {
	var mu sync.Mutex
	var held []backend.Lease
	r.doAcquire = func(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
		l, err := r.Backend.Acquire(ctx, name, ttl)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, l)
		}
		return l, err
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range held {
			l.Release(context.Background())
		}
	}
}
