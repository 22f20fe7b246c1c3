// Package lease lets one of many processes do a thing while the others wait, on any
// backend that promises atomic IfAbsent and IfMatch, or grants leases itself.
//
// A lease is one small object on the shelf "leases": who holds it, since which epoch,
// and a nonce that every heartbeat changes. It changes hands by IfMatch alone. No two
// machines' clocks are ever compared: a holder is taken for dead when its object
// did not change for its whole ttl by the watch of the one who looks on.
//
// It is an economy. A holder that was taken for dead may still be at work; what
// both make is published under IfAbsent or IfMatch, so that only work is lost.
package lease

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/verify"
)

// Shelf is where lease objects are kept.
const Shelf = "leases"

// DefaultTTL: long enough that a machine under load keeps its heartbeat, every third of
// it; short enough that the death of one costs the others no more than a coffee.
const DefaultTTL = time.Minute

const backendName = "lease"

// A Client acquires leases on one backend. It is safe for concurrent use.
type Client struct {
	b      backend.Backend
	native backend.Leaser // nil: stand on IfMatch
	ttl    time.Duration
	holder string
	now    func() time.Time // its monotonic reading alone counts

	mu   sync.Mutex // guards seen
	seen map[string]sighting
}

// sighting is when a version of another's lease was first seen here.
type sighting struct {
	version string
	at      time.Time
}

// New returns a Client, or nil if b can neither grant leases nor carry them. A ttl of
// zero or less means DefaultTTL.
func New(b backend.Backend, ttl time.Duration) *Client {
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	native, ok := backend.As[backend.Leaser](b)
	if limits := backend.LimitsOf(b); !ok && !(limits.AtomicIfAbsent && limits.AtomicIfMatch) {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return &Client{
		b:      b,
		native: native,
		ttl:    ttl,
		holder: fmt.Sprintf("process %d on %s", os.Getpid(), host),
		now:    time.Now,
		seen:   map[string]sighting{},
	}
}

// TTL is for how long a lease is granted or prolonged.
func (c *Client) TTL() time.Duration { return c.ttl }

// Acquire takes the lease of any name, or says at once who holds it, by an error that
// matches [backend.ErrLocked].
func (c *Client) Acquire(ctx context.Context, name string) (backend.Lease, error) {
	digest := sha256.Sum256([]byte(name))
	short := hex.EncodeToString(digest[:])
	if c.native != nil {
		return c.native.Acquire(ctx, short, c.ttl)
	}
	l := &held{c: c, key: backend.Key{Shelf: Shelf, Name: short}}
	if err := l.acquire(ctx); err != nil {
		return nil, backend.Wrap("acquire", backendName, l.key, err)
	}
	return l, nil
}

// object is what a lease looks like in the backend. The zero Holder is a lease that
// was released.
type object struct {
	Holder string `json:"holder,omitempty"`
	Epoch  uint64 `json:"epoch"`
	TTL    int64  `json:"ttl_ms"`
	Nonce  string `json:"nonce"` // versions of some backends are made from the bytes
}

// held is a lease in the hands of this process.
type held struct {
	c   *Client
	key backend.Key

	mu      sync.Mutex // guards the rest, and orders Renew and Release
	epoch   uint64
	version string // of the object as we last wrote it; empty once lost or released
}

// Epoch implements backend.Lease.
func (l *held) Epoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *held) acquire(ctx context.Context) error {
	l.epoch = 1
	version, err := l.write(ctx, l.c.holder, backend.PutOptions{IfAbsent: true})
	if !errors.Is(err, backend.ErrExists) {
		l.version = version
		return err
	}
	found, version, err := l.look(ctx)
	if err != nil {
		return err
	}
	if found.Holder != "" && !l.c.expired(l.key.Name, version, found) {
		return fmt.Errorf("%w: held by %s", backend.ErrLocked, found.Holder)
	}
	l.epoch = found.Epoch + 1
	l.version, err = l.write(ctx, l.c.holder, backend.PutOptions{IfMatch: version})
	if errors.Is(err, backend.ErrChanged) {
		return fmt.Errorf("%w: another took it first", backend.ErrLocked)
	}
	return err
}

// look reads the object that another wrote.
func (l *held) look(ctx context.Context) (object, string, error) {
	body, info, err := l.c.b.Get(ctx, l.key)
	if errors.Is(err, backend.ErrNotFound) {
		return object{}, "", fmt.Errorf("%w: it is being swept", backend.ErrLocked)
	}
	if err != nil {
		return object{}, "", err
	}
	defer body.Close()
	r, err := verify.Open(body, info)
	if err != nil {
		return object{}, "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, 4096))
	if err != nil {
		return object{}, "", err
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return object{}, "", fmt.Errorf("not a lease: %w", err)
	}
	return o, info.Version, nil
}

// expired reports whether the version of a lease has been looked at, unchanged, for
// its whole ttl.
func (c *Client) expired(name, version string, o object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if s, ok := c.seen[name]; ok && s.version == version {
		return now.Sub(s.at) > time.Duration(o.TTL)*time.Millisecond
	}
	if len(c.seen) > 10_000 { // waits of long ago; those that go on start anew
		clear(c.seen)
	}
	c.seen[name] = sighting{version, now}
	return false
}

func (l *held) write(ctx context.Context, holder string, opts backend.PutOptions) (string, error) {
	o := object{Holder: holder, Epoch: l.epoch, TTL: l.c.ttl.Milliseconds(), Nonce: rand.Text()}
	b, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	opts.Size = int64(len(b))
	opts.Digest, opts.Sum = verify.Sums(b)
	info, err := l.c.b.Put(ctx, l.key, bytes.NewReader(b), opts)
	return info.Version, err
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
	version, err := l.write(ctx, holder, backend.PutOptions{IfMatch: l.version})
	switch {
	case errors.Is(err, backend.ErrChanged), holder == "" && err == nil:
		l.version = ""
	case err == nil:
		l.version = version
	}
	return backend.Wrap(op, backendName, l.key, err)
}
