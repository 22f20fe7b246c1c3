package sql

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/internal/indexed"
)

const (
	// claimTime is how long a name belongs to a writer that does not renew it, because
	// it died or lost the server. It is renewed in thirds.
	claimTime = 15 * time.Minute

	// defaultGrace is longer than anybody reads one value, or tries to write it.
	defaultGrace = 24 * time.Hour

	sweepPage = 1000
)

// newID returns a name that was never used and never will be. Clients make them up: they survive a
// restored database, where a sequence would begin again, and shows what became of a commit whose answer was lost.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a random UUID
	return hex.EncodeToString(b[:])
}

// isID reports whether a version is one of ours.
func isID(version string) bool {
	for i := range len(version) {
		if c := version[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(version) == 32
}

// Claim implements [indexed.Index].
func (b *claimer) Claim(ctx context.Context, n int) ([]string, error) {
	if err := b.data.belongs(ctx); err != nil {
		return nil, err
	}
	return b.index.Claim(ctx, n)
}

// claimer is an index that looks whose data it is before the first name is claimed, or taken.
type claimer struct {
	*index
	data *data
}

// Garbage implements [indexed.Index].
func (b *claimer) Garbage(ctx context.Context, grace time.Duration, dry bool) iter.Seq2[[]indexed.Garbage, error] {
	return func(yield func([]indexed.Garbage, error) bool) {
		if err := b.data.belongs(ctx); err != nil {
			yield(nil, err)
			return
		}
		b.index.Garbage(ctx, grace, dry)(yield)
	}
}

// Claim implements [indexed.Index].
func (x *index) Claim(ctx context.Context, n int) ([]string, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = newID()
	}
	// A repeated statement finds its own names, which are in no one's way.
	if _, err := x.db.exec(ctx, true, x.claim+" ON CONFLICT (id) DO NOTHING", names, claimTime.Microseconds()); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range names {
		x.claimed[name] = true
	}
	if x.renewal == nil {
		x.renewal = time.AfterFunc(claimTime/3, x.renewClaims)
	}
	return names, nil
}

// renewClaims prolongs all claims that are open, and comes again while there are any.
func (x *index) renewClaims() {
	x.mu.Lock()
	names := slices.Collect(maps.Keys(x.claimed))
	x.mu.Unlock()
	if len(names) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), claimTime/3)
		_, _ = x.db.exec(ctx, true, x.renew, names, claimTime.Microseconds()) // the next one comes in time
		cancel()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.claimed) == 0 {
		x.renewal = nil
	} else if x.renewal != nil {
		x.renewal.Reset(claimTime / 3)
	}
}

// end ends claims: their rows are used up, or run out.
func (x *index) end(names []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range names {
		delete(x.claimed, name)
	}
	if len(x.claimed) == 0 && x.renewal != nil && x.renewal.Stop() {
		x.renewal = nil
	}
}

// Abandon implements [indexed.Index]: the claims run out.
func (x *index) Abandon(names []string) { x.end(names) }

// Garbage implements [indexed.Index]. Claims that ran out are taken, so that a writer that comes late
// finds that out at its commit, and count from then on: what it still uploads is removed too.
func (x *index) Garbage(ctx context.Context, grace time.Duration, dry bool) iter.Seq2[[]indexed.Garbage, error] {
	loose := quote(x.db.schema) + ".loose"
	page := "SELECT id::text, size, state = 'p' OR until >= clock_timestamp() - $3::bigint * interval '1 microsecond' FROM " + loose +
		" WHERE id > $1::text::uuid ORDER BY id LIMIT $2"
	return func(yield func([]indexed.Garbage, error) bool) {
		if !dry {
			// Rows that are locked are those of writers that commit at this moment.
			_, err := x.db.exec(ctx, true, "UPDATE "+loose+" SET state = 't', until = clock_timestamp() WHERE id IN (SELECT id FROM "+loose+
				" WHERE state = 'p' AND until < clock_timestamp() FOR UPDATE SKIP LOCKED)")
			if err != nil {
				yield(nil, err)
				return
			}
		}
		after := "00000000-0000-0000-0000-000000000000"
		for {
			var found []indexed.Garbage
			err := x.db.query(ctx, page, []any{after, sweepPage, grace.Microseconds()}, func() { found = nil }, func(rows pgx.Rows) error {
				var g indexed.Garbage
				err := rows.Scan(&g.Name, &g.Size, &g.Kept)
				found = append(found, g)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			n := len(found)
			if n == 0 {
				return
			}
			after = found[n-1].Name
			for i := range found {
				found[i].Name = plain(found[i].Name)
			}
			if !yield(found, nil) || n < sweepPage {
				return
			}
		}
	}
}

// plain returns a UUID as it is in names.
func plain(id string) string {
	b := make([]byte, 0, 32)
	for i := range len(id) {
		if id[i] != '-' {
			b = append(b, id[i])
		}
	}
	return string(b)
}

// Forget implements [indexed.Index].
func (x *index) Forget(ctx context.Context, names ...string) error {
	_, err := x.db.exec(ctx, true, "DELETE FROM "+quote(x.db.schema)+".loose WHERE id = ANY($1::text[]::uuid[])", names)
	return err
}

// stop ends the renewal.
func (x *index) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.claimed)
	if x.renewal != nil && x.renewal.Stop() {
		x.renewal = nil
	}
}
