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

// name returns a name of the socket that is short enough even with the end of a draft.
func (p Place) name() (string, error) {
	name := filepath.Join(p.Root.Name(), p.Path)
	if len(name)+len(draft) > maxName || !filepath.IsAbs(name) {
		name = fmt.Sprintf("/proc/self/fd/%d/%s", p.Root.Fd(), p.Path)
	}
	if len(name)+len(draft) > maxName {
		return "", fmt.Errorf("the path %s is too long for a socket", p.Path)
	}
	return name, nil
}

// draft is the end of the name of a socket at which nobody listens yet.
const draft = "~"

// A Listener is a socket that others of the same user connect to.
type Listener struct {
	l    *net.UnixListener
	name string
}

// Listen makes the socket, with permissions for its owner alone, in place of one that a process left there which died. Nobody else may
// listen there at the same time. A socket that stands under its name can be connected to until its process closes it, or dies.
func Listen(at Place) (*Listener, error) {
	name, err := at.name()
	if err != nil {
		return nil, err
	}
	drafted := name + draft
	if err := os.Remove(drafted); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: drafted, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(drafted, 0o600), os.Rename(drafted, name)); err != nil {
		l.Close()
		os.Remove(drafted)
		return nil, err
	}
	return &Listener{l, name}, nil
}

// Accept waits for the next connection. Those of other users are closed.
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
func (l *Listener) Close() error { return errors.Join(os.Remove(l.name), l.l.Close()) }

// Dial connects to the socket, if one of the same user listens there.
func Dial(at Place) (*Conn, error) {
	name, err := at.name()
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
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
