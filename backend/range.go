package backend

import (
	"context"
	"fmt"
	"io"
)

// A RangeGetter reads part of a value.
type RangeGetter interface {
	// GetRange returns the bytes [off, off+n) of key, fewer where the value ends
	// earlier, none where off is at its end or beyond; n < 0 reads to the end. A
	// negative off is an error. With a version that is not empty, any other
	// version found is [ErrChanged], wherever off is and whatever n, and none [ErrNotFound]: so parts read one by one are parts of one
	// value. Its body is like that of Get, and the Info is that of the whole value.
	//
	// Nothing verifies a range: the caller brings its own checksum.
	GetRange(ctx context.Context, key Key, version string, off, n int64) (io.ReadCloser, Info, error)
}

// GetRange is [RangeGetter] for any backend: without the ability it reads and
// discards what lies before off.
func GetRange(ctx context.Context, b Backend, key Key, version string, off, n int64) (io.ReadCloser, Info, error) {
	if r, ok := As[RangeGetter](b); ok {
		return r.GetRange(ctx, key, version, off, n)
	}
	if off < 0 {
		return nil, Info{}, fmt.Errorf("get range of %q: offset %d is negative", key, off)
	}
	body, info, err := b.Get(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	if version != "" && info.Version != version {
		body.Close()
		return nil, Info{}, fmt.Errorf("get range of %q: %w", key, ErrChanged)
	}
	if _, err := io.CopyN(io.Discard, body, off); err != nil && err != io.EOF {
		body.Close()
		return nil, Info{}, err
	}
	if n < 0 {
		return body, info, nil
	}
	return &limitedBody{io.LimitReader(body, n), body}, info, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}
