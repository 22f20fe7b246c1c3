package tier

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// A copy of a far value lies in the near store on a shelf that begins with "near.", so that nobody who opens that store by itself
// takes it, or what is said below, for a value. It has one more of the metadata. Where a key is about to
// change, or was deleted, a mark lies in its place: an empty value that says "ask the far store".
//
// The mark is what keeps a copy from being older than the far value. A writer lays it before he writes far, and lays his copy
// only over his own mark; whoever finds something else then lays a new mark, for nobody knows whose far write came last. A
// reader lays a copy only over what he saw before he read far, and over no mark whose writer may be at work. So whoever was
// overtaken lays nothing.
const (
	metaCopy = "tier_of"   // the ModTime of the far value, in nanoseconds since 1970, a blank, and its Version
	metaMark = "tier_mark" // a nonce: this is a mark
)

// nearShelves begin so.
const nearShelves = "near."

// nearKey returns where the copy of a far value lies.
func nearKey(key backend.Key) backend.Key {
	if key.Shelf == backend.ShelfCache { // without an allocation for each hit
		return backend.Key{Shelf: nearShelves + backend.ShelfCache, Name: key.Name}
	}
	shelf := nearShelves + key.Shelf
	if len(shelf) > backend.MaxShelf {
		shelf = nearShelves + hash(key.Shelf)
	}
	return backend.Key{Shelf: shelf, Name: key.Name}
}

// settled is when the writer who laid a mark has ended, one way or the other, or will find that another copy is there.
const settled = time.Minute

// told returns the Version of a value as this store tells it. A value that is sent must keep the one it had, and neither store knows the
// other's: so where values wait, or stay near, it is made of the digest. Values that have none, as other programs may have stored them, were never
// near.
func (b *Backend) told(info backend.Info) string {
	switch {
	case !b.overlays() || info.Version == "" && info.Digest == [32]byte{}:
		return info.Version
	case info.Digest == [32]byte{}:
		return "f-" + info.Version
	}
	return "d-" + hex.EncodeToString(info.Digest[:])
}

// copied returns what far said of the value of a key whose near copy is info, which it takes over; false for a mark.
func (b *Backend) copied(key backend.Key, info backend.Info) (backend.Info, bool) {
	at, version, ok := strings.Cut(info.Meta[metaCopy], " ")
	if !ok {
		return backend.Info{}, false
	}
	nanos, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return backend.Info{}, false
	}
	info.Key, info.Version, info.ModTime = key, version, time.Unix(0, nanos).UTC()
	info.Version = b.told(info)
	if delete(info.Meta, metaCopy); len(info.Meta) == 0 {
		info.Meta = nil
	}
	return info, true
}

// copyOptions are those of a Put of a copy of what far described, over what was seen; false where it cannot be kept.
func (b *Backend) copyOptions(far backend.Info, seen string) (backend.PutOptions, bool) {
	meta := maps.Clone(far.Meta)
	if meta == nil {
		meta = backend.Meta{}
	}
	if meta[metaCopy] != "" || meta[metaMark] != "" {
		return backend.PutOptions{}, false // a far store that is near to another one
	}
	at := far.ModTime
	if at.IsZero() {
		at = time.Now() // which is right to a second, or the clock of this machine is wrong
	}
	meta[metaCopy] = strconv.FormatInt(at.UnixNano(), 10) + " " + far.Version
	o := backend.PutOptions{Size: far.Size, Digest: far.Digest, Sum: far.Sum, Meta: meta, IfMatch: seen, IfAbsent: seen == ""}
	most := backend.LimitsOf(b.near).MaxValue
	return o, meta.Validate() == nil && far.Version != "" && (most == 0 || far.Size <= most)
}

// fill lays a copy over what was seen. It is an economy: what fails is counted, and the far store is asked again.
func (b *Backend) fill(ctx context.Context, far backend.Info, body io.ReadSeeker, seen string) {
	o, ok := b.copyOptions(far, seen)
	if !ok || b.opts.ReadOnly {
		return
	}
	_, err := b.near.Put(ctx, nearKey(far.Key), body, o)
	switch {
	case err == nil:
		b.limiter.grew(far.Size)
	case !errors.Is(err, backend.ErrExists) && !errors.Is(err, backend.ErrChanged):
		b.failures.Add(1)
	}
}

// seal is fill by a writer over his own mark, or over nothing. If another's mark or copy is there by now, nobody knows whose far
// write came last, and a new mark says so.
func (b *Backend) seal(ctx context.Context, far backend.Info, body io.ReadSeeker, mark string) error {
	o, ok := b.copyOptions(far, mark)
	if !ok && mark != "" {
		return nil // the mark stays
	}
	err := backend.ErrExists
	if ok {
		_, err = b.near.Put(ctx, nearKey(far.Key), body, o)
	}
	if errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrExists) {
		_, err = b.mark(ctx, far.Key)
		return err
	}
	if err != nil {
		b.failures.Add(1) // and the mark is still there
		return nil
	}
	b.limiter.grew(far.Size)
	return nil
}

// unmark ends a far write that lays no copy: a delete, or a put that failed in whatever way. Where the mark is no longer there, somebody
// may have laid what was far before.
func (b *Backend) unmark(ctx context.Context, key backend.Key, mark string) error {
	if near, err := b.near.Stat(ctx, nearKey(key)); err == nil && near.Version == mark {
		return nil
	}
	_, err := b.mark(ctx, key)
	return err
}

// mark lays a mark and returns its near Version. Where the near store takes none, what it has of the key is deleted.
func (b *Backend) mark(ctx context.Context, key backend.Key) (version string, err error) {
	info, err := b.near.Put(ctx, nearKey(key), strings.NewReader(""), markOptions())
	if err == nil {
		return info.Version, nil
	}
	if deleted := b.near.Delete(ctx, nearKey(key)); deleted != nil {
		return "", err
	}
	b.failures.Add(1)
	return "", nil
}

func markOptions() backend.PutOptions {
	digest, sum := sums.Of(nil)
	var nonce [8]byte
	rand.Read(nonce[:])
	return backend.PutOptions{Digest: digest, Sum: sum, Meta: backend.Meta{metaMark: hex.EncodeToString(nonce[:])}}
}
