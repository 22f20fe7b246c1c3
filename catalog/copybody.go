package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/larder-store/larder/backend"
)

// readAhead is the size up to which values are read before they are put: a backend has those in memory.
const readAhead = 64 << 10

// errOverwritten: the source holds another value than the one that was listed.
var errOverwritten = errors.New("overwritten in the source meanwhile")

// sourceBody is a value of the source as the body of a Put. It is read as it is sent, and again from the start where the Put
// rewinds; its last byte is not delivered before its checksum and digest matched. err says why reading failed.
type sourceBody struct {
	ctx  context.Context
	b    backend.Backend
	info backend.Info // of the value; open sets it, unless it is known
	err  error

	r    io.ReadCloser // nil: not open
	sha  hash.Hash
	read int64 // from r
	pos  int64 // of the next Read
}

// open begins to read. A value in memory is checked at once.
func (s *sourceBody) open() error {
	body, info, err := s.b.Get(s.ctx, s.info.Key)
	if err != nil {
		return s.fail(err)
	}
	if known(s.info) && (info.Digest != s.info.Digest || info.Size != s.info.Size) {
		body.Close()
		return s.fail(errOverwritten)
	}
	s.info = info
	_, inMemory := body.(*backend.Body)
	if s.r, err = backend.Verify(body, info); err != nil {
		s.r = nil
		return s.fail(err)
	}
	s.sha, s.read = sha256.New(), 0
	if inMemory {
		whole := s.r.(*backend.Body)
		all := whole.Take()
		s.sha.Write(all)
		whole.Reset(all)
	}
	if inMemory || info.Size == 0 {
		return s.fail(s.digestOf(info))
	}
	return nil
}

// digestOf fails if what was read has another digest.
func (s *sourceBody) digestOf(info backend.Info) error {
	if sum := s.sha.Sum(nil); !bytes.Equal(sum, info.Digest[:]) {
		return fmt.Errorf("%w: the SHA-256 of %q is %x, stored as %x", backend.ErrCorrupt, info.Key, sum, info.Digest)
	}
	return nil
}

func (s *sourceBody) fail(err error) error {
	if err != nil {
		s.err = err
		s.Close()
	}
	return err
}

// Read implements [io.Reader].
func (s *sourceBody) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.pos >= s.info.Size {
		return 0, io.EOF
	}
	if err := s.seek(); err != nil {
		return 0, err
	}
	n, err := s.step(p)
	s.pos += int64(n)
	return n, err
}

// seek makes the next step begin at pos.
func (s *sourceBody) seek() error {
	if s.r == nil || s.read > s.pos {
		s.Close()
		if err := s.open(); err != nil {
			return err
		}
	}
	for skip := []byte(nil); s.read < s.pos; {
		if skip == nil {
			skip = make([]byte, 64<<10)
		}
		if _, err := s.step(skip[:min(int64(len(skip)), s.pos-s.read)]); err != nil {
			return err
		}
	}
	return nil
}

// step reads on.
func (s *sourceBody) step(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read += int64(n)
	if _, inMemory := s.r.(*backend.Body); inMemory {
		return n, s.fail(err)
	}
	s.sha.Write(p[:n])
	if s.read == s.info.Size {
		if err := s.fail(s.digestOf(s.info)); err != nil {
			return 0, err
		}
		s.Close()
		return n, nil
	}
	return n, s.fail(err)
}

// all returns the whole value, if it has at most so many bytes.
func (s *sourceBody) all(most int64) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	if s.info.Size > most {
		return nil, s.fail(fmt.Errorf("%w: %q has %d bytes, a description at most %d", backend.ErrCorrupt, s.info.Key, s.info.Size, most))
	}
	var text bytes.Buffer
	_, err := io.Copy(&text, s)
	s.pos = 0
	return text.Bytes(), err
}

// Seek implements [io.Seeker].
func (s *sourceBody) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.info.Size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning of the value")
	}
	s.pos = offset
	return offset, nil
}

// Close gives up what is open. The next Read opens it anew.
func (s *sourceBody) Close() error {
	if s.r == nil {
		return nil
	}
	err := s.r.Close()
	s.r = nil
	return err
}

// named makes sure that a description bears the name of its digest, if its name is one.
func named(info backend.Info) error {
	name := info.Key.Name
	if info.Key.Shelf != backend.ShelfComponents || len(name) != idLength || !known(info) || name == hex.EncodeToString(info.Digest[:]) {
		return nil
	}
	return fmt.Errorf("%w: it describes the component %x", backend.ErrCorrupt, info.Digest)
}
