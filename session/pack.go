package session

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// A pack is many items in one object, in the order of their keys. docs/sessions.md has the format byte by byte:
//
//	header   "larderpk", version, zeros: 16 bytes
//	records  CRC-32C of the rest of the head; head: CRC-32C of the value, flags, lengths, key, codec; value
//	index    for each block of records, about 64 KiB: where it begins, and its first key
//	footer   where the index begins, number of records, version, CRC-32C of the index and of the footer, "larderpe"
//
// A reader looks at the footer first: a pack that was cut off has none.
const (
	packMagic   = "larderpk"
	packEnd     = "larderpe"
	packVersion = 1

	packHeader = 16
	packFooter = 36

	// packBlock is how far apart the records are that the index knows: a request costs about what 64 KiB do.
	packBlock = 64 << 10
)

// flags of a record
const flagDeleted = 1

// maxHead bounds the head of a record: sums, flags and lengths, a key and the name of a codec.
const (
	maxPackKey   = backend.MaxName
	maxPackCodec = 255
	fixedHead    = 4 + 4 + 1 + 2 + 1 + 8 // crc, crc of the value, flags, lengths of key, codec and value
	maxHead      = fixedHead + maxPackKey + maxPackCodec
)

// packWriter writes a pack. Records come in the order of their keys, each key once.
type packWriter struct {
	w     *bufio.Writer
	off   int64
	count uint64
	index []byte
	block int64 // where the last block began
	head  []byte
}

func newPackWriter(w io.Writer) *packWriter {
	p := &packWriter{w: bufio.NewWriterSize(w, 64<<10)}
	p.write(packStart())
	return p
}

func packStart() []byte {
	b := make([]byte, packHeader)
	copy(b, packMagic)
	b[len(packMagic)] = packVersion
	return b
}

// write cannot fail before end: the buffer keeps the first error.
func (p *packWriter) write(b []byte) {
	p.w.Write(b)
	p.off += int64(len(b))
}

// add writes a record.
func (p *packWriter) add(r record) {
	if p.count == 0 || p.off-p.block >= packBlock {
		p.block = p.off
		p.index = binary.AppendUvarint(p.index, uint64(p.off))
		p.index = binary.AppendUvarint(p.index, uint64(len(r.key)))
		p.index = append(p.index, r.key...)
	}
	p.head = appendHead(p.head[:0], r)
	p.write(p.head)
	p.write(r.body)
	p.count++
}

func appendHead(b []byte, r record) []byte {
	flags := byte(0)
	if r.deleted {
		flags = flagDeleted
	}
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, sums.CRC(r.body))
	b = append(b, flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.key)))
	b = append(b, byte(len(r.codec)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(r.body)))
	b = append(append(b, r.key...), r.codec...)
	binary.LittleEndian.PutUint32(b, sums.CRC(b[4:]))
	return b
}

// end writes index and footer.
func (p *packWriter) end() error {
	f := footer{index: p.off, count: p.count, sum: sums.CRC(p.index)}
	p.write(p.index)
	p.write(f.append(nil))
	return p.w.Flush()
}

// packOf returns the pack of sorted records.
func packOf(records []record) []byte {
	n := 0
	for _, r := range records {
		n += r.size()
	}
	var b bytes.Buffer
	b.Grow(n + packHeader + packFooter + 1024)
	p := newPackWriter(&b)
	for _, r := range records {
		p.add(r)
	}
	_ = p.end() // memory takes all
	return b.Bytes()
}

// footer is the end of a pack.
type footer struct {
	index int64
	count uint64
	sum   uint32 // of the index
}

func (f footer) append(b []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.index))
	b = binary.LittleEndian.AppendUint64(b, f.count)
	b = binary.LittleEndian.AppendUint32(b, packVersion)
	b = binary.LittleEndian.AppendUint32(b, f.sum)
	b = binary.LittleEndian.AppendUint32(b, sums.CRC(b[start:]))
	return append(b, packEnd...)
}

