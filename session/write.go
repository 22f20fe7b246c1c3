package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/spool"
	"github.com/larder-store/larder/internal/sums"
)

// value is an encoded value, ready to be stored.
type value struct {
	codec  string
	body   io.ReadSeeker
	size   int64
	digest [32]byte
	sum    uint32
	close  func()
}

// encode makes a value of what the caller gave. A stream is read to its end.
func encode(v any) (*value, error) {
	e := &value{codec: codec.Raw, close: func() {}}
	var err error
	switch v := v.(type) {
	case io.ReadSeeker:
		e.body = v
		e.digest, e.sum, e.size, err = sums.OfBody(v)
	case io.Reader:
		err = e.spool(v)
	default:
		var enc codec.Encoded
		if enc, err = codec.Encode(v); err == nil {
			e.codec, e.body = enc.Codec, enc.Body
			e.digest, e.sum, e.size, err = sums.OfBody(enc.Body)
		}
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// spool reads a stream to its end.
func (e *value) spool(r io.Reader) error {
	sp, err := spool.Read(r, "")
	if err != nil {
		return err
	}
	e.body, e.size, e.digest, e.sum = sp.Body, sp.Size, sp.Digest, sp.Sum
	e.close = func() { sp.Close() }
	return nil
}

// bytes returns a copy of the body.
func (e *value) bytes() ([]byte, error) {
	if _, err := e.body.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b := make([]byte, e.size)
	_, err := io.ReadFull(e.body, b)
	return b, err
}

// item is the Put of a value under a key.
func (e *value) item(key backend.Key) backend.Item {
	return backend.Item{Key: key, Body: e.body, PutOptions: backend.PutOptions{
		Size: e.size, Digest: e.digest, Sum: e.sum, Meta: backend.Meta{codec.MetaKey: e.codec},
	}}
}

// fencedItem is item with the end of [fenceSize] bytes. A nil e is a deleted item.
func (e *value) fencedItem(key backend.Key) (backend.Item, error) {
	name, nonce := codec.Raw, make([]byte, tombstoneSize)
	var b []byte
	if e != nil {
		var err error
		if b, err = e.bytes(); err != nil {
			return backend.Item{}, err
		}
		name, nonce = e.codec, make([]byte, fenceSize)
	}
	rand.Read(nonce)
	b = append(b, nonce...)
	f := &value{codec: name, body: bytes.NewReader(b), size: int64(len(b))}
	f.digest, f.sum = sums.Of(b)
	item := f.item(key)
	item.Meta[metaFence] = fenceFormat
	return item, nil
}

// A holder writes while it has a lock, or where no other can.
type holder struct {
	m    *Manager
	lock *larder.Lock // nil: no other writes here
}

// held fails once another may have the lock.
func (h holder) held() error {
	if h.lock != nil && !h.lock.Held() {
		return ErrLost
	}
	return nil
}

// lost reports whether the lock is gone for good. One that was not prolonged in time, as by a process that was stopped,
// may be prolonged yet.
func (h holder) lost() bool {
	if h.lock == nil {
		return false
	}
	select {
	case <-h.lock.Done():
		return true
	default:
		return false
	}
}

// put stores an item over what this holder or an earlier one stored, never over what a later one did, whatever
// happens to this process meanwhile. The condition is decided by the backend at the instant of the write:
// that nothing is there, or the version that was there when the lock was held for certain. Nothing that a
// session deletes becomes absent again, so that a later holder's item always has another version.
//
// beside, unless nil, is stored in the same commit where the engine has one.
func (h holder) put(ctx context.Context, item backend.Item, beside *news) error {
	limits := h.m.limits
	conditional := h.lock != nil && limits.AtomicIfAbsent && limits.AtomicIfMatch
	item.IfAbsent = conditional
	for {
		if err := h.held(); err != nil {
			return err
		}
		err := h.putOnce(ctx, item, beside)
		if err == nil {
			return h.held()
		}
		if !conditional || !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrChanged) {
			return err
		}
		if err := h.over(ctx, &item); err != nil {
			return err
		}
		beside = nil
	}
}

func (h holder) putOnce(ctx context.Context, item backend.Item, beside *news) error {
	if beside == nil {
		_, err := h.m.backend.Put(ctx, item.Key, item.Body, item.PutOptions)
		return err
	}
	infos, err := backend.PutBatch(ctx, h.m.backend, []backend.Item{item, beside.item})
	lost := beside.told(ctx, infos[1], backend.ItemError(err, 1))
	return errors.Join(backend.ItemError(err, 0), lost)
}

// news is a Put of a session's metadata that goes with another.
type news struct {
	item backend.Item
	told func(ctx context.Context, info backend.Info, err error) error // what became of it; returns ErrLost, or nil
}

// over sets the condition for writing over what is there.
func (h holder) over(ctx context.Context, item *backend.Item) error {
	info, err := h.m.backend.Stat(ctx, item.Key)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		item.IfAbsent, item.IfMatch = true, ""
		return nil
	case err != nil && !errors.Is(err, backend.ErrCorrupt):
		return err
	}
	// What cannot be read and has no version is healed, whoever wrote it.
	item.IfAbsent, item.IfMatch = false, info.Version
	return nil
}

// remove marks an item as deleted.
func (h holder) remove(ctx context.Context, key backend.Key) error {
	info, err := h.m.backend.Stat(ctx, key)
	if errors.Is(err, backend.ErrNotFound) || err == nil && isTombstone(info) {
		return h.held()
	}
	if err != nil && !errors.Is(err, backend.ErrCorrupt) {
		return err
	}
	item, err := (*value)(nil).fencedItem(key)
	if err != nil {
		return err
	}
	return h.put(ctx, item, nil)
}
