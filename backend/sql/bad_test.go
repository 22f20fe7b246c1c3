//go:build unix

package sql_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/pgtest"
)

// nowhere is a host that is not there, as whoever resolves names here says, unless nobody does.
const nowhere = "no-such-host.invalid"

const secret = "hunter2-in-plain-sight"

// What can be wrong about a URL or a server is said, with the remedy, at once, and without the password.
func TestBadPlaces(t *testing.T) {
	c := pgtest.New(t)
	conn, _ := connect(t, c.URL())
	mustExec(t, conn, "CREATE ROLE locked LOGIN PASSWORD '"+secret+"'")
	mustExec(t, conn, "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
	c.Trust(t, "host all locked 127.0.0.1/32 scram-sha-256\nhost all nobody 127.0.0.1/32 reject\n")
	mustExec(t, conn, "SELECT pg_reload_conf()")
	unresolved := new(net.DNSError)
	_, err := net.LookupHost(nowhere)
	resolves := errors.As(err, &unresolved) && unresolved.IsNotFound
	tcp := c.TCP()
	as := func(user string) string { return strings.Replace(tcp, "postgres@", user+"@", 1) }
	passfile := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(passfile, []byte("*:*:*:locked:wrong-"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, loc, want string
		is              error
	}{
		{name: "no such database", loc: c.Database("nothing"), want: "createdb"},
		{name: "no such role", loc: as("nobody-of-that-name"), want: "nobody-of-that-name"},
		{name: "refused", loc: as("nobody"), want: "pg_hba"},
		{name: "wrong password", loc: as("locked:wrong-" + secret), want: "password"},
		{name: "wrong password in a file", loc: pgtest.With(as("locked"), "passfile", passfile), want: "password"},
		{name: "wrong password as a parameter", loc: pgtest.With(as("locked"), "password", "wrong-"+secret), want: "password"},
		{name: "no password", loc: as("locked"), want: "password"},
		{name: "no TLS", loc: strings.Replace(as("locked:"+secret), "disable", "require", 1), want: "TLS"},
		{name: "other encoding", loc: c.Database("ascii"), want: "UTF8", is: errors.ErrUnsupported},
		{name: "no such host", loc: "postgres://u:" + secret + "@" + nowhere + "/db", want: nowhere},
		{name: "sslmode", loc: strings.Replace(tcp, "disable", "perhaps", 1), want: "sslmode", is: backend.ErrInvalidURL},
		{name: "schema", loc: pgtest.With(c.URL(), "schema", "Pg; DROP"), want: "schema", is: backend.ErrInvalidURL},
		{name: "system schema", loc: pgtest.With(c.URL(), "schema", "pg_catalog"), want: "schema", is: backend.ErrInvalidURL},
		{name: "inline", loc: pgtest.With(c.URL(), "inline", "2MiB"), want: "inline", is: backend.ErrInvalidURL},
		{name: "timeout", loc: pgtest.With(c.URL(), "timeout", "1us"), want: "timeout", is: backend.ErrInvalidURL},
		{name: "fragment", loc: c.URL() + "#x", want: "%23", is: backend.ErrInvalidURL},
		{name: "certificate", loc: strings.Replace(tcp, "disable", "verify-full&sslrootcert=/no/such/file", 1), want: "file", is: backend.ErrInvalidURL},
		{name: "unknown data", loc: pgtest.With(c.URL(), "data", "nope://bucket"), want: "forgotten import", is: backend.ErrInvalidURL},
		{name: "a database as data", loc: pgtest.With(c.URL(), "data", "postgres://u:"+secret+"@h/db"), want: "bucket", is: backend.ErrInvalidURL},
		{name: "a path as data", loc: pgtest.With(c.URL(), "data", "/dir"), want: "URL", is: backend.ErrInvalidURL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			began := time.Now()
			b, err := openURL(context.Background(), tc.loc)
			if err == nil {
				b.Close()
				t.Fatal("Open succeeds")
			}
			if !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("Open = %v, want %q in it, and %v", err, tc.want, tc.is)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("Open shows the password: %v", strings.ReplaceAll(err.Error(), secret, "***"))
			}
			if errors.Is(err, backend.ErrUnavailable) && !(strings.Contains(tc.loc, nowhere) && !resolves) {
				t.Errorf("Open = %v after %v, which no waiting mends", err, time.Since(began))
			}
		})
	}
	right := open(t, pgtest.With(as("locked:"+secret), "migrate", "manual"))
	if _, err := right.Stat(context.Background(), theKey); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("Stat with the right password = %v", err)
	}
}

// No server listens, or one that is no Postgres.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	for address, unavailable := range map[string]bool{"127.0.0.1:1": true, l.Addr().String(): false} {
		_, err := openURL(context.Background(), "postgres://u:"+secret+"@"+address+"/db?sslmode=disable&timeout=200ms")
		if err == nil || errors.Is(err, backend.ErrUnavailable) != unavailable || strings.Contains(err.Error(), secret) {
			t.Errorf("Open at %s = %v, want unavailable: %v", address, err, unavailable)
		}
	}
}

// Without data, the first value that is too large says what is missing.
func TestTooLargeWithoutData(t *testing.T) {
	b := open(t, alone(t, pgtest.URL(t)))
	_, err := b.Put(context.Background(), theKey, failing{}, backend.PutOptions{Size: 1 << 30})
	if !errors.Is(err, backend.ErrTooLarge) || !strings.Contains(err.Error(), "data=") {
		t.Errorf("Put = %v, want %v and advice", err, backend.ErrTooLarge)
	}
	mustPut(t, b, theKey, text(1<<20, 1))
}

// Nobody listens: pgx asks with TLS and without, which is one thing to the user.
func TestRefusedConnectionIsSaidOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = backend.Open(context.Background(), "postgres://u:"+secret+"@"+addr+"/db?timeout=100ms")
	if !errors.Is(err, backend.ErrUnavailable) {
		t.Fatalf("Open = %v, want ErrUnavailable", err)
	}
	if text := err.Error(); strings.Count(text, "connection refused") != 1 || strings.Contains(text, "\n") || strings.Contains(text, secret) {
		t.Errorf("Open = %q, want one line that says once that the connection was refused", text)
	}
}
