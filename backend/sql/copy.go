package sql

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// copyReader is rows in the format of COPY .. FROM STDIN BINARY. pgx's own copy boxes and looks up the type of each value, which
// takes three times as long as what is done here (measured).
type copyReader struct {
	append func(n int, b []byte) []byte // appends row n
	n, of  int                          // rows that were appended, and all
	b      []byte                       // not read yet
	buf    []byte
}

// copyChunk is what is encoded at a time; pgx sends less at once.
const copyChunk = 64 << 10

// copyHeader is the signature, no flags, and no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func newCopyReader(of int, append func(n int, b []byte) []byte) *copyReader {
	return &copyReader{append: append, of: of, b: []byte(copyHeader)}
}

// Read implements [io.Reader].
func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		r.b = r.fill()
	}
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func (r *copyReader) fill() []byte {
	b := r.buf[:0]
	for r.n < r.of && len(b) < copyChunk {
		b = r.append(r.n, b)
		if r.n++; r.n == r.of {
			b = appendUint16(b, 0xffff) // the end
		}
	}
	r.buf = b
	return b
}

func appendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func appendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// The fields of a row: a length, and as many bytes. Texts are their own bytes.
func appendNull(b []byte) []byte { return appendUint32(b, 0xffffffff) }

func appendField[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(appendUint32(b, uint32(len(v))), v...)
}

func appendBigint(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(appendUint32(b, 8), uint64(v))
}

func appendBool(b []byte, v bool) []byte {
	b = appendUint32(b, 1)
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendTime appends a timestamptz: microseconds since 2000.
func appendTime(b []byte, t time.Time) []byte {
	return appendBigint(b, t.UnixMicro()-epoch)
}

// epoch is 2000-01-01 in microseconds of Unix.
const epoch = 946684800 * 1_000_000

// appendSized appends a field that is as long as what value appends.
func appendSized(b []byte, value func(b []byte) []byte) []byte {
	at := len(b)
	b = value(appendUint32(b, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// appendTexts appends a text[].
func appendTexts(b []byte, texts []string) []byte {
	return appendSized(b, func(b []byte) []byte {
		dimensions := uint32(min(len(texts), 1))
		b = appendUint32(appendUint32(appendUint32(b, dimensions), 0), pgtype.TextOID) // none is NULL
		if dimensions > 0 {
			b = appendUint32(appendUint32(b, uint32(len(texts))), 1) // counted from 1
		}
		for _, text := range texts {
			b = appendField(b, text)
		}
		return b
	})
}
