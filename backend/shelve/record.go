package shelve

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unsafe"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
	"github.com/larder-store/larder/internal/sums"
)

// A record is what a bucket holds under the name of an entry. All numbers are little
// endian:
//
//	 0  1  format of the record, 1
//	 1  1  where the body is: 0 at the end of the record, 1 in a file named by the id
//	 2  2  length of the header: all but the body
//	 4  4  CRC-32C of the entry's name and of the header from offset 8 on
//	 8  8  size of the body
//	16  8  ModTime, nanoseconds since 1970 UTC
//	24  4  CRC-32C of the body
//	28 32  SHA-256 of the body
//	60 16  id
//	76     metadata: for each key in byte order uvarint length, key, uvarint length, value
//
// The id is random. It is the version of the entry and, if the body is in a file, the
// name of that file. It is made anew for each Put, so that neither can ever come back,
// not even in a shelf that was removed and made again or restored from a backup.
//
// The checksum covers the name because the body's own checksum cannot show that a
// record stands under a name that is not its own.
const (
	recordFormat = 1
	maxFormat    = 31 // of any format to come

	inRecord = 0
	inFile   = 1

	headerMin  = 76
	headerSums = 8 // where the bytes begin that the checksum covers
)

// id is the random name of one stored value.
type id [16]byte

func newID() (v id) {
	rand.Read(v[:]) // never fails
	return v
}

func (v id) String() string {
	var text [2 * len(v)]byte
	hex.Encode(text[:], v[:])
	return string(text[:])
}

// parseID reads what id.String wrote.
func parseID(s string) (v id, ok bool) {
	if len(s) != hex.EncodedLen(len(v)) {
		return v, false
	}
	_, err := hex.Decode(v[:], []byte(s))
	return v, err == nil && v.String() == s
}

// newRecord makes the record of a Put.
func newRecord(c *indexed.Change, v id, now time.Time) []byte {
	size := headerMin + len(c.Inline)
	for k, v := range c.Options.Meta {
		size += 2*binary.MaxVarintLen16 + len(k) + len(v)
	}
	return appendRecord(make([]byte, 0, size), c, v, now)
}

// appendRecord appends the record of a Put to b.
func appendRecord(b []byte, c *indexed.Change, v id, now time.Time) []byte {
	start, where := len(b), byte(inRecord)
	if c.Name != "" {
		where = inFile
	}
	b = append(b, recordFormat, where, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Options.Size))
	b = binary.LittleEndian.AppendUint64(b, uint64(now.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, c.Options.Sum)
	b = append(b, c.Options.Digest[:]...)
	b = append(b, v[:]...)
	for _, k := range slices.Sorted(maps.Keys(c.Options.Meta)) {
		b = appendText(appendText(b, k), c.Options.Meta[k])
	}
	header := b[start:]
	binary.LittleEndian.PutUint16(header[2:], uint16(len(header)))
	binary.LittleEndian.PutUint32(header[4:], headerSum(c.Key.Name, header))
	return append(b, c.Inline...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func headerSum(name string, header []byte) uint32 {
	// A conversion would be an allocation for each entry of a list.
	sum := sums.Update(0, unsafe.Slice(unsafe.StringData(name), len(name)))
	return sums.Update(sum, header[headerSums:])
}

// parseRecord decodes the record under key. The Inline of the entry is still part of b.
func parseRecord(key backend.Key, b []byte) (indexed.Entry, error) {
	return (*arena)(nil).parse(key, b)
}

// parse is parseRecord with memory of the arena, which may be nil.
func (a *arena) parse(key backend.Key, b []byte) (indexed.Entry, error) {
	e, err := a.decode(key, b)
	if errors.Is(err, backend.ErrNewer) {
		return indexed.Entry{}, fmt.Errorf("the entry %q: %w", key, err)
	}
	if err != nil {
		return indexed.Entry{}, fmt.Errorf("%w: the entry %q cannot be decoded: %w; store it again, or delete it", backend.ErrCorrupt, key, err)
	}
	return e, nil
}

func (a *arena) decode(key backend.Key, b []byte) (e indexed.Entry, err error) {
	if len(b) < headerMin {
		return e, fmt.Errorf("it has %d bytes of at least %d", len(b), headerMin)
	}
	end := int(binary.LittleEndian.Uint16(b[2:]))
	whole := end >= headerMin && end <= len(b) && headerSum(key.Name, b[:end]) == binary.LittleEndian.Uint32(b[4:])
	switch {
	// A later format must not look like this one but for its number, and has a small one: what is beyond is damage.
	case b[0] > recordFormat && b[0] <= maxFormat && !whole:
		return e, fmt.Errorf("%w: its format is %d, this program knows %d", backend.ErrNewer, b[0], recordFormat)
	case b[0] != recordFormat:
		return e, fmt.Errorf("its format is %d, this program knows %d", b[0], recordFormat)
	case end < headerMin || end > len(b):
		return e, fmt.Errorf("its header ends at byte %d of %d", end, len(b))
	case !whole:
		return e, errors.New("its checksum does not match")
	}
	header, body := b[:end], b[end:]
	v := id(header[60:76])
	e.Key = key
	e.Size = int64(binary.LittleEndian.Uint64(header[8:]))
	e.ModTime = time.Unix(0, int64(binary.LittleEndian.Uint64(header[16:])))
	e.Sum = binary.LittleEndian.Uint32(header[24:])
	e.Digest = [32]byte(header[28:60])
	e.Version = a.version(v)
	switch header[1] {
	case inRecord:
		e.Inline = body
	case inFile:
		e.Name = e.Version
	}
	if header[1] > inFile || e.Size < 0 || e.Name == "" && e.Size != int64(len(body)) || e.Name != "" && len(body) > 0 {
		return e, fmt.Errorf("its body, of %d bytes, is neither here nor in a file", e.Size)
	}
	e.Meta, err = a.meta(header[headerMin:])
	return e, err
}

func decodeMeta(b []byte) (backend.Meta, error) {
	if len(b) == 0 {
		return nil, nil
	}
	rest := string(b) // one string for all keys and values
	m := make(backend.Meta, 4)
	for rest != "" {
		k, afterKey, ok := cutText(rest)
		v, afterValue, ok2 := cutText(afterKey)
		if !ok || !ok2 {
			return nil, errors.New("its metadata is cut off")
		}
		m[k], rest = v, afterValue
	}
	return m, nil
}

// cutText reads what appendText wrote from the start of s.
func cutText(s string) (text, rest string, ok bool) {
	var n uint64
	for i := 0; i < len(s) && i < 3; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			s = s[i+1:]
			if n > uint64(len(s)) {
				return "", "", false
			}
			return s[:n], s[n:], true
		}
	}
	return "", "", false
}
