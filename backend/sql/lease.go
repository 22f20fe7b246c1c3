package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/backend"
)

// lease is a row that says until when it is held, by the clock of the database. Epochs come from one
// sequence for all names, so that a row can go after a day: the next one has a greater one. It does not
// go sooner, because the epoch of a new row is drawn ahead of the row.
type lease struct {
	b     *Backend
	name  string
	token string // distinguishes this acquisition from all others
	ttl   time.Duration
	epoch uint64

	mu   sync.Mutex // orders Renew and Release
	lost bool       // guarded by mu
}

const leaseReason = "lease %q: %w"

// Acquire implements [backend.Leaser]. A lease that another was seen to hold is looked at first: that costs
// the server a twelfth of an attempt, which locks a row and writes.
func (b *Backend) Acquire(ctx context.Context, name string, ttl time.Duration) (backend.Lease, error) {
	l, err := b.acquire(ctx, name, ttl)
	if err != nil {
		return nil, wrap("acquire", backend.Key{}, fmt.Errorf(leaseReason, name, err))
	}
	return l, nil
}

func (b *Backend) acquire(ctx context.Context, name string, ttl time.Duration) (*lease, error) {
	if err := (backend.Key{Shelf: "leases", Name: name}).Validate(); err != nil {
		return nil, err
	}
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("%w: the name of a lease is one segment", backend.ErrInvalidKey)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("a time to live of %v is too short", ttl)
	}
	if err := b.BeginChange(ctx); err != nil {
		return nil, err
	}
	defer b.parts.Calls.End()
	if b.awaited.has(name) {
		if err := b.lookAtLease(ctx, name); err != nil {
			return nil, err
		}
	}
	l := &lease{b: b, name: name, token: newID(), ttl: ttl}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	b.awaited.remove(name)
	return l, nil
}

// lookAtLease names the holder of a lease by an error.
func (b *Backend) lookAtLease(ctx context.Context, name string) error {
	var holder string
	err := b.db.row(ctx, true, "SELECT holder FROM "+b.leases()+" WHERE name = $1 AND until > clock_timestamp()", []any{name}, &holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return heldBy(holder)
}

func heldBy(holder string) error { return fmt.Errorf("%w: held by %s", backend.ErrLocked, holder) }

func (b *Backend) leases() string { return quote(b.db.schema) + ".leases" }

// take makes the row, or takes it from one whose time is over. A repeated attempt finds its own token.
func (l *lease) take(ctx context.Context) error {
	table := l.b.leases()
	sql := "WITH got AS (INSERT INTO " + table + " AS l (name, epoch, token, holder, until) " +
		"VALUES ($1, nextval($5::text::regclass), $2::text::uuid, $3, clock_timestamp() + $4::bigint * interval '1 microsecond') " +
		"ON CONFLICT (name) DO UPDATE SET epoch = nextval($5::text::regclass), token = EXCLUDED.token, holder = EXCLUDED.holder, until = EXCLUDED.until " +
		"WHERE l.until <= clock_timestamp() OR l.token = EXCLUDED.token RETURNING epoch) " +
		"SELECT epoch, '' FROM got UNION ALL SELECT 0, holder FROM " + table + " WHERE name = $1 AND NOT EXISTS (SELECT FROM got) LIMIT 1"
	var epoch int64
	var holder string
	err := l.b.db.row(ctx, true, sql, []any{l.name, l.token, holderName(), l.ttl.Microseconds(), quote(l.b.db.schema) + ".epochs"}, &epoch, &holder)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // another's row that is newer than the statement
		l.b.awaited.add(l.name)
		return fmt.Errorf("%w: another took it first", backend.ErrLocked)
	case err != nil:
		return err
	case epoch == 0:
		l.b.awaited.add(l.name)
		return heldBy(holder)
	}
	l.epoch = uint64(epoch)
	return nil
}

// holderName names the holder of a lease, for the waiting.
var holderName = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), strings.ToValidUTF8(host, "?"))
})

// Epoch implements [backend.Lease].
func (l *lease) Epoch() uint64 { return l.epoch }

// Renew implements [backend.Lease].
func (l *lease) Renew(ctx context.Context) error {
	err := l.renew(ctx)
	if err != nil {
		err = fmt.Errorf(leaseReason, l.name, err)
	}
	return wrap("renew", backend.Key{}, err)
}

func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.b.parts.Calls.Begin(ctx); err != nil {
		return err
	}
	defer l.b.parts.Calls.End()
	if l.lost {
		return backend.ErrChanged
	}
	n, err := l.b.db.exec(ctx, true, "UPDATE "+l.b.leases()+" SET until = clock_timestamp() + $3::bigint * interval '1 microsecond' WHERE name = $1 AND token = $2::text::uuid",
		l.name, l.token, l.ttl.Microseconds())
	if err == nil && n == 0 {
		l.lost = true
		return backend.ErrChanged
	}
	return err
}

// Release implements [backend.Lease].
func (l *lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return nil
	}
	if err := l.b.parts.Calls.Begin(ctx); err != nil {
		return wrap("release", backend.Key{}, fmt.Errorf(leaseReason, l.name, err))
	}
	defer l.b.parts.Calls.End()
	// A server that crashes may forget a release, which costs no more than the ttl: its disk is not waited for.
	_, err := l.b.db.exec(ctx, true, "WITH hasty AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "+
		"UPDATE "+l.b.leases()+" SET until = clock_timestamp() FROM hasty WHERE name = $1 AND token = $2::text::uuid", l.name, l.token)
	if err != nil {
		return wrap("release", backend.Key{}, fmt.Errorf(leaseReason, l.name, err))
	}
	l.lost = true
	return nil
}

// sweepLeases removes the rows that were not held for a day.
func (d *database) sweepLeases(ctx context.Context) error {
	_, err := d.exec(ctx, true, "DELETE FROM "+quote(d.schema)+".leases WHERE until < clock_timestamp() - interval '1 day'")
	return err
}

// names is a small set of names.
type names struct {
	mu  sync.Mutex
	set map[string]bool // guarded by mu
}

// maxAwaited bounds the memory for leases that were waited for.
const maxAwaited = 10_000

func (n *names) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.set[name]
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.set == nil || len(n.set) >= maxAwaited {
		n.set = map[string]bool{}
	}
	n.set[name] = true
}

func (n *names) remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.set, name)
}
