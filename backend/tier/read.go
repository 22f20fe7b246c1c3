package tier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// inMemory is the largest value that is read whole before it is returned: a near copy that is damaged is then
// replaced by the far value, and the copy of a far one is there when Get returns.
const inMemory = 1 << 20

// Get implements [backend.Backend].
func (b *Backend) Get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if err := b.begin(ctx, key); err != nil {
		return nil, backend.Info{}, wrap("get", key, err)
	}
	defer b.calls.End()
	body, info, err := b.get(ctx, key)
	return body, info, wrap("get", key, err)
}

func (b *Backend) begin(ctx context.Context, key backend.Key) error {
	if err := valid(key); err != nil {
		return err
	}
	return b.calls.Begin(ctx)
}

func (b *Backend) get(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	if b.overlays() {
		body, info, err := b.getOwn(ctx, key)
		if !errors.Is(err, errNotOwn) {
			return body, info, err
		}
	}
	body, info, seen, ok := b.getCopy(ctx, key)
	if ok {
		b.hits.Add(1)
		return body, info, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, backend.Info{}, err
	}
	b.misses.Add(1)
	at := time.Now().Round(0)
	body, info, err := b.far.Get(ctx, key)
	if err != nil {
		info.Version = b.told(info)
		return nil, info, b.notice(err)
	}
	if seen != noCopy {
		body = b.filling(ctx, body, info, sight{seen, at})
	}
	info.Version = b.told(info)
	return body, info, nil
}

// noCopy is what was seen where no copy may be laid.
const noCopy = "no copy"

// getCopy returns the near copy of a value. Else it returns the near Version of what is there, which a copy may replace. Errors of the near
// store are counted, and are misses.
func (b *Backend) getCopy(ctx context.Context, key backend.Key) (_ io.ReadCloser, info backend.Info, seen string, ok bool) {
	body, near, err := b.near.Get(ctx, nearKey(key))
	if err != nil {
		switch {
		case errors.Is(err, backend.ErrNotFound):
			return nil, backend.Info{}, "", false
		case ctx.Err() == nil:
			b.failures.Add(1)
		}
		if errors.Is(err, backend.ErrCorrupt) && near.Version != "" {
			return nil, backend.Info{}, near.Version, false
		}
		return nil, backend.Info{}, noCopy, false
	}
	info, ok = b.copied(key, near)
	if !ok {
		body.Close()
		if near.Meta[metaGone] == "" && time.Since(near.ModTime) < settled {
			return nil, backend.Info{}, noCopy, false
		}
		return nil, backend.Info{}, near.Version, false
	}
	seen = near.Version
	if body, err = b.whole(body, near); err != nil {
		b.failures.Add(1)
		return nil, backend.Info{}, seen, false
	}
	return body, info, seen, true
}

// whole reads a copy into memory if it is small, and checks it. A large one is checked while it is read: one that is damaged is
// an error, and gone, so that the next Get reads far.
func (b *Backend) whole(body io.ReadCloser, info backend.Info) (io.ReadCloser, error) {
	if b, ok := body.(*backend.Body); ok { // Verify would make another one of it
		all := b.Take()
		if int64(len(all)) == info.Size && sums.CRC(all) == info.Sum {
			b.Reset(all)
			return b, nil
		}
		body = backend.NewBody(all) // Verify says what is wrong
	}
	v, err := backend.Verify(body, info)
	if err != nil {
		return nil, err
	}
	if info.Size > inMemory {
		return &checked{v, b, info}, nil
	}
	if b, ok := v.(*backend.Body); ok {
		return b, nil
	}
	defer v.Close()
	text := make([]byte, info.Size)
	if _, err := io.ReadFull(v, text); err != nil {
		return nil, err
	}
	return backend.NewBody(text), nil
}

// checked is the body of a large copy.
type checked struct {
	io.ReadCloser
	b    *Backend
	near backend.Info
}

func (r *checked) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if errors.Is(err, backend.ErrCorrupt) {
		_ = backend.DeleteMatch(context.Background(), r.b.near, []backend.Seen{{Key: r.near.Key, Version: r.near.Version}})
		err = wrap("get", r.near.Key, fmt.Errorf("its near copy, which is removed: %w", err))
	}
	return n, err
}

// Stat implements [backend.Backend].
func (b *Backend) Stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if err := b.begin(ctx, key); err != nil {
		return backend.Info{}, wrap("stat", key, err)
	}
	defer b.calls.End()
	info, err := b.stat(ctx, key)
	return info, wrap("stat", key, err)
}

func (b *Backend) stat(ctx context.Context, key backend.Key) (backend.Info, error) {
	if b.overlays() {
		info, err := b.statOwn(ctx, key)
		if !errors.Is(err, errNotOwn) {
			return info, err
		}
	}
	if near, err := b.near.Stat(ctx, nearKey(key)); err == nil {
		if info, ok := b.copied(key, near); ok {
			return info, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return backend.Info{}, err
	}
	info, err := b.far.Stat(ctx, key)
	info.Version = b.told(info)
	return info, b.notice(err)
}

// GetRange implements [backend.RangeGetter]. It fills nothing.
func (b *Backend) GetRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	if err := b.begin(ctx, key); err != nil {
		return nil, backend.Info{}, wrap("get range", key, err)
	}
	defer b.calls.End()
	body, info, err := b.getRange(ctx, key, version, off, n)
	return body, info, wrap("get range", key, err)
}

func (b *Backend) getRange(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	if off < 0 {
		return nil, backend.Info{}, errors.New("the offset is negative")
	}
	if b.overlays() {
		body, info, err := b.rangeOwn(ctx, key, version, off, n)
		if !errors.Is(err, errNotOwn) {
			return body, info, err
		}
	}
	if body, info, ok := b.rangeCopy(ctx, key, version, off, n); ok {
		return body, info, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, backend.Info{}, err
	}
	if b.overlays() && version != "" {
		info, err := b.far.Stat(ctx, key)
		if err == nil && b.told(info) != version {
			err = backend.ErrChanged
		}
		if err != nil {
			return nil, backend.Info{}, b.notice(err)
		}
		version = info.Version
	}
	body, info, err := backend.GetRange(ctx, b.far, key, version, off, n)
	info.Version = b.told(info)
	return body, info, b.notice(err)
}

// rangeCopy reads a part of the near copy, if there is one of that Version. The near Version holds it together with what
// was seen of it.
func (b *Backend) rangeCopy(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, bool) {
	near, err := b.near.Stat(ctx, nearKey(key))
	if err != nil {
		return nil, backend.Info{}, false
	}
	info, ok := b.copied(key, near)
	if !ok || version != "" && version != info.Version {
		return nil, backend.Info{}, false
	}
	body, _, err := backend.GetRange(ctx, b.near, near.Key, near.Version, off, n)
	return body, info, err == nil
}
