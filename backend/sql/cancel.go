package sql

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	cancelPatience = 3 * time.Second
	cancelSettles  = 100 * time.Millisecond
)

// canceller ends the statement of a cancelled call by a cancel request, which leaves the connection whole:
// closing it instead was seen to use up connections faster than the server frees them.
//
// pgx has such a handler, but breaks its request off when the statement ends, so that it may hit the next one, and so sleeps
// for 100 ms. This one waits for the request: the server closes it after it has signalled its process. Behind a pooler that
// is not so, and it sleeps too.
type canceller struct {
	conn   *pgconn.PgConn
	pooled func() bool
	done   chan struct{}
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	c.done = make(chan struct{})
	deadline := time.Now().Add(cancelPatience)
	_ = c.conn.Conn().SetDeadline(deadline) // where the server is gone, the statement ends by this
	go func() {
		defer close(c.done)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		_ = c.conn.CancelRequest(ctx)
		if c.pooled() {
			time.Sleep(cancelSettles)
		}
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.done
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
