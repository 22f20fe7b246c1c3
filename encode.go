package larder

import (
	"context"
	"errors"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/spool"
	"github.com/larder-store/larder/internal/sums"
)

// encoded is a value with all that a backend wants to know of it.
type encoded struct {
	codec  string
	body   io.ReadSeeker
	size   int64
	digest [32]byte
	sum    uint32
	meta   backend.Meta
	closer io.Closer // nil if there is nothing to close
}

func (e *encoded) Close() {
	if e.closer != nil {
		e.closer.Close()
	}
}

// encode turns a value into bytes and sums them. Where ahead is true a long one is written to its place meanwhile, if the
// backend can.
func (s *Store) encode(ctx context.Context, value any, ahead bool) (*encoded, error) {
	e := &encoded{codec: codec.Raw}
	var err error
	switch v := value.(type) {
	case io.ReadSeeker: // its closing is the caller's
		err = s.sum(ctx, e, v, ahead)
	case io.Reader:
		err = s.spool(e, v, func() (spool.Room, error) { return backend.Stage(ctx, s.backend, s.tempDir) })
	default:
		var enc codec.Encoded
		if enc, err = codec.Encode(value); err == nil {
			e.codec = enc.Codec
			err = s.sum(ctx, e, enc.Body, ahead && enc.Size > spool.Memory)
		}
	}
	if err != nil {
		return nil, err
	}
	e.meta = backend.Meta{codec.MetaKey: e.codec}
	return e, nil
}

// sum sums a body that can be read again, and writes it ahead where that is wanted and possible.
func (s *Store) sum(ctx context.Context, e *encoded, body io.ReadSeeker, ahead bool) (err error) {
	if stager, ok := backend.As[backend.Stager](s.backend); ok && ahead {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		err := s.spool(e, body, func() (spool.Room, error) { return stager.Stage(ctx) })
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	e.body = body
	e.digest, e.sum, e.size, err = sums.OfBody(body)
	return err
}

// spool reads a stream to its end, into memory or to where room is made for it.
func (s *Store) spool(e *encoded, r io.Reader, room func() (spool.Room, error)) error {
	sp, err := spool.ReadTo(r, room)
	if err != nil {
		return err
	}
	e.body, e.size, e.digest, e.sum, e.closer = sp.Body, sp.Size, sp.Digest, sp.Sum, sp
	return nil
}
