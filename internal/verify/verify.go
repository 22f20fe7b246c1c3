// Package verify stands between every full read and its reader: the last byte of
// a value is not delivered before its checksum matched.
//
// That is a law of Larder. An error that comes after the last byte would be lost:
// io.ReadFull, and who reads as many bytes as a header promised, never sees it.
package verify

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/larder-store/larder/backend"
)

// Castagnoli is the table of CRC-32C, the sum of backend.Info: 10 to 25 GB/s with
// the instructions of amd64 and arm64, and native to S3 and GCS.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// step bounds one read, so that the sum runs over bytes that are still in the
// cache: 8 MB took 0.99 ms in steps of 256 KiB against 1.22 ms in one.
const step = 256 << 10

// Open returns a reader of body, which is the value that info describes, and now
// owned by it. What is in memory is checked here and returned as it is, so that its
// reader can take the slice; an empty value is checked here too. A mismatch is an
// error that matches backend.ErrCorrupt, and the body is closed.
func Open(body io.ReadCloser, info backend.Info) (io.ReadCloser, error) {
	if b, ok := body.(*backend.Body); ok {
		all := b.Take()
		if err := Bytes(all, info); err != nil {
			return nil, err
		}
		return backend.NewBody(all), nil
	}
	if info.Size == 0 && info.Sum != 0 {
		body.Close()
		return nil, mismatch(info, 0)
	}
	return &reader{body: body, info: info}, nil
}

// Bytes checks a whole value.
func Bytes(b []byte, info backend.Info) error {
	if int64(len(b)) != info.Size {
		return truncated(info, int64(len(b)))
	}
	if sum := crc32.Checksum(b, Castagnoli); sum != info.Sum {
		return mismatch(info, sum)
	}
	return nil
}

type reader struct {
	body io.ReadCloser
	info backend.Info
	n    int64 // bytes read
	sum  uint32
	err  error // sticks
}

// Read delivers bytes before their sum is known, but for the last ones.
func (r *reader) Read(p []byte) (int, error) {
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
	p = p[:min(int64(len(p)), left, step)]
	n, err := r.body.Read(p)
	r.sum = crc32.Update(r.sum, Castagnoli, p[:n])
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

func (r *reader) Close() error { return r.body.Close() }

func mismatch(info backend.Info, sum uint32) error {
	return fmt.Errorf("%w: CRC-32C of %q is %08x, stored as %08x", backend.ErrCorrupt, info.Key, sum, info.Sum)
}

func truncated(info backend.Info, n int64) error {
	return fmt.Errorf("%w: %q has %d bytes, stored as %d", backend.ErrCorrupt, info.Key, n, info.Size)
}
