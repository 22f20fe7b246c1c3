// Package peer lets the processes of one user talk through a socket in a directory that they share.
//
// What is said are messages: a length of four bytes, little endian, and so many bytes. Where there are no such
// sockets, or too long a path, [Listen] and [Dial] fail, and whoever calls them does without.
package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// A Conn carries messages. One goroutine may read and another write at the same time.
type Conn struct {
	conn net.Conn
	r    *bufio.Reader

	// Of a message whose Read was ended by its deadline.
	begun  bool
	length int
	part   []byte
}

// NewConn returns a Conn over conn, which it owns from now on.
func NewConn(conn net.Conn) *Conn { return &Conn{conn: conn, r: bufio.NewReader(conn)} }

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

// Read reads one message. Memory grows with what came, not with what was announced. Where the deadline ends it in the middle
// of a message, the next Read goes on there.
func (c *Conn) Read() ([]byte, error) {
	if !c.begun {
		length, err := c.r.Peek(4)
		if err != nil {
			return nil, cut(err, len(length))
		}
		n := binary.LittleEndian.Uint32(length)
		if n > MaxMessage {
			return nil, fmt.Errorf("a message of %d bytes is above the limit of %d", n, MaxMessage)
		}
		_, _ = c.r.Discard(4) // they are there
		c.begun, c.length, c.part = true, int(n), make([]byte, 0, min(int(n), c.r.Size()))
	}
	for len(c.part) < c.length {
		room := c.part[len(c.part):min(cap(c.part), c.length)]
		if len(room) == 0 {
			c.part = slices.Grow(c.part, 1)
			continue
		}
		n, err := c.r.Read(room)
		c.part = c.part[:len(c.part)+n]
		if err != nil && len(c.part) < c.length {
			return nil, cut(err, 4)
		}
	}
	message := c.part
	c.begun, c.part = false, nil
	return message, nil
}

// cut returns the error of a Read that ended after n bytes.
func cut(err error, n int) error {
	if errors.Is(err, io.EOF) && n > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// SetReadDeadline ends a Read, also one that waits, at t; the zero time is never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline ends a Write, also one that waits, at t.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// CloseRead ends all that can come: Read returns the messages that have come by now, and then fails.
func (c *Conn) CloseRead() error {
	half, ok := c.conn.(interface{ CloseRead() error })
	if !ok {
		return c.conn.Close()
	}
	return half.CloseRead()
}

// Close ends both directions. What has come and was not read is lost.
func (c *Conn) Close() error { return c.conn.Close() }

// A Place is where a socket lies: a path relative to an open directory. So it can be reached even where
// its whole path is longer than the name of a socket may be, some 100 bytes.
type Place struct {
	Root *os.File
	Path string // relative, with slashes
}
