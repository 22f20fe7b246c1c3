// Package spool turns a stream into a body that a backend can store: seekable, with its sums known.
package spool

import (
	"bytes"
	"fmt"
	"io"

	"github.com/larder-store/larder/internal/sums"
	"github.com/larder-store/larder/internal/temp"
)

// memory is how much of a stream is held in memory before it goes to a file.
const memory = 1 << 20

// A Spool holds a stream that was read to its end.
type Spool struct {
	Body   io.ReadSeeker
	Size   int64
	Digest [32]byte // SHA-256
	Sum    uint32   // CRC-32C

	file *temp.File // nil: in memory
}

// Read reads r to its end, summing it, into memory or, beyond 1 MiB, into a temporary file in
// dir ("" is the system's directory for temporary files). Closing the Spool removes the file.
func Read(r io.Reader, dir string) (*Spool, error) {
	var buf bytes.Buffer
	w := sums.NewSummer(&buf)
	n, err := io.CopyN(w, r, memory)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the stream after %d bytes: %w", n, err)
	}
	s := &Spool{}
	if err == io.EOF {
		s.Body = bytes.NewReader(buf.Bytes())
		s.Digest, s.Sum, s.Size = w.Sums()
		return s, nil
	}
	f, err := temp.Create(dir, "larder-spool-*")
	if err != nil {
		return nil, fmt.Errorf("a stream of more than %d bytes needs a temporary file (Options.TempDir or TMPDIR say where): %w", memory, err)
	}
	s.Body, s.file = f, f
	if err := s.fill(w, &buf, r); err != nil {
		f.Close()
		return nil, fmt.Errorf("spool the stream to %s: %w", f.Name(), err)
	}
	s.Digest, s.Sum, s.Size = w.Sums()
	return s, nil
}

// fill writes what was read, and the rest of r, to the file.
func (s *Spool) fill(w *sums.Summer, read *bytes.Buffer, r io.Reader) error {
	if _, err := s.file.Write(read.Bytes()); err != nil {
		return err
	}
	*read = bytes.Buffer{} // given back before the long part
	w.Redirect(s.file)
	_, err := io.CopyBuffer(w, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return err
}

// Close removes the file, if there is one.
func (s *Spool) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
