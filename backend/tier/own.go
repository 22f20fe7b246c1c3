package tier

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// Own values are those that the far store lacks: in the mode Back until they were sent, in the mode Near for ever. They lie on a
// shelf of their own, which no eviction looks at: a head, then the bytes. What was deleted is an own value too, a grave.
const (
	ownShelf  = backend.OwnShelves + "tier.own"
	metaHead  = "head"  // the length of the head
	metaSum   = "sum"   // its CRC-32C
	metaShelf = "shelf" // of the key
	metaName  = "name"
	metaGrave = "grave" // a nonce: the key holds nothing
)

// maxHead bounds a head: the metadata of a value, and its sums.
const maxHead = 1 << 14

// head is what the near store's own Info cannot say of the value.
type head struct {
	Digest string       `json:"digest"`
	Sum    uint32       `json:"sum"`
	Meta   backend.Meta `json:"meta,omitempty"`
}

// errNotOwn says that there is no own value of a key.
var errNotOwn = errors.New("not an own value")

// ownKey returns where the own value of a key is.
func ownKey(key backend.Key) backend.Key {
	return backend.Key{Shelf: ownShelf, Name: ownPrefix(key.Shelf) + hash(key.Name)}
}

// ownPrefix begins the names of the own values of a shelf.
func ownPrefix(shelf string) string { return hash(shelf)[:16] + "/" }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// beheaded describes the value of an own value's near Info, as far as that says it; its size is without the head.
func beheaded(near backend.Info) (info backend.Info, headSize int64, err error) {
	key := backend.Key{Shelf: near.Meta[metaShelf], Name: near.Meta[metaName]}
	headSize, err = strconv.ParseInt(near.Meta[metaHead], 10, 64)
	if err != nil || key.Validate() != nil || headSize < 0 || headSize > min(maxHead, near.Size) || ownKey(key) != near.Key {
		return backend.Info{}, 0, fmt.Errorf("%w: the near store's %q is no value that waits; delete it there", backend.ErrCorrupt, near.Key)
	}
	return backend.Info{Key: key, Size: near.Size - headSize, ModTime: near.ModTime}, headSize, nil
}

func isGrave(near backend.Info) bool { return near.Meta[metaGrave] != "" }

// openOwn opens an own value, and returns its body behind the head. A grave is ErrNotFound.
func (b *Backend) openOwn(ctx context.Context, at backend.Key) (body io.ReadCloser, info, near backend.Info, err error) {
	body, near, err = b.near.Get(ctx, at)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return nil, info, near, errNotOwn
	case err != nil:
		return nil, info, near, err
	case isGrave(near):
		body.Close()
		return nil, info, near, backend.ErrNotFound
	}
	info, err = readHead(body, near)
	if err != nil {
		body.Close()
		return nil, info, near, err
	}
	return body, info, near, nil
}

