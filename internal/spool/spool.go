// Package spool turns a stream into a body that a backend can store: seekable, with its sums known.
package spool

import (
	"bytes"
	"fmt"
	"io"

	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/internal/temp"
)

// Memory is how much of a stream is held in memory before it goes to a file.
const Memory = 1 << 20

// A Spool holds a stream that was read to its end.
type Spool struct {
	Body   io.ReadSeeker
	Size   int64
	Digest [32]byte // SHA-256
	Sum    uint32   // CRC-32C

	room Room // nil: in memory
}

// Room is where a stream goes that is too long for memory. It is read from its start once it was written.
type Room interface {
	io.ReadWriteSeeker
	io.Closer
}

// Read reads r to its end, summing it, into memory or, beyond [Memory], into a temporary file in
// dir ("" is the system's directory for temporary files). Closing the Spool removes the file.
func Read(r io.Reader, dir string) (*Spool, error) {
	return ReadTo(r, func() (Room, error) {
		f, err := temp.Create(dir, "larder-spool-*")
		if err != nil {
			return nil, fmt.Errorf("a stream of more than %d bytes needs a temporary file (Options.TempDir or TMPDIR say where): %w", Memory, err)
		}
		return f, nil
	})
}

// ReadTo is [Read] into the room that is made where the memory does not suffice. The Spool closes it; its Body is the
// room itself.
func ReadTo(r io.Reader, make func() (Room, error)) (*Spool, error) {
	var buf bytes.Buffer
	w := sums.NewSummer(&buf)
	n, err := io.CopyN(w, r, Memory)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the stream after %d bytes: %w", n, err)
	}
	s := &Spool{}
	if err == io.EOF {
		s.Body = bytes.NewReader(buf.Bytes())
		s.Digest, s.Sum, s.Size = w.Sums()
		return s, nil
	}
	if s.room, err = make(); err != nil {
		return nil, err
	}
	s.Body = s.room
	if err := s.fill(w, &buf, r); err != nil {
		s.room.Close()
		return nil, err
	}
	s.Digest, s.Sum, s.Size = w.Sums()
	return s, nil
}

// fill writes what was read, and the rest of r, to the room.
func (s *Spool) fill(w *sums.Summer, read *bytes.Buffer, r io.Reader) error {
	if _, err := s.room.Write(read.Bytes()); err != nil {
		return fmt.Errorf("keep the stream: %w", err)
	}
	*read = bytes.Buffer{} // given back before the long part
	w.Redirect(nil)
	return beside(w, s.room, r)
}

// Close gives up the room, if there is one.
func (s *Spool) Close() error {
	if s.room == nil {
		return nil
	}
	return s.room.Close()
}

// What is read and written at a time, and how much of it may wait to be summed.
const (
	piece  = 256 << 10
	pieces = 4
)

// beside copies r to room and sums it in a second goroutine meanwhile: SHA-256 is slower than most disks are for as
// long as they write to memory.
func beside(w *sums.Summer, room io.Writer, r io.Reader) error {
	free, full := make(chan []byte, pieces), make(chan []byte, pieces)
	for range pieces {
		free <- nil // made when it is needed
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for b := range full {
			w.Write(b) // to nowhere: it cannot fail
			free <- b
		}
	}()
	defer func() {
		close(full)
		<-ended
	}()
	for n := int64(Memory); ; {
		b := <-free
		if b == nil {
			b = make([]byte, piece)
		}
		got, err := io.ReadFull(r, b[:piece])
		n += int64(got)
		if got > 0 {
			if _, err := room.Write(b[:got]); err != nil {
				return fmt.Errorf("keep the stream: %w", err)
			}
			full <- b[:got]
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return fmt.Errorf("read the stream after %d bytes: %w", n, err)
		}
	}
}
