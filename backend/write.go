package backend

import (
	"bytes"
	"context"
	"io"

	"github.com/larder-store/larder/internal/spool"
	"github.com/larder-store/larder/internal/sums"
)

// PutBytes stores value under key, and works out Size, Digest and Sum of opts. The slice must not change
// meanwhile.
func PutBytes(ctx context.Context, b Backend, key Key, value []byte, opts PutOptions) (Info, error) {
	opts.Size = int64(len(value))
	opts.Digest, opts.Sum = sums.Of(value)
	return b.Put(ctx, key, bytes.NewReader(value), opts)
}

// PutReader stores what r delivers to its end under key, and works out Size, Digest and Sum of opts, for which it
// holds the stream in memory or, beyond 1 MiB, in a draft of [Stage]. An [io.ReadSeeker] is read twice
// instead, from its start.
func PutReader(ctx context.Context, b Backend, key Key, r io.Reader, opts PutOptions) (Info, error) {
	if body, ok := r.(io.ReadSeeker); ok {
		var err error
		if opts.Digest, opts.Sum, opts.Size, err = sums.OfBody(body); err != nil {
			return Info{}, err
		}
		return b.Put(ctx, key, body, opts)
	}
	s, err := spool.ReadTo(r, func() (spool.Room, error) { return Stage(ctx, b, "") })
	if err != nil {
		return Info{}, err
	}
	defer s.Close()
	opts.Size, opts.Digest, opts.Sum = s.Size, s.Digest, s.Sum
	return b.Put(ctx, key, s.Body, opts)
}
