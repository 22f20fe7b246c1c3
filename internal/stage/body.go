package stage

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
)

// body is many segments, files mostly, read as one. At any time one is open.
type body struct {
	segments []segment
	size     int64
	check    func() error // asked at the end of each reading; nil: nothing

	progress func(int64) // called with how much was read since the start; may be nil
	done     int64

	at   int           // the segment that is read
	left int64         // bytes of it that are still to come
	open io.ReadCloser // nil before its first byte
	hash hash.Hash     // of what was read of it; nil if nobody asks
}

type segment struct {
	size int64
	open func() (io.ReadCloser, error)
	file *File // the output that it is, if it is one
}

var errChanged = errors.New("an output changed after the command had ended")

func (b *body) add(s segment) {
	b.segments = append(b.segments, s)
	b.size += s.size
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	for b.at < len(b.segments) {
		s := &b.segments[b.at]
		if b.open == nil {
			r, err := s.open()
			if errors.Is(err, fs.ErrNotExist) {
				return 0, fmt.Errorf("%w: %w", errChanged, err)
			}
			if err != nil {
				return 0, err
			}
			b.open, b.left, b.hash = r, s.size, nil
			if s.file != nil && s.file.SHA256 == [sha256.Size]byte{} { // only in the first reading
				b.hash = sha256.New()
			}
		}
		if b.left == 0 {
			if err := b.end(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := b.open.Read(p[:min(int64(len(p)), b.left)])
		if b.hash != nil {
			b.hash.Write(p[:n])
		}
		b.left -= int64(n)
		b.done += int64(n)
		if b.progress != nil {
			b.progress(b.done)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if err == io.EOF {
			return 0, fmt.Errorf("%w: it became shorter", errChanged)
		}
		if err != nil {
			return 0, err
		}
	}
	if b.check != nil {
		if err := b.check(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// end makes sure that the segment ends here, and goes on to the next.
func (b *body) end() error {
	var probe [1]byte
	if n, _ := b.open.Read(probe[:]); n > 0 {
		return fmt.Errorf("%w: it became longer", errChanged)
	}
	if b.hash != nil {
		b.hash.Sum(b.segments[b.at].file.SHA256[:0])
	}
	b.Close()
	b.at++
	return nil
}

// files returns the outputs among the segments, once they were read.
func (b *body) files() []File {
	var all []File
	for _, s := range b.segments {
		if s.file != nil {
			all = append(all, *s.file)
		}
	}
	return all
}

// Seek implements [io.Seeker], for the start and the end alone: it is all that hashing, measuring and
// retrying need.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence == io.SeekCurrent {
		return 0, errors.New("only a seek to the start or the end is possible")
	}
	b.Close()
	if whence == io.SeekEnd {
		b.at, b.done = len(b.segments), b.size
		return b.size, nil
	}
	b.at, b.done = 0, 0
	return 0, nil
}

// Close closes what is open.
func (b *body) Close() error {
	if b.open == nil {
		return nil
	}
	err := b.open.Close()
	b.open = nil
	return err
}