// parseFooter reads the footer at the end of a pack of size bytes.
func parseFooter(b []byte, size int64) (f footer, err error) {
	if len(b) < packFooter || size < packHeader+packFooter {
		return f, errors.New("it is too short for a pack")
	}
	b = b[len(b)-packFooter:]
	version := binary.LittleEndian.Uint32(b[16:])
	switch {
	case string(b[28:]) != packEnd:
		return f, errors.New("it has no footer: it was cut off, or is no pack")
	case sums.CRC(b[:24]) != binary.LittleEndian.Uint32(b[24:]):
		return f, errors.New("the checksum of its footer does not match")
	case version > packVersion:
		return f, fmt.Errorf("%w: its version is %d, this program knows %d", backend.ErrNewer, version, packVersion)
	case version != packVersion:
		return f, fmt.Errorf("its version is %d, this program knows %d", version, packVersion)
	}
	index := binary.LittleEndian.Uint64(b)
	f = footer{index: int64(index), count: binary.LittleEndian.Uint64(b[8:]), sum: binary.LittleEndian.Uint32(b[20:])}
	if index < packHeader || index > uint64(size-packFooter) || f.count > index/fixedHead {
		return f, fmt.Errorf("its index begins at byte %d of %d, after %d records", index, size, f.count)
	}
	return f, nil
}

// block is where a block of records begins, and its first key.
type block struct {
	off int64
	key string
}

// parseIndex reads an index.
func parseIndex(b []byte, f footer) ([]block, error) {
	if sums.CRC(b) != f.sum {
		return nil, errors.New("the checksum of its index does not match")
	}
	var blocks []block
	for len(b) > 0 {
		off, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errIndex
		}
		b = b[n:]
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, errIndex
		}
		next := block{int64(off), string(b[n : n+int(length)])}
		b = b[n+int(length):]
		if off < packHeader || off >= uint64(f.index) {
			return nil, errIndex
		}
		if k := len(blocks); k > 0 && (blocks[k-1].off >= next.off || blocks[k-1].key >= next.key) {
			return nil, errIndex
		}
		blocks = append(blocks, next)
	}
	return blocks, nil
}

var errIndex = errors.New("its index makes no sense")

// head is the head of a record.
type head struct {
	record
	value int64  // bytes of the value
	sum   uint32 // of the value
	len   int    // bytes of the head
}

// parseHead reads a head from the start of b, which ends with the records, or holds maxHead bytes of them.
// left are the bytes that head and value may have.
func parseHead(b []byte, left int64) (h head, err error) {
	if len(b) < fixedHead {
		return h, errors.New("a record is cut off")
	}
	keyLen, codecLen := int(binary.LittleEndian.Uint16(b[9:])), int(b[11])
	value := binary.LittleEndian.Uint64(b[12:])
	h.len = fixedHead + keyLen + codecLen
	if h.len > len(b) || value > uint64(left)-uint64(h.len) {
		return h, errors.New("the lengths of a record make no sense")
	}
	if sums.CRC(b[4:h.len]) != binary.LittleEndian.Uint32(b) {
		return h, errors.New("the checksum of a record's head does not match")
	}
	h.value, h.sum = int64(value), binary.LittleEndian.Uint32(b[4:])
	h.deleted = b[8]&flagDeleted != 0
	h.key = string(b[fixedHead : fixedHead+keyLen])
	h.codec = codecName(b[fixedHead+keyLen : h.len])
	if b[8]&^flagDeleted != 0 {
		return h, fmt.Errorf("%w: a record has the flags %#x", backend.ErrNewer, b[8])
	}
	return h, nil
}

// codecName returns the name of a codec, without an allocation for those that there are.
func codecName(b []byte) string {
	switch string(b) {
	case "raw":
		return "raw"
	case "npy":
		return "npy"
	case "cbor":
		return "cbor"
	}
	return string(b)
}
