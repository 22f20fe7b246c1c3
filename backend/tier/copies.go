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

// A copy of a far value lies in the near store on a shelf that begins with "near.", so that a program which opens that store by itself
// takes neither copies nor marks for values. Its metadata has one entry more. Where a key is about to
// change, or was deleted, a mark lies in its place: an empty value that means "ask the far store".
//
// Marks keep a copy from being older than the far value. A writer puts its mark before it writes far, and afterwards replaces
// only its own mark with a copy, and only if that mark replaced no mark of another writer that may still be at work: the order of
// overlapping far writes is unknown. A writer that finds anything else puts a new mark. A reader puts a copy only over what it saw
// before it read far, never over the mark of a writer that may be at work, and never after it read for long: where it saw nothing, a copy may have come
// and gone meanwhile. So an overtaken process puts nothing.
const (
	metaCopy = "tier_of"   // the ModTime of the far value, in nanoseconds since 1970, a blank, and its Version
	metaMark = "tier_mark" // a nonce: this is a mark
	metaGone = "tier_gone" // a nonce: this was a copy until it was evicted, and no writer is at work
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

// settled is the age of a mark whose writer has ended, one way or the other.
const settled = 5 * time.Minute

// settledTwice is the age at which a copy may leave nothing behind, and a mark may go: who saw what was before it lays no copy any more.
const settledTwice = 2 * settled

// younger reports whether something is of less than that age. A clock that was set back makes nothing young for ever.
func younger(at time.Time, than time.Duration) bool { return time.Since(at).Abs() < than }

// sight is what a reader saw near before it read far.
type sight struct {
	version string    // a near Version, empty for nothing, or noCopy
	at      time.Time // without its monotonic part, which stops where the machine sleeps
}

// laid is a mark that was laid.
type laid struct {
	version   string // in the near store; empty: it took none, and has nothing of the key
	contested bool   // another writer may be at work
}

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
	if meta[metaCopy] != "" || meta[metaMark] != "" || meta[metaGone] != "" {
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
func (b *Backend) fill(ctx context.Context, far backend.Info, body io.ReadSeeker, seen sight) {
	o, ok := b.copyOptions(far, seen.version)
	if !ok || b.opts.ReadOnly || !younger(seen.at, settled) {
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

// seal ends a far write that succeeded: it lays a copy over the writer's own mark, or over nothing where it laid none.
func (b *Backend) seal(ctx context.Context, far backend.Info, body io.ReadSeeker, mark laid) error {
	o, ok := b.copyOptions(far, mark.version)
	if !ok || mark.contested {
		return b.unmark(ctx, far.Key, mark)
	}
	_, err := b.near.Put(ctx, nearKey(far.Key), body, o)
	if errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrExists) {
		_, err = b.lay(ctx, far.Key)
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
func (b *Backend) unmark(ctx context.Context, key backend.Key, mark laid) error {
	if near, err := b.near.Stat(ctx, nearKey(key)); err == nil && near.Version == mark.version {
		return nil
	}
	_, err := b.lay(ctx, key)
	return err
}

// mark begins a far write: it lays a mark over what is there, and sees whether that is the mark of another.
func (b *Backend) mark(ctx context.Context, key backend.Key) (laid, error) {
	o, contested := b.over(ctx, key)
	info, err := b.near.Put(ctx, nearKey(key), strings.NewReader(""), o)
	if err == nil {
		return laid{info.Version, contested}, nil
	}
	version, err := b.lay(ctx, key) // another was quicker
	return laid{version, true}, err
}

// over returns the options of a mark over what is there now.
func (b *Backend) over(ctx context.Context, key backend.Key) (o backend.PutOptions, contested bool) {
	o = markOptions()
	near, err := b.near.Stat(ctx, nearKey(key))
	switch {
	case errors.Is(err, backend.ErrNotFound):
		o.IfAbsent = true
	case err != nil:
		return o, true
	default:
		o.IfMatch = near.Version
	}
	return o, near.Meta[metaMark] != "" && time.Since(near.ModTime) < settled
}

// lay lays a mark, whatever is there, and returns its near Version. Where the near store takes none, what it has of the key is
// deleted.
func (b *Backend) lay(ctx context.Context, key backend.Key) (version string, err error) {
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

func markOptions() backend.PutOptions { return emptyOptions(metaMark) }

// emptyOptions are those of an empty value of that kind.
func emptyOptions(kind string) backend.PutOptions {
	digest, sum := sums.Of(nil)
	var nonce [8]byte
	rand.Read(nonce[:])
	return backend.PutOptions{Digest: digest, Sum: sum, Meta: backend.Meta{kind: hex.EncodeToString(nonce[:])}}
}

// isMark reports whether a near value is a mark, or what an evicted copy left.
func isMark(near backend.Info) bool {
	return near.Size == 0 && (near.Meta[metaMark] != "" || near.Meta[metaGone] != "")
}
