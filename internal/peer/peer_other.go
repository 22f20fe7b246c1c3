//go:build !linux

package peer

import "errors"

// A Listener is a socket that others of the same user connect to.
type Listener struct{}

// Listen fails: only Linux tells the user at the other end.
func Listen(Place) (*Listener, error) { return nil, errors.ErrUnsupported }

// Accept fails.
func (*Listener) Accept() (*Conn, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Listener) Close() error { return nil }

// Dial fails.
func Dial(Place) (*Conn, error) { return nil, errors.ErrUnsupported }
