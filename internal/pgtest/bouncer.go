//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Bouncer starts PgBouncer in transaction mode before a cluster, with a pool of so many connections, and returns
// the URL of the database postgres through it.
func Bouncer(t testing.TB, c *Cluster, pool int) string {
	t.Helper()
	exe, err := exec.LookPath("pgbouncer")
	if err != nil {
		if exe = "/usr/sbin/pgbouncer"; !exists(exe) {
			Missing(t, fmt.Errorf("PgBouncer is not installed (internal/ci/deps.sh installs it)"))
		}
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`[databases]
postgres = host=%s port=%d dbname=postgres user=postgres pool_size=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
server_reset_query =
`, c.Dir, c.Port, pool, port)
	name := filepath.Join(c.Dir, fmt.Sprintf("pgbouncer-%d.ini", port))
	if err := os.WriteFile(name, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := start(c.Dir, fmt.Sprintf("pgbouncer-%d.log", port), syscall.SIGTERM, exe, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if err := p.wait(func(context.Context) bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", address)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
