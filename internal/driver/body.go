package driver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/larder-store/larder/backend"
)

// Body is the body of a Put on its way into a Bucket: a seekable reader of exactly Size
// bytes. A source that is shorter or longer fails before its last byte is handed out,
// so that no server ever has a whole object of a wrong body. After the Put returned it
// leaves the source alone, whatever an HTTP transport still does with it.
type Body struct {
	size int64
	at   io.ReaderAt // the source again; nil if it cannot

	life sync.RWMutex // held for reading while the source is in use
	over bool         // guarded by life

	mu   sync.Mutex // guards the rest, and the position of src
	src  io.ReadSeeker
	off  int64 // of the next byte to hand out
	pos  int64 // where src stands
	sent bool  // the last byte was handed out since the start was
	err  error // what is wrong with the source
}

var errOver = errors.New("the body is read after its Put returned")

// NewBody wraps the body of a Put. An empty one is checked here, since it will not be read.
func NewBody(src io.ReadSeeker, size int64) (*Body, error) {
	b := &Body{size: size, src: src}
	b.at, _ = src.(io.ReaderAt)
	if err := b.stand(0); err != nil {
		return nil, err
	}
	if size == 0 {
		b.sent = true
		return b, b.atEnd()
	}
	return b, nil
}

// Finish forbids further reads of the source, once none is under way.
func (b *Body) Finish() {
	b.life.Lock()
	defer b.life.Unlock()
	b.over = true
}

// Source is the body that was given to the Put, for a bucket that knows it. It must leave it as it is.
func (b *Body) Source() io.ReadSeeker { return b.src }

// Size is the length in bytes.
func (b *Body) Size() int64 { return b.size }

// Err returns what was wrong with the source, so that this is not taken for a failure
// of the server.
func (b *Body) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Sent reports whether the whole body was handed out since it was last rewound.
func (b *Body) Sent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent
}

// MarkSent says that the body was handed out in parts.
func (b *Body) MarkSent() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = true
}

// Read implements [io.Reader].
func (b *Body) Read(p []byte) (int, error) {
	b.life.RLock()
	defer b.life.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.over:
		return 0, errOver
	case b.err != nil:
		return 0, b.err
	case b.off == b.size:
		return 0, io.EOF
	}
	if b.pos != b.off {
		if err := b.stand(b.off); err != nil {
			return 0, err
		}
	}
	n, err := b.src.Read(p[:min(int64(len(p)), b.size-b.off)])
	b.off += int64(n)
	b.pos = b.off
	switch {
	case b.off == b.size:
		if err := b.atEnd(); err != nil {
			return 0, err
		}
		b.sent = true
		return n, nil
	case err == io.EOF:
		err = b.short(b.off)
	}
	if err != nil {
		b.err = err
	}
	return n, err
}

// stand puts the source where the next byte is read. mu is held, or b is not shared yet.
func (b *Body) stand(off int64) error {
	if _, err := b.src.Seek(off, io.SeekStart); err != nil {
		b.err = fmt.Errorf("rewind the body: %w", err)
		return b.err
	}
	b.pos = off
	return nil
}

// Seek implements [io.Seeker]. The source follows when it is read: SDKs seek to the end and back to
// learn a length, and all that a source must be able to do is to begin again.
func (b *Body) Seek(off int64, whence int) (int64, error) {
	b.life.RLock()
	defer b.life.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += b.off
	case io.SeekEnd:
		off += b.size
	}
	switch {
	case b.over:
		return 0, errOver
	case off < 0 || off > b.size:
		return 0, fmt.Errorf("seek to %d in a body of %d bytes", off, b.size)
	}
	b.off = off
	if off == 0 {
		b.sent = b.size == 0
	}
	return off, nil
}

// Part returns a reader of n bytes from off on. Parts of a source that is an
// [io.ReaderAt] are views that may be read at the same time; of any other they are copies.
func (b *Body) Part(off, n int64) (*io.SectionReader, error) {
	if b.at != nil {
		if off+n == b.size {
			if err := b.nothingAfter(); err != nil {
				return nil, err
			}
		}
		return io.NewSectionReader(bodyAt{b}, off, n), nil
	}
	if _, err := b.Seek(off, io.SeekStart); err != nil {
		return nil, err
	}
	part := make([]byte, n)
	if _, err := io.ReadFull(b, part); err != nil {
		return nil, err
	}
	return io.NewSectionReader(bytes.NewReader(part), 0, n), nil
}

// bodyAt reads the source of a Body at any offset.
type bodyAt struct{ b *Body }

func (a bodyAt) ReadAt(p []byte, off int64) (int, error) {
	b := a.b
	b.life.RLock()
	defer b.life.RUnlock()
	if b.over {
		return 0, errOver
	}
	n, err := b.at.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		err = b.short(off + int64(n))
	}
	b.fail(err)
	return n, err
}

func (b *Body) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *Body) short(n int64) error {
	return fmt.Errorf("body ended after %d of %d bytes: %w", n, b.size, io.ErrUnexpectedEOF)
}

// atEnd makes sure that the source, which stands at size, ends there. mu is held, or
// b is not shared yet.
func (b *Body) atEnd() error {
	var probe [1]byte
	n, err := io.ReadFull(b.src, probe[:])
	return b.ends(n, err)
}

// nothingAfter is atEnd for a source read by ReadAt.
func (b *Body) nothingAfter() error {
	var probe [1]byte
	n, err := b.at.ReadAt(probe[:], b.size)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ends(n, err)
}

func (b *Body) ends(n int, err error) error {
	switch {
	case n > 0:
		b.err = fmt.Errorf("%w of %d bytes", backend.ErrTooLong, b.size)
	case err != io.EOF:
		b.err = err
	}
	return b.err
}
