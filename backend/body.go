package backend

import (
	"fmt"
	"io"
)

// A Body is the reader that [Backend.Get] returns for a value that is in memory as a
// whole. A caller that wants all of it takes the slice instead of copying it.
type Body struct {
	b   []byte
	off int
}

// NewBody returns a Body over b, which from now on belongs to the reader.
func NewBody(b []byte) *Body { return &Body{b: b} }

// Reset makes the Body one over p.
func (b *Body) Reset(p []byte) { *b = Body{b: p} }

// Read implements [io.Reader].
func (b *Body) Read(p []byte) (int, error) {
	if b.off >= len(b.b) {
		return 0, io.EOF
	}
	n := copy(p, b.b[b.off:])
	b.off += n
	return n, nil
}

// WriteTo implements [io.WriterTo].
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b.Take())
	return int64(n), err
}

// Close implements [io.Closer]. It may be called again.
func (b *Body) Close() error { return nil }

// Take returns what was not read yet, without a copy, and leaves the Body at its end.
func (b *Body) Take() []byte {
	rest := b.b[b.off:]
	b.off = len(b.b)
	return rest
}

// ReadBody returns a copy of the whole body of a Put: rewound, read to its end
// and held to size. It is for values that a backend keeps inline.
func ReadBody(body io.ReadSeeker, size int64) ([]byte, error) {
	if err := holds(body, size); err != nil {
		return nil, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind the body: %w", err)
	}
	b := make([]byte, size)
	if n, err := io.ReadFull(body, b); err != nil {
		return nil, shortBody(int64(n), size, err)
	}
	return b, atEnd(body, size)
}

// trusted is how much memory is taken on the word of a stated size alone.
const trusted = 1 << 20

// holds makes sure that a large body is there before memory is taken for it: a wrong
// size must be an error, not a panic.
func holds(body io.Seeker, size int64) error {
	if size <= trusted {
		return nil
	}
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("find the end of the body: %w", err)
	}
	if end < size {
		return shortBody(end, size, io.EOF)
	}
	return nil
}

// CopyBody writes the whole body of a Put to dst: rewound, read to its end and
// held to size. On an error dst may have got some of it.
func CopyBody(dst io.Writer, body io.ReadSeeker, size int64) error {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind the body: %w", err)
	}
	if n, err := io.CopyN(dst, body, size); err != nil {
		return shortBody(n, size, err)
	}
	return atEnd(body, size)
}

// shortBody distinguishes the end of the body from any other error.
func shortBody(n, size int64, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("body ended after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	return err
}

// atEnd makes sure that nothing follows the size bytes that were read.
func atEnd(body io.Reader, size int64) error {
	var probe [1]byte
	switch n, err := io.ReadFull(body, probe[:]); {
	case n > 0:
		return fmt.Errorf("%w of %d bytes", ErrTooLong, size)
	case err != io.EOF:
		return err
	}
	return nil
}
