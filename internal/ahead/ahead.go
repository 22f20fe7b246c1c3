// Package ahead is a body that is written in the directory where it will lie, before it has its name; see
// backend.Draft, which a File is but for its end.
package ahead

import (
	"errors"
	"io"
	"os"
)

// A File is an open file that is written at its end and read from anywhere. Bytes before its body are left free for
// what goes in front of it.
type File struct {
	f *os.File

	start  int64 // of the body
	size   int64 // of the body
	pos    int64 // next byte of the body to read
	begun  int64 // up to here the system was told to write the body to the disk
	flush  bool  // it is told
	sealed bool  // it has its name: nothing may change any longer
}

// behind is how much is written before the disk is told to begin. Less makes for more calls than it gains; more
// leaves more for the fsync at the end.
const behind = 8 << 20

// New makes a File of an empty one. The first start bytes are left free. If flush is true, the disk begins to write
// while the body still grows, so that little is left for an fsync at its end.
func New(f *os.File, start int64, flush bool) *File { return &File{f: f, start: start, flush: flush} }

// ErrSealed is a write to what has its name.
var ErrSealed = errors.New("the draft was stored; it cannot be changed")

// Write appends to the body.
func (f *File) Write(p []byte) (int, error) {
	if f.sealed {
		return 0, ErrSealed
	}
	n, err := f.f.WriteAt(p, f.start+f.size)
	f.size += int64(n)
	if due := f.size - f.begun; f.flush && due >= behind {
		startWriting(f.f, f.start+f.begun, due)
		f.begun = f.size
	}
	return n, err
}

// File is the open file, for a name to be given to it and for an fsync.
func (f *File) File() *os.File { return f.f }

// Size is the length of the body.
func (f *File) Size() int64 { return f.size }

// Seal forbids to write any more.
func (f *File) Seal() { f.sealed = true }

// Sealed reports whether it was sealed.
func (f *File) Sealed() bool { return f.sealed }

// WriteFront writes what goes in front of the body. It must not be longer than what was left free.
func (f *File) WriteFront(p []byte) error {
	if f.sealed {
		return ErrSealed
	}
	_, err := f.f.WriteAt(p, 0)
	return err
}

// Read implements [io.Reader].
func (f *File) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements [io.ReaderAt] on the body.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(f.f, f.start, f.size).ReadAt(p, off)
}

// Seek implements [io.Seeker] on the body.
func (f *File) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += f.pos
	case io.SeekEnd:
		off += f.size
	default:
		return 0, errors.New("seek: no such whence")
	}
	if off < 0 {
		return 0, errors.New("seek: before the start")
	}
	f.pos = off
	return off, nil
}

// WriteTo implements [io.WriterTo].
func (f *File) WriteTo(w io.Writer) (int64, error) {
	rest := io.NewSectionReader(f.f, f.start+f.pos, f.size-f.pos)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{rest}, make([]byte, 256<<10))
	f.pos += n
	return n, err
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }
