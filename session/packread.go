package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// packReader reads the records of a pack in their order, by windows: nothing stays open between two steps,
// and memory is that of a window, or of one record if that is larger.
type packReader struct {
	fetch  func(ctx context.Context, off, n int64) ([]byte, error)
	size   int64
	window int64

	foot footer
	buf  []byte // bytes of the pack from bufAt on
	at   int64  // of buf
	pos  int64  // of the next record
	n    uint64 // records read
	last string
	any  bool // last is the key of a record
	part bool // not all records are read, so that they cannot be counted
}

// open reads the footer. A pack no larger than a window is read as a whole, by one request.
func (p *packReader) open(ctx context.Context) error {
	if p.size < packHeader+packFooter {
		return corruptPack("it has %d bytes, too few for a pack", p.size)
	}
	off := p.size - packFooter
	if p.size <= p.window {
		off = 0
	}
	tail, err := p.get(ctx, off, p.size-off)
	if err != nil {
		return err
	}
	if p.foot, err = parseFooter(tail, p.size); err != nil {
		return corrupt(err)
	}
	if off == 0 {
		p.buf, p.at = tail, 0
	}
	start, err := p.bytes(ctx, packHeader)
	if err != nil {
		return err
	}
	if string(start) != string(packStart()) {
		return corruptPack("its header is not that of a pack of version %d", packVersion)
	}
	p.pos = packHeader
	return nil
}

func corruptPack(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{backend.ErrCorrupt}, args...)...)
}

// corrupt makes what a parser said an error that matches ErrCorrupt, or ErrNewer.
func corrupt(err error) error {
	if errors.Is(err, backend.ErrNewer) || errors.Is(err, backend.ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", backend.ErrCorrupt, err)
}

// get returns exactly n bytes, from what was fetched already or anew.
func (p *packReader) get(ctx context.Context, off, n int64) ([]byte, error) {
	if off >= p.at && off+n <= p.at+int64(len(p.buf)) {
		return p.buf[off-p.at:][:n], nil
	}
	b, err := p.fetch(ctx, off, n)
	if err == nil && int64(len(b)) != n {
		err = corruptPack("%d bytes were read at byte %d, where %d are", len(b), off, n)
	}
	return b, err
}

// bytes returns the n bytes at pos, or those up to the index if these are fewer. They are valid until the next call.
func (p *packReader) bytes(ctx context.Context, n int64) ([]byte, error) {
	n = min(n, p.foot.index-p.pos)
	if have := p.at + int64(len(p.buf)) - p.pos; p.pos < p.at || have < n {
		b, err := p.get(ctx, p.pos, min(max(n, p.window), p.foot.index-p.pos))
		if err != nil {
			return nil, err
		}
		p.buf, p.at = b, p.pos
	}
	return p.buf[p.pos-p.at:][:n], nil
}

// errUnreadable: the head of a record is damaged. The reader goes on with the next block; what lies between
// is not known.
type errUnreadable struct {
	err         error
	after, upTo string // the keys between which records may be missing
	first, last bool   // there is no key before, or after, them
}

func (e *errUnreadable) Error() string {
	return fmt.Sprintf("%v; the items after %q and before %q are lost", e.err, e.after, e.upTo)
}
func (e *errUnreadable) Unwrap() error { return e.err }

// concerns reports whether what is lost may be what the query is for.
func (e *errUnreadable) concerns(q query) bool {
	return (e.last || q.begins() < e.upTo) && (e.first || !q.over(e.after))
}

// next returns the next record, without its value where that is not wanted; io.EOF after the last. If the value
// is damaged, it returns its key with an error that matches ErrCorrupt, and goes on with the next one.
func (p *packReader) next(ctx context.Context, value func(key string) bool) (record, error) {
	if p.pos >= p.foot.index {
		if p.n != p.foot.count && !p.part {
			return record{}, corruptPack("it has %d records, and says %d", p.n, p.foot.count)
		}
		return record{}, io.EOF
	}
	b, err := p.bytes(ctx, maxHead)
	if err != nil {
		return record{}, err
	}
	h, err := parseHead(b, p.foot.index-p.pos)
	if err == nil && p.any && h.key <= p.last {
		err = fmt.Errorf("key %q comes after %q", h.key, p.last)
	}
	if err != nil {
		return record{}, p.skip(ctx, corrupt(err))
	}
	p.n++
	p.pos += int64(h.len)
	p.last, p.any = h.key, true
	if !value(h.key) {
		p.pos += h.value
		return h.record, nil
	}
	body, err := p.bytes(ctx, h.value)
	if err != nil {
		return record{}, err
	}
	p.pos += h.value
	if sums.CRC(body) != h.sum {
		return h.record, corruptPack("the checksum of the value does not match")
	}
	h.body = body[:len(body):len(body)]
	return h.record, nil
}

// skip goes on at the next block after a damaged head.
func (p *packReader) skip(ctx context.Context, why error) error {
	blocks, err := p.blocks(ctx)
	if err != nil {
		return errors.Join(why, err)
	}
	lost := &errUnreadable{err: fmt.Errorf("at byte %d: %w", p.pos, why), after: p.last, first: !p.any, last: true}
	before := p.pos
	p.pos = p.foot.index
	for _, b := range blocks {
		if b.off > before && (!p.any || b.key > p.last) {
			p.pos, lost.upTo, lost.last = b.off, b.key, false
			break
		}
	}
	p.part = true
	return lost
}

// blocks reads the index.
func (p *packReader) blocks(ctx context.Context) ([]block, error) {
	b, err := p.get(ctx, p.foot.index, p.size-packFooter-p.foot.index)
	if err != nil {
		return nil, err
	}
	blocks, err := parseIndex(b, p.foot)
	if err != nil {
		return nil, corrupt(err)
	}
	return blocks, nil
}

// seek goes to the first block that may hold a key that is not before key.
func (p *packReader) seek(ctx context.Context, key string) error {
	if key == "" {
		return nil
	}
	blocks, err := p.blocks(ctx)
	if err != nil {
		return err
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		if blocks[i].key <= key {
			p.pos, p.part = blocks[i].off, i > 0
			break
		}
	}
	return nil
}
