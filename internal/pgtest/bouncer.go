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
	// A socket in a directory of its own: no port that another may take.
	dir, err := os.MkdirTemp(c.Dir, "bouncer-")
	if err != nil {
		t.Fatal(err)
	}
	if err := own(dir); err != nil {
		t.Fatal(err)
	}
	const port = 6432
	config := fmt.Sprintf(`[databases]
postgres = host=%s port=%d dbname=postgres user=postgres pool_size=%d
[pgbouncer]
listen_addr =
listen_port = %d
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
max_client_conn = 200
server_reset_query =
`, c.Dir, c.Port, pool, port, dir)
	name := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(name, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := start(dir, "log", syscall.SIGTERM, exe, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	if err := p.wait(func(context.Context) bool {
		conn, err := net.Dial("unix", filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port)))
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return socketURL(dir, port, "postgres")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