// readHead reads the head off a body.
func readHead(body io.Reader, near backend.Info) (backend.Info, error) {
	info, size, err := beheaded(near)
	if err != nil {
		return info, err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(body, text); err != nil {
		return info, fmt.Errorf("%w: the head of %q: %w", backend.ErrCorrupt, info.Key, err)
	}
	var h head
	sum := strconv.FormatUint(uint64(sums.CRC(text)), 16)
	err = json.Unmarshal(text, &h)
	digest, notHex := hex.DecodeString(h.Digest)
	if sum != near.Meta[metaSum] || err != nil || notHex != nil || len(digest) != len(info.Digest) {
		return info, fmt.Errorf("%w: the head of %q does not match its sum", backend.ErrCorrupt, info.Key)
	}
	copy(info.Digest[:], digest)
	info.Sum, info.Meta, info.Version = h.Sum, h.Meta, near.Version
	return info, nil
}

func (b *Backend) getOwn(ctx context.Context, key backend.Key) (io.ReadCloser, backend.Info, error) {
	body, info, _, err := b.openOwn(ctx, ownKey(key))
	if err != nil {
		return nil, info, err
	}
	b.hits.Add(1)
	info.Version = b.told(info)
	return body, info, nil
}

func (b *Backend) statOwn(ctx context.Context, key backend.Key) (backend.Info, error) {
	info, _, err := b.lookOwn(ctx, key)
	return info, err
}

// lookOwn describes an own value, and says what its near Info is.
func (b *Backend) lookOwn(ctx context.Context, key backend.Key) (info, near backend.Info, err error) {
	body, info, near, err := b.openOwn(ctx, ownKey(key))
	if err != nil {
		return backend.Info{}, near, err
	}
	info.Version = b.told(info)
	return info, near, body.Close()
}

// rangeOwn reads a part of one near Version, whatever is put meanwhile.
func (b *Backend) rangeOwn(ctx context.Context, key backend.Key, version string, off, n int64) (io.ReadCloser, backend.Info, error) {
	for {
		info, near, err := b.lookOwn(ctx, key)
		if err != nil {
			return nil, backend.Info{}, err
		}
		if version != "" && version != info.Version {
			return nil, backend.Info{}, backend.ErrChanged
		}
		from := near.Size - info.Size
		body, _, err := backend.GetRange(ctx, b.near, near.Key, near.Version, from+min(off, math.MaxInt64-from), n)
		if errors.Is(err, backend.ErrChanged) || errors.Is(err, backend.ErrNotFound) {
			continue // it was replaced or sent meanwhile
		}
		return body, info, err
	}
}

// putOwn keeps a value near.
func (b *Backend) putOwn(ctx context.Context, key backend.Key, body io.ReadSeeker, opts backend.PutOptions) (info backend.Info, err error) {
	if opts.IfAbsent || opts.IfMatch != "" {
		return backend.Info{}, fmt.Errorf("%w: no condition can hold among all machines with write=%s; use write=%s", errors.ErrUnsupported, b.opts.Write, Through)
	}
	text, err := json.Marshal(head{hex.EncodeToString(opts.Digest[:]), opts.Sum, opts.Meta})
	if err != nil {
		return backend.Info{}, err
	}
	size := int64(len(text))
	if b.sender != nil {
		if err := b.sender.room(ctx, size+opts.Size); err != nil {
			return backend.Info{}, err
		}
		defer func() { b.sender.took(size+opts.Size, err) }()
	}
	stored := &headed{head: text, body: body}
	digest, sum, _, err := sums.OfBody(stored) // not the value's: a check of the near store by itself must find it sound
	if err != nil {
		return backend.Info{}, err
	}
	near, err := b.near.Put(ctx, ownKey(key), stored, backend.PutOptions{
		Size:   size + opts.Size,
		Digest: digest,
		Sum:    sum,
		Meta: backend.Meta{
			metaHead: strconv.FormatInt(size, 10), metaSum: strconv.FormatUint(uint64(sums.CRC(text)), 16),
			metaShelf: key.Shelf, metaName: key.Name,
		},
	})
	if err != nil {
		return backend.Info{}, err
	}
	info, _, err = beheaded(near)
	info.Digest, info.Sum, info.Meta, info.Version = opts.Digest, opts.Sum, maps.Clone(opts.Meta), near.Version
	info.Version = b.told(info)
	return info, err
}

// deleteOwn digs a grave, which hides the far value.
func (b *Backend) deleteOwn(ctx context.Context, key backend.Key) error {
	digest, sum := sums.Of(nil)
	var nonce [8]byte
	rand.Read(nonce[:])
	_, err := b.near.Put(ctx, ownKey(key), strings.NewReader(""), backend.PutOptions{Digest: digest, Sum: sum, Meta: backend.Meta{
		metaGrave: hex.EncodeToString(nonce[:]), metaShelf: key.Shelf, metaName: key.Name, metaHead: "0",
	}})
	if err == nil && b.sender != nil {
		b.sender.wake()
	}
	return err
}

// headed is a body behind a head.
type headed struct {
	head []byte
	body io.ReadSeeker
	at   int64 // in the head; beyond it the body stands where it is read
}

func (r *headed) Read(p []byte) (int, error) {
	if r.at < int64(len(r.head)) {
		n := copy(p, r.head[r.at:])
		r.at += int64(n)
		return n, nil
	}
	return r.body.Read(p)
}

func (r *headed) Seek(offset int64, whence int) (int64, error) {
	size := int64(len(r.head))
	switch whence {
	case io.SeekCurrent:
		if r.at < size {
			return r.Seek(r.at+offset, io.SeekStart)
		}
		at, err := r.body.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		return r.Seek(size+at+offset, io.SeekStart)
	case io.SeekEnd:
		end, err := r.body.Seek(0, io.SeekEnd)
		if err != nil {
			return 0, err
		}
		return r.Seek(size+end+offset, io.SeekStart)
	}
	if offset < 0 {
		return 0, errors.New("a negative position")
	}
	if _, err := r.body.Seek(max(0, offset-size), io.SeekStart); err != nil {
		return 0, err
	}
	r.at = min(offset, size)
	return offset, nil
}
