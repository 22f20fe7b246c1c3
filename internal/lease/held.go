package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/larder-store/larder/backend"
)

// object is what a lease looks like in the backend. Without a Holder it was released.
type object struct {
	Holder string `json:"holder,omitempty"`
	Epoch  uint64 `json:"epoch"`
	TTL    int64  `json:"ttl_ms"`
	Nonce  string `json:"nonce"` // versions of some backends are made from the bytes
}

// held is a lease in the hands of this process, or on its way there.
type held struct {
	c   *Client
	key backend.Key

	mu      sync.Mutex // guards the rest, and orders Renew and Release
	epoch   uint64
	version string // of the object as we last wrote it; empty once lost or released

	// unsure has the nonces of writes whose outcome is unknown: one of them may be what
	// another's write seems to be.
	unsure []string
}

// Epoch implements backend.Lease.
func (l *held) Epoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *held) acquire(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A lease that is waited for is there: to look is cheaper than to try a write.
	if !l.c.awaited(l.key.Name) {
		err := l.take(ctx, 1, backend.PutOptions{IfAbsent: true})
		if !errors.Is(err, backend.ErrExists) {
			return err
		}
	}
	last, err := l.free(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		l.c.forget(l.key.Name)
		return fmt.Errorf("%w: it was swept away this moment", backend.ErrLocked)
	}
	if err != nil {
		return err
	}
	err = l.take(ctx, last.epoch+1, backend.PutOptions{IfMatch: last.version})
	if errors.Is(err, backend.ErrChanged) {
		return fmt.Errorf("%w: another took it first", backend.ErrLocked)
	}
	return err
}

// ended is the last state of a lease without a holder.
type ended struct {
	epoch   uint64
	version string
}

// free looks whether the lease has no holder, and names the holder by an error.
func (l *held) free(ctx context.Context) (ended, error) {
	found, version, err := l.look(ctx)
	if err != nil {
		return ended{}, err
	}
	if found.Holder != "" && !l.c.expired(l.key.Name, version, found) {
		return ended{}, fmt.Errorf("%w: held by %s", backend.ErrLocked, found.Holder)
	}
	return ended{found.Epoch, version}, nil
}

// take writes the object for an epoch. A write of unknown outcome is looked for: without that, this
// process would wait for itself.
func (l *held) take(ctx context.Context, epoch uint64, opts backend.PutOptions) error {
	l.epoch = epoch
	err := l.write(ctx, l.c.holder, opts)
	if backend.Retryable(err) {
		if mine, lookErr := l.adopt(ctx); mine && lookErr == nil {
			err = nil
		}
	}
	if err == nil {
		l.c.forget(l.key.Name)
	}
	return err
}

// Renew implements backend.Lease.
func (l *held) Renew(ctx context.Context) error { return l.change(ctx, "renew", l.c.holder) }

// Release implements backend.Lease. The object stays, without a holder: deleting it could
// hit the next one's.
func (l *held) Release(ctx context.Context) error {
	err := l.change(ctx, "release", "")
	if errors.Is(err, backend.ErrChanged) {
		return nil
	}
	return err
}

func (l *held) change(ctx context.Context, op, holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version == "" {
		return backend.Wrap(op, backendName, l.key, backend.ErrChanged)
	}
	err := l.write(ctx, holder, backend.PutOptions{IfMatch: l.version})
	if errors.Is(err, backend.ErrChanged) && len(l.unsure) > 0 {
		mine, lookErr := l.adopt(ctx)
		switch {
		case lookErr != nil:
			err = lookErr // whose it is now, the next call may find out
		case mine:
			err = l.write(ctx, holder, backend.PutOptions{IfMatch: l.version})
		}
	}
	if errors.Is(err, backend.ErrChanged) || holder == "" && err == nil {
		l.version = ""
	}
	return backend.Wrap(op, backendName, l.key, err)
}

// adopt reports whether the object is one that we wrote without learning so, and goes on
// from there.
func (l *held) adopt(ctx context.Context) (bool, error) {
	found, version, err := l.look(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, nonce := range l.unsure {
		if found.Nonce == nonce {
			l.version, l.unsure = version, nil
			return true, nil
		}
	}
	return false, nil
}

// look reads the object as it is now.
func (l *held) look(ctx context.Context) (object, string, error) {
	body, info, err := l.c.b.Get(ctx, l.key)
	if err != nil {
		return object{}, "", err
	}
	defer body.Close()
	r, err := backend.Verify(body, info)
	if err != nil {
		return object{}, "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxObject))
	if err != nil {
		return object{}, "", err
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return object{}, "", fmt.Errorf("not a lease: %w", err)
	}
	return o, info.Version, nil
}

// maxObject bounds what is read as a lease; one has some 150 bytes.
const maxObject = 4096

// write puts the object, under the condition of opts.
func (l *held) write(ctx context.Context, holder string, opts backend.PutOptions) error {
	o := object{Holder: holder, Epoch: l.epoch, TTL: l.c.ttl.Milliseconds(), Nonce: rand.Text()}
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	info, err := backend.PutBytes(ctx, l.c.b, l.key, b, opts)
	switch {
	case err == nil:
		l.version, l.unsure = info.Version, nil
	case !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrChanged):
		l.unsure = append(l.unsure, o.Nonce)
	}
	return err
}
