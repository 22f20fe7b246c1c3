//go:build unix

package sql_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect opens a connection of our own to the server of a place, and returns the schema's name for SQL.
func connect(t testing.TB, loc string) (*pgx.Conn, string) {
	t.Helper()
	u, err := url.Parse(loc)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	schema := q.Get("schema")
	for _, name := range []string{"schema", "data", "inline", "timeout", "migrate", "pool_max_conns"} {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	conn, err := pgx.Connect(context.Background(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn, pgx.Identifier{schema}.Sanitize()
}

func mustExec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// expire lets all claims run out, as if their writers had died long ago.
func expire(t testing.TB, loc string) {
	t.Helper()
	conn, schema := connect(t, loc)
	mustExec(t, conn, "UPDATE "+schema+".loose SET until = clock_timestamp() - interval '1 hour' WHERE state = 'p'")
}

// looseStates returns the states of all names that no entry has.
func looseStates(t testing.TB, loc string) []string {
	t.Helper()
	conn, schema := connect(t, loc)
	rows, err := conn.Query(context.Background(), "SELECT state::text FROM "+schema+".loose ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	states, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return states
}
