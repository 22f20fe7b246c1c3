package sql

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A watcher ends a call whose server went silent. A connection alone does not tell a long statement from a
// server that hangs, is stopped, or sits behind a network that swallows everything: TCP notices nothing as long as
// somebody's kernel acknowledges. So whoever has waited for the patience asks the server by a new connection.
type watcher struct {
	d     *database
	conn  *pgx.Conn
	timer *time.Timer

	mu     sync.Mutex // guards the rest
	over   bool
	cancel context.CancelFunc // ends the question, if there is one
}

// watch watches a call that uses conn, until the function returned is called.
func (d *database) watch(conn *pgxpool.Conn) (stop func()) {
	w := &watcher{d: d, conn: conn.Conn()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(d.patience, w.look)
	return w.stop
}

func (w *watcher) stop() {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.cancel != nil {
		w.cancel()
	}
}

// look asks the server, and breaks the connection if there is no answer.
func (w *watcher) look() {
	ctx, cancel := context.WithTimeout(context.Background(), max(w.d.patience, leastProbe))
	defer cancel()
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.cancel = cancel
	w.mu.Unlock()
	alive := w.d.answers(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over: // the connection may be another call's by now
	case alive:
		w.timer.Reset(w.d.patience)
	default:
		_ = w.conn.PgConn().Conn().Close()
	}
}

// leastProbe is how long a server has at least to answer a new connection, however short the patience: TLS and a
// busy machine take their time.
const leastProbe = 5 * time.Second

// answers reports whether the server answers a new connection. Any answer will do, an error too. Of a pooler no more is
// asked than that it takes the connection: its servers may all be busy with what is being waited for.
func (d *database) answers(ctx context.Context) bool {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err == nil {
		defer conn.Close(ctx)
		if d.pooled.Load() == poolNone {
			_, err = conn.Exec(ctx, "SELECT", pgx.QueryExecModeExec)
		}
	}
	said := new(pgconn.PgError)
	return err == nil || errors.As(err, &said)
}
