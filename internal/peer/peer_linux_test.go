package peer_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/larder-store/larder/internal/peer"
)

// The test binary runs itself as a process of another user.
const dialVariable = "PEER_TEST_DIAL"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dialVariable); dir != "" {
		root, err := os.Open(dir)
		if err == nil {
			_, err = peer.Dial(peer.Place{Root: root, Path: "s"})
		}
		if err != nil {
			os.Stdout.WriteString(err.Error())
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func place(t *testing.T, dir, path string) peer.Place {
	t.Helper()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return peer.Place{Root: root, Path: path}
}

// listen listens at a place and accepts one connection.
func listen(t *testing.T, at peer.Place) (l *peer.Listener, accepted <-chan *peer.Conn) {
	t.Helper()
	l, err := peer.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan *peer.Conn, 1)
	go func() {
		defer close(conns)
		if c, err := l.Accept(); err == nil {
			conns <- c
		}
	}()
	return l, conns
}

func TestMessages(t *testing.T) {
	for name, dir := range map[string]string{"short": t.TempDir(), "long": filepath.Join(t.TempDir(), strings.Repeat("long/", 40))} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			at := place(t, dir, "sub/s")
			l, accepted := listen(t, at)
			c, err := peer.Dial(at)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			other := <-accepted
			fi, err := os.Lstat(filepath.Join(dir, "sub", "s"))
			if err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("the socket: %v, %v, want permissions for its owner alone", fi, err)
			}
			for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
				want := bytes.Repeat([]byte{7}, n)
				go c.Write(want)
				if got, err := other.Read(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, %v, want %d", len(got), err, n)
				}
			}
			if err := c.Write(make([]byte, peer.MaxMessage+1)); err == nil {
				t.Error("a message above the limit was written")
			}
			other.Close()
			if _, err := c.Read(); !errors.Is(err, io.EOF) {
				t.Errorf("read at the end: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "sub", "s")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
			if _, err := peer.Dial(at); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("dial nobody: %v", err)
			}
		})
	}
}

// TestHostileLength: memory grows with what came, not with what was announced.
func TestHostileLength(t *testing.T) {
	for name, raw := range map[string]string{
		"beyond the limit": "\xff\xff\xff\xff",
		"cut in its body":  "\x00\x00\x00\x01xyz",
		"cut in a small":   "\x09\x00\x00\x00xyz",
		"cut in its head":  "\x09\x00",
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			go func() {
				io.WriteString(there, raw)
				there.Close()
			}()
			c := peer.NewConn(here)
			defer c.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.Read()
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it was read")
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("%d bytes were allocated", got)
			}
		})
	}
}

// TestLeftSocket: one that a process left there which died is replaced.
func TestLeftSocket(t *testing.T) {
	dir := t.TempDir()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s")}); err != nil {
		t.Fatal(err)
	}
	syscall.Close(fd)
	at := place(t, dir, "s")
	if _, err := peer.Dial(at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial the dead: %v", err)
	}
	l, accepted := listen(t, at)
	c, err := peer.Dial(at)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	(<-accepted).Close()
	l.Close()
}

// TestOtherUser: a process of another user is turned away on both sides, whatever the permissions are.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // which the testing package made
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, accepted := listen(t, place(t, dir, "s"))
	if err := os.Chmod(filepath.Join(dir, "s"), 0o777); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "test") // where the other user can run it
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), dialVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is of another user, 0") {
		t.Errorf("another user's dial: %q, %v, want to be turned away", out, err)
	}
	l.Close()
	if c, ok := <-accepted; ok {
		c.Close()
		t.Error("another user was let in")
	}
}

// TestReadGoesOn: a Read that its deadline ended in the middle of a message is gone on with by the next.
func TestReadGoesOn(t *testing.T) {
	for name, size := range map[string]int{"short": 100, "long": 100_000} {
		for _, part := range []int{0, 2, 4, 50} {
			t.Run(name+"/"+strconv.Itoa(part), func(t *testing.T) {
				here, there := net.Pipe()
				defer there.Close()
				c := peer.NewConn(here)
				defer c.Close()
				want := bytes.Repeat([]byte("message "), size/8)
				framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(want))), want...)
				ended := make(chan error, 1)
				go func() {
					_, err := there.Write(framed[:part])
					ended <- err
				}()
				c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("a part: %v, want %v", err, os.ErrDeadlineExceeded)
				}
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				go func() {
					_, err := there.Write(framed[part:])
					ended <- err
				}()
				c.SetReadDeadline(time.Time{})
				if got, err := c.Read(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, %v, want %d", len(got), err, len(want))
				}
				<-ended
			})
		}
	}
}
