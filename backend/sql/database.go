package sql

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
)

// database is a pool of connections, and how to go on when the server goes away.
//
// A call takes one connection at a time and returns it before anything of the caller's runs, so
// a pool of one is enough.
type database struct {
	pool     *pgxpool.Pool
	schema   string
	patience time.Duration // how long a call asks a server that does not answer
	closing  <-chan struct{}
	secrets  []string

	// pooled: something between us and the server, such as PgBouncer, gives each transaction
	// another connection. Then no statement is prepared.
	pooled atomic.Int32
}

const (
	poolUnknown int32 = iota
	poolNone
	poolBetween
)

const (
	firstPause  = 20 * time.Millisecond
	lastPause   = time.Second
	undoneTries = 20 // deadlocks end one of two that meet; many batches may meet
)

// configure makes the pool's connections fit: cancelled calls end by a cancel request, which leaves
// fewer broken connections than closing them (measured), and through a pooler nothing is prepared.
func (d *database) configure(c *pgxpool.Config) {
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: conn, pooled: func() bool { return d.pooled.Load() != poolNone }}
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "larder"
	}
	c.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
		if d.pooled.Load() == poolBetween { // else batches would be sent as on the first connection, for ever
			conn.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
		return nil
	}
}

// mode is how statements are sent. pgx's default prepares them, which an old pooler takes for those of
// another ("prepared statement already exists"); describe_exec would even bind to another's.
func (d *database) mode() pgx.QueryExecMode {
	if d.pooled.Load() == poolNone {
		return pgx.QueryExecModeCacheStatement
	}
	return pgx.QueryExecModeExec
}

// do runs f with a connection. f is run again while it is sure to have had no effect, or may be
// repeated (idempotent), until the patience ends; the error of a write whose outcome is unknown
// matches errUnsure.
func (d *database) do(ctx context.Context, idempotent bool, f func(conn *pgxpool.Conn) error) error {
	deadline := time.Now().Add(d.patience)
	pause, conflicts, cancelled := firstPause, 0, false
	for {
		fate, err := d.once(ctx, f)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			if fate == unknown && !idempotent {
				return fmt.Errorf("%w: %w", ctx.Err(), errUnsure)
			}
			return d.explain(ctx, err)
		case fate == undone && conflicts < undoneTries, isCode(err, queryCancelled) && !cancelled:
			// A statement that was cancelled unasked was hit by the request for another's; or the
			// server's own timeout ended it, and will do so again.
			conflicts, cancelled = conflicts+1, isCode(err, queryCancelled)
			if err := d.sleep(ctx, rand.N(firstPause)); err != nil {
				return err
			}
			continue
		case errors.Is(err, errMode):
			continue
		case fate == unknown && !idempotent:
			return fmt.Errorf("%w: %w: %s", backend.ErrUnavailable, errUnsure, d.scrub(err.Error()))
		case fate == failed, fate == undone:
			return d.explain(ctx, err)
		}
		if time.Now().Add(pause).After(deadline) {
			return d.away(ctx, err)
		}
		if err := d.sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, lastPause)
	}
}

// away is the error of a server that did not answer.
func (d *database) away(ctx context.Context, err error) error {
	err = d.explain(ctx, err)
	if !errors.Is(err, backend.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
	}
	return fmt.Errorf("%w (tried for %v)", err, d.patience)
}

func (d *database) sleep(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closing:
		return backend.ErrClosed
	}
}

// errMode is why a connection is given up at once, and another one is taken.
var errMode = errors.New("the connection would prepare statements, behind a pooler")

// once runs f with a connection, and judges its error.
func (d *database) once(ctx context.Context, f func(conn *pgxpool.Conn) error) (fate, error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return fateOfConnect(err), err
	}
	defer conn.Release()
	defer d.watch(conn)()
	if d.pooled.Load() == poolUnknown {
		if err := d.recognize(ctx, conn); err != nil {
			return unsent, err
		}
	}
	if d.pooled.Load() == poolBetween && conn.Conn().Config().DefaultQueryExecMode != pgx.QueryExecModeExec {
		_ = conn.Conn().Close(ctx) // opened before that was known
		return unsent, errMode
	}
	if err = f(conn); err == nil {
		return failed, nil
	}
	return fateOf(err), err
}

// recognize finds out by the number of the server's process whether a pooler stands between: one that
// hands out its own connections gives a client another number than the server's.
func (d *database) recognize(ctx context.Context, conn *pgxpool.Conn) error {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	if err != nil {
		return err
	}
	if pid == conn.Conn().PgConn().PID() {
		d.pooled.Store(poolNone)
	} else {
		d.pooled.Store(poolBetween)
	}
	return nil
}

// row scans the one row of a statement; [pgx.ErrNoRows] if there is none.
func (d *database) row(ctx context.Context, idempotent bool, sql string, args []any, dst ...any) error {
	none := false
	err := d.do(ctx, idempotent, func(conn *pgxpool.Conn) error {
		err := conn.QueryRow(ctx, sql, d.args(args)...).Scan(dst...)
		none = errors.Is(err, pgx.ErrNoRows)
		if none {
			return nil
		}
		return err
	})
	if err == nil && none {
		return pgx.ErrNoRows
	}
	return err
}

// args puts how to send a statement before its arguments.
func (d *database) args(args []any) []any {
	all := make([]any, 0, len(args)+1)
	return append(append(all, d.mode()), args...)
}

// exec executes a statement.
func (d *database) exec(ctx context.Context, idempotent bool, sql string, args ...any) (rows int64, err error) {
	err = d.do(ctx, idempotent, func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, sql, d.args(args)...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// query reads all rows of a statement that changes nothing. each scans one of them; begin is called
// ahead of the first, also when the statement is repeated.
func (d *database) query(ctx context.Context, sql string, args []any, begin func(), each func(row pgx.Rows) error) error {
	return d.do(ctx, true, func(conn *pgxpool.Conn) error {
		begin()
		rows, err := conn.Query(ctx, sql, d.args(args)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// queryBinary is query of a statement that is not prepared, so that the server plans it for its arguments. It takes one round
// trip, with a pooler too, and each gets the columns as they came, which are valid until it returns.
func (d *database) queryBinary(ctx context.Context, sql string, args []any, begin func(), each func(row columns) error) error {
	return d.do(ctx, true, func(conn *pgxpool.Conn) error {
		begin()
		var q pgx.ExtendedQueryBuilder
		if err := q.Build(conn.Conn().TypeMap(), nil, args); err != nil {
			return err
		}
		rows := conn.Conn().PgConn().ExecParams(ctx, sql, q.ParamValues, nil, q.ParamFormats, []int16{pgx.BinaryFormatCode})
		var failed error
		for failed == nil && rows.NextRow() {
			failed = each(rows.Values())
		}
		_, err := rows.Close()
		return cmp.Or(failed, err)
	})
}

// columns are a row in the server's binary format. Scanning it by pgx took twice as long as all else of a list (measured).
type columns [][]byte

// of returns a column; nil for NULL, and where the server sent fewer.
func (c columns) of(i int) []byte {
	if i >= len(c) {
		return nil
	}
	return c[i]
}

// bigint returns a column of that type; 0 for NULL.
func (c columns) bigint(i int) int64 {
	if v := c.of(i); len(v) == 8 {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (c columns) boolean(i int) bool {
	v := c.of(i)
	return len(v) == 1 && v[0] == 1
}

func (c columns) time(i int) time.Time { return time.UnixMicro(c.bigint(i) + epoch) }
