//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Variable names a server to use instead of one that is started: a URL of a database in which tests may
// make schemas. Helper processes of tests get it from their parents.
const Variable = "LARDER_TEST_POSTGRES"

// errMissing is why no server can be started here.
var errMissing = errors.New("PostgreSQL is not installed (internal/ci/deps.sh installs it)")

// Missing skips a test for want of a server, loudly; in CI it fails.
func Missing(t testing.TB, why error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("NOT TESTED, which CI does not allow: %v", why)
	}
	t.Skipf("NOT TESTED: %v", why)
}

// shared is the server that all tests of a process use which do nothing to it.
var shared struct {
	mu      sync.Mutex // guards the rest
	cluster *Cluster
	err     error
}

// URL returns the URL of a database on a server that all tests of this process share; Stop ends it.
func URL(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(Variable); u != "" {
		return u
	}
	return Shared(t).URL()
}

// Shared returns a server that this process started and all its tests share: that behind [URL], unless [Variable] names
// another.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = Start()
		if shared.err == nil && os.Getenv(Variable) == "" {
			os.Setenv(Variable, shared.cluster.URL())
		}
	}
	switch {
	case errors.Is(shared.err, errMissing):
		Missing(t, shared.err)
	case shared.err != nil:
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// Stop ends the shared server. TestMain calls it.
func Stop() {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cluster != nil {
		if os.Getenv(Variable) == shared.cluster.URL() {
			os.Unsetenv(Variable)
		}
		shared.cluster.Remove()
		shared.cluster = nil
	}
}

// New returns a server of the test's own, which it may stop and start again.
func New(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := Start(settings...)
	if errors.Is(err, errMissing) {
		Missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Remove)
	return c
}

// A Cluster is a server with its data. Nothing is synced to the disk: a kill of the server loses nothing by
// that.
type Cluster struct {
	Dir  string // data/, the socket and logs
	Port int

	bin      string
	settings []string
	server   *process
}

// Start makes a cluster and starts its server, with further settings such as "max_connections=10".
func Start(settings ...string) (*Cluster, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "larder-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, bin: bin, settings: settings}
	if err := c.make(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	for try := 0; ; try++ {
		if c.Port, err = freePort(); err == nil {
			err = c.Start()
		}
		if err == nil || try == 3 { // another may have taken the port
			break
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

// Programs names the directory of a server's programs, such as those of a newer Postgres; else the newest that is installed
// is taken.
const Programs = "LARDER_TEST_POSTGRES_BIN"

// find returns the directory of a server's programs.
func find() (string, error) {
	if dir := os.Getenv(Programs); dir != "" {
		return dir, nil
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int { n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))); return n }
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, name := range []string{"initdb", "pg_ctl"} {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				dirs = append(dirs, filepath.Dir(path))
			}
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errMissing
}

// make makes the data directory.
func (c *Cluster) make() error {
	if err := own(c.Dir); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// own gives a directory to the user of the servers.
func own(dir string) error {
	if id := unprivileged(); id != nil {
		if err := os.Chown(dir, int(id.Uid), int(id.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// Trust puts lines before those of pg_hba.conf, which say who may connect and how. They count once the server reloads it.
func (c *Cluster) Trust(t testing.TB, lines string) {
	t.Helper()
	hba := filepath.Join(c.data(), "pg_hba.conf")
	text, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte(lines), text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Own gives files to the user of the server.
func (c *Cluster) Own(t testing.TB, files ...string) {
	t.Helper()
	id := unprivileged()
	for _, file := range files {
		if id == nil {
			continue
		}
		if err := os.Chown(file, int(id.Uid), int(id.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// unprivileged returns another user where this one is root, whom Postgres refuses; else nil.
func unprivileged() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// Start starts the server, which was stopped, and waits until it answers.
func (c *Cluster) Start() error {
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.Port), "-k", c.Dir}
	settings := append([]string{"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB"}, c.settings...)
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p, err := start(c.Dir, "log", syscall.SIGQUIT, filepath.Join(c.bin, "postgres"), args...)
	if err != nil {
		return err
	}
	c.server = p
	return p.wait(func(ctx context.Context) bool {
		conn, err := pgconn.Connect(ctx, c.URL())
		if err != nil {
			return false
		}
		_ = conn.Close(ctx)
		return true
	})
}

// Stop stops the server: at once, without a checkpoint, or after ending its connections.
func (c *Cluster) Stop(immediately bool) {
	signal := syscall.SIGINT
	if immediately {
		signal = syscall.SIGQUIT
	}
	c.server.stop(signal)
}

// Remove stops the server and removes the cluster.
func (c *Cluster) Remove() {
	c.Stop(true)
	os.RemoveAll(c.Dir)
}

// URL returns the URL of the database postgres by the socket.
func (c *Cluster) URL() string { return c.Database("postgres") }

// Database returns the URL of a database by the socket.
func (c *Cluster) Database(name string) string { return socketURL(c.Dir, c.Port, name) }

func socketURL(dir string, port int, database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s&port=%d", database, url.QueryEscape(dir), port)
}

// TCP returns the URL of the database postgres by TCP.
func (c *Cluster) TCP() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.Port)
}

// freePort returns a port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// With returns a URL with one more parameter.
func With(rawURL, name, value string) string {
	mark := "?"
	if strings.Contains(rawURL, "?") {
		mark = "&"
	}
	return rawURL + mark + name + "=" + url.QueryEscape(value)
}

// patience is how long a server may take to start or end on a busy machine.
const patience = 2 * time.Minute
