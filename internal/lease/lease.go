// Package lease lets one of many processes do a thing while the others wait, on any
// backend that promises atomic IfAbsent and IfMatch, or grants leases itself.
//
// A lease is one small object on the shelf "leases": who holds it, since which epoch,
// and a nonce that every heartbeat changes. It changes hands by IfMatch alone. No two
// machines' clocks are ever compared: a holder is taken for dead when its object
// did not change for its whole ttl by the watch of the process that looks on.
//
// It is an economy. A holder that was taken for dead may still be at work; what
// both make is published under IfAbsent or IfMatch, so that only work is lost.
package lease

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/larder-store/larder/backend"
)

// Shelf is where lease objects are kept.
const Shelf = "leases"

// DefaultTTL: long enough that a machine under load keeps its heartbeat, every third of
// it; short enough that the death of one costs the others no more than a coffee.
const DefaultTTL = time.Minute

// MaxTTL bounds how long anybody waits for a holder that fell silent, whatever its lease says: a
// lease is an object that others may write.
const MaxTTL = time.Hour

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
// zero or less means DefaultTTL, one above MaxTTL means that.
func New(b backend.Backend, ttl time.Duration) *Client {
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	ttl = min(ttl, MaxTTL)
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

// ttl returns for how long a silent holder is believed to live.
func (o object) ttl() time.Duration {
	ms := min(max(o.TTL, 0), MaxTTL.Milliseconds())
	return time.Duration(ms) * time.Millisecond
}

// TTL is for how long a lease is granted or prolonged.
func (c *Client) TTL() time.Duration { return c.ttl }

// Acquire takes the lease of any name, or says at once who holds it, by an error that
// matches [backend.ErrLocked].
func (c *Client) Acquire(ctx context.Context, name string) (backend.Lease, error) {
	if c.native != nil {
		return c.native.Acquire(ctx, hashed(name), c.ttl)
	}
	l := c.held(name)
	if err := l.acquire(ctx); err != nil {
		return nil, backend.Wrap("acquire", backendName, l.key, err)
	}
	return l, nil
}

// Look reports whether the lease of a name is free to be taken, and takes nothing: one read. Who
// holds it says an error that matches [backend.ErrLocked]. Leases that the backend grants
// itself cannot be looked at: then it returns false and no error.
func (c *Client) Look(ctx context.Context, name string) (free bool, err error) {
	if c.native != nil {
		return false, nil
	}
	l := c.held(name)
	_, err = l.free(ctx)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return false, backend.Wrap("look", backendName, l.key, err)
	}
	return true, nil
}

func (c *Client) held(name string) *held {
	return &held{c: c, key: backend.Key{Shelf: Shelf, Name: hashed(name)}}
}

func hashed(name string) string {
	digest := sha256.Sum256([]byte(name))
	return hex.EncodeToString(digest[:])
}

// expired reports whether the version of a lease has been looked at, unchanged, for
// its whole ttl.
func (c *Client) expired(name, version string, o object) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if s, ok := c.seen[name]; ok && s.version == version {
		return now.Sub(s.at) > o.ttl()
	}
	if len(c.seen) > maxSeen { // waits of long ago; those that go on start anew
		clear(c.seen)
	}
	c.seen[name] = sighting{version, now}
	return false
}

// maxSeen bounds the memory for leases that were waited for.
const maxSeen = 10_000

// awaited reports whether a lease was seen in another's hands.
func (c *Client) awaited(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.seen[name]
	return ok
}

// forget ends the wait for a lease.
func (c *Client) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, name)
}
