package backend

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/larder-store/larder/internal/sums"
)

// verifyStep bounds one read, so that the sum runs over bytes that are still in the cache; see package sums.
const verifyStep = 256 << 10

// Verify stands between every full read and its reader: the last byte of a value is not delivered before
// its checksum matched. That is a law of Larder: an error that comes after the last byte would be lost, since
// io.ReadFull, and whoever reads as many bytes as a header promised, never sees it.
//
// It returns a reader of body, which is the value that info describes, and now
// owned by the reader. What is in memory is checked here and returned as it is, so that its
// reader can take the slice; an empty value is checked here too. A mismatch is an
// error that matches [ErrCorrupt], and the body is closed.
func Verify(body io.ReadCloser, info Info) (io.ReadCloser, error) {
	if b, ok := body.(*Body); ok {
		all := b.Take()
		if err := verifyBytes(all, info); err != nil {
			return nil, err
		}
		return NewBody(all), nil
	}
	if info.Size == 0 && info.Sum != 0 {
		body.Close()
		return nil, mismatch(info, 0)
	}
	return &verified{body: body, info: info}, nil
}

// verifyBytes checks a whole value.
func verifyBytes(b []byte, info Info) error {
	if int64(len(b)) != info.Size {
		return truncated(info, int64(len(b)))
	}
	if sum := sums.CRC(b); sum != info.Sum {
		return mismatch(info, sum)
	}
	return nil
}

type verified struct {
	body io.ReadCloser
	info Info
	n    int64 // bytes read
	sum  uint32
	err  error // sticks
}

// Read delivers bytes before their sum is known, but for the last ones.
func (r *verified) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	left := r.info.Size - r.n
	if left == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil // some readers never come back from that
	}
	p = p[:min(int64(len(p)), left, verifyStep)]
	n, err := r.body.Read(p)
	r.sum = sums.Update(r.sum, p[:n])
	r.n += int64(n)
	switch {
	case r.n == r.info.Size && r.sum != r.info.Sum:
		r.err = mismatch(r.info, r.sum)
		return 0, r.err
	case r.n == r.info.Size:
		return n, nil // whatever err is: all is here, and right
	case err == io.EOF:
		r.err = truncated(r.info, r.n)
	case err != nil:
		r.err = err
	}
	return n, r.err
}

func (r *verified) Close() error { return r.body.Close() }

func mismatch(info Info, sum uint32) error {
	return fmt.Errorf("%w: CRC-32C of %q is %08x, stored as %08x", ErrCorrupt, info.Key, sum, info.Sum)
}

func truncated(info Info, n int64) error {
	return fmt.Errorf("%w: %q has %d bytes, stored as %d", ErrCorrupt, info.Key, n, info.Size)
}

// GetVerified returns a value whole, and checked. An error that matches [ErrCorrupt] says what is wrong with it.
func GetVerified(ctx context.Context, b Backend, key Key) ([]byte, Info, error) {
	body, info, err := b.Get(ctx, key)
	if err != nil {
		return nil, info, err
	}
	if whole, ok := body.(*Body); ok {
		value := whole.Take()
		return value, info, verifyBytes(value, info)
	}
	body, err = Verify(body, info)
	if err != nil {
		return nil, info, err
	}
	defer body.Close()
	var value bytes.Buffer
	value.Grow(int(min(info.Size, trusted)))
	if _, err := io.CopyN(&value, body, info.Size); err != nil {
		return nil, info, err
	}
	return value.Bytes(), info, nil
}
