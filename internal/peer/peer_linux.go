package peer

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxName bounds the path of a socket: sun_path of unix(7) has 108 bytes, with a zero at its end.
const maxName = 107

// address returns a name of the socket that is short enough.
func (p Place) address() (*net.UnixAddr, error) {
	name := filepath.Join(p.Root.Name(), p.Path)
	if len(name) > maxName || !filepath.IsAbs(name) {
		name = fmt.Sprintf("/proc/self/fd/%d/%s", p.Root.Fd(), p.Path)
	}
	if len(name) > maxName {
		return nil, fmt.Errorf("the path %s is too long for a socket", p.Path)
	}
	return &net.UnixAddr{Name: name, Net: "unix"}, nil
}

// A Listener is a socket that others of the same user connect to.
type Listener struct{ l *net.UnixListener }

// Listen makes the socket, with permissions for its owner alone, in place of one that a process left there which died. Nobody else may
// listen there at the same time.
func Listen(at Place) (*Listener, error) {
	a, err := at.address()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(a.Name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", a)
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(true)
	if err := os.Chmod(a.Name, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return &Listener{l}, nil
}

// Accept waits for the next one who connects. Other users are turned away.
func (l *Listener) Accept() (*Conn, error) {
	for {
		conn, err := l.l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if checkPeer(conn) == nil {
			return NewConn(conn), nil
		}
		conn.Close()
	}
}

// Close removes the socket, and ends Accept.
func (l *Listener) Close() error { return l.l.Close() }

// Dial connects to the socket, if one of the same user listens there.
func Dial(at Place) (*Conn, error) {
	a, err := at.address()
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unix", nil, a)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return NewConn(conn), nil
}

// checkPeer makes sure that the process at the other end is one of this user.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var who *unix.Ucred
	if controlErr := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); controlErr != nil {
		return controlErr
	}
	if err != nil {
		return err
	}
	if int(who.Uid) != os.Geteuid() {
		return fmt.Errorf("the process %d at the other end is of another user, %d", who.Pid, who.Uid)
	}
	return nil
}
