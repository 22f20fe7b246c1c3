// Package peer lets the processes of one user talk through a socket in a directory that they share.
//
// What is said are messages: a length of four bytes, little endian, and so many bytes. Where there are no such
// sockets, or too long a path, [Listen] and [Dial] fail, and whoever calls them does without.
package peer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// A Conn carries messages. One goroutine may read and another write at the same time.
type Conn struct {
	conn net.Conn
	r    *bufio.Reader
}

// NewConn returns a Conn over conn, which it owns from now on.
func NewConn(conn net.Conn) *Conn { return &Conn{conn, bufio.NewReader(conn)} }

// MaxMessage bounds a message, in bytes: a batch of values, with room for what belongs to them.
const MaxMessage = 32 << 20

// Write writes one message. After an error the other side does not have it whole.
func (c *Conn) Write(message []byte) error {
	if len(message) > MaxMessage {
		return fmt.Errorf("a message of %d bytes is above the limit of %d", len(message), MaxMessage)
	}
	framed := make([]byte, 4, 4+len(message)) // one system call, and one wake-up of the other side
	binary.LittleEndian.PutUint32(framed, uint32(len(message)))
	_, err := c.conn.Write(append(framed, message...))
	return err
}

// Read reads one message. Memory grows with what came, not with what was announced.
func (c *Conn) Read() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.r, length[:]); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	if n > MaxMessage {
		return nil, fmt.Errorf("a message of %d bytes is above the limit of %d", n, MaxMessage)
	}
	if n <= int64(c.r.Size()) {
		message := make([]byte, n)
		_, err := io.ReadFull(c.r, message)
		return message, err
	}
	message, err := io.ReadAll(io.LimitReader(c.r, n))
	if err == nil && int64(len(message)) < n {
		err = io.ErrUnexpectedEOF
	}
	return message, err
}

// SetReadDeadline ends a Read, also one that waits, at t; the zero time is never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline ends a Write, also one that waits, at t.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// Close ends both directions.
func (c *Conn) Close() error { return c.conn.Close() }

// A Place is where a socket lies: a path relative to an open directory. So it can be reached even where
// its whole path is longer than the name of a socket may be, some 100 bytes.
type Place struct {
	Root *os.File
	Path string // relative, with slashes
}
