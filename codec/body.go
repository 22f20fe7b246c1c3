package codec

import (
	"errors"
	"fmt"
	"io"
)

// step is how much is read or written at a time: what was just checksummed or is about
// to be is then still in the second-level cache. With 8 MB read and checksummed,
// 256 KiB steps took 0.99 ms where one pass after the other took 1.22 ms.
const step = 256 << 10

// body is a header followed by rows of equal length, which are views of the
// memory of the encoded value: nothing is copied until it is read.
type body struct {
	head  []byte
	rows  [][]byte
	width int   // length of each row
	pos   int64 // next byte to read
}

// newBody makes a body of rows of equal length.
func newBody(head []byte, rows ...[]byte) *body {
	b := &body{head: head, rows: rows}
	if len(rows) > 0 {
		b.width = len(rows[0])
	}
	return b
}

func (b *body) size() int64 {
	return int64(len(b.head)) + int64(len(b.rows))*int64(b.width)
}

// at returns what lies at an offset, up to the end of the header or row, at
// most a step. It is empty at the end.
func (b *body) at(off int64) []byte {
	var part []byte
	if rest := off - int64(len(b.head)); rest < 0 {
		part = b.head[off:]
	} else if b.width > 0 && rest/int64(b.width) < int64(len(b.rows)) {
		part = b.rows[rest/int64(b.width)][rest%int64(b.width):]
	}
	return part[:min(len(part), step)]
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadAt(p, b.pos)
	b.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements [io.ReaderAt].
func (b *body) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d: it is negative", off)
	}
	n := 0
	for n < len(p) {
		part := b.at(off + int64(n))
		if len(part) == 0 {
			return n, io.EOF
		}
		n += copy(p[n:], part)
	}
	return n, nil
}

// WriteTo implements [io.WriterTo]. It hands the value's own memory to w.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	start := b.pos
	for {
		part := b.at(b.pos)
		if len(part) == 0 {
			return b.pos - start, nil
		}
		n, err := w.Write(part)
		b.pos += int64(n)
		if err == nil && n < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return b.pos - start, err
		}
	}
}

// Seek implements [io.Seeker].
func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += b.pos
	case io.SeekEnd:
		offset += b.size()
	default:
		return 0, fmt.Errorf("seek: whence %d is none", whence)
	}
	if offset < 0 {
		return 0, errors.New("seek: before the start")
	}
	b.pos = offset
	return offset, nil
}
