package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/sums"
)

// scan yields the items of a session in the order of their keys: all that was acknowledged before it began.
// above are records that hide stored ones, sorted. What an error means for the rest says [source].
func (m *Manager) scan(ctx context.Context, shelf string, q query, above ...[]record) source {
	packs := func(yield func(record, error) bool) {
		live, _, err := m.packs(ctx, shelf)
		if err != nil {
			yield(record{}, err)
			return
		}
		m.scanPacks(ctx, shelf, live, q, above)(yield)
	}
	// A session has either, so the second is looked for only where there is nothing of the first.
	first, second := m.scanItems(ctx, shelf, q), source(packs)
	if len(above) > 0 || m.limits.CostlyRequests {
		first, second = second, first
	}
	return func(yield func(record, error) bool) {
		found := false
		for _, s := range []source{first, second} {
			for r, err := range s {
				found = true
				if r.deleted && err == nil {
					continue
				}
				if !yield(r, err) {
					return
				}
			}
			if found || len(above) > 0 {
				return
			}
		}
	}
}

// maxTries bounds how often a scan begins anew because packs were merged under its eyes.
const maxTries = 100

// scanPacks yields what the packs hold. When one of them was merged into another and is gone, it looks for the
// packs anew and goes on behind the last key.
func (m *Manager) scanPacks(ctx context.Context, shelf string, live []packRef, q query, above [][]record) source {
	return func(yield func(record, error) bool) {
		own := spares.Get().(*pieces)
		defer spares.Put(own)
		for tries := 0; ; tries++ {
			var sources []source
			for _, r := range live {
				sources = append(sources, ofPack(ctx, m.reader(shelf, r, len(live)), q))
			}
			for _, records := range above {
				sources = append(sources, ofRecords(records, q))
			}
			if len(sources) == 0 {
				return
			}
			gone := false
			for r, err := range merge(sources) {
				if errors.Is(err, backend.ErrNotFound) && tries < maxTries {
					gone = true
					break
				}
				if r.codec == codec.Raw && err == nil {
					r.body = own.clone(r.body) // decoding takes it over: it must not keep all that was read with it
				}
				if !yield(r, err) {
					return
				}
				if r.codec != "" || r.deleted {
					q.after, q.from = r.key, true
				}
			}
			if !gone {
				return
			}
			var err error
			if live, _, err = m.packs(ctx, shelf); err != nil {
				yield(record{}, err)
				return
			}
		}
	}
}

// scanItems yields the items that are entries of their own.
func (m *Manager) scanItems(ctx context.Context, shelf string, q query) source {
	if q.exact {
		return func(yield func(record, error) bool) {
			r, _, err := m.item(ctx, shelf, q.match.prefix)
			if !errors.Is(err, backend.ErrNotFound) {
				yield(r, err)
			}
		}
	}
	return func(yield func(record, error) bool) {
		opts := backend.ListOptions{}
		var err error
		if opts.Prefix, err = itemName(q.match.prefix); err != nil {
			yield(record{}, err)
			return
		}
		if q.from {
			if opts.After, err = itemName(q.after); err != nil {
				yield(record{}, err)
				return
			}
		}
		_, scans := backend.As[backend.Scanner](m.backend)
		if q.keys || !scans {
			m.listItems(ctx, shelf, opts, q)(yield)
			return
		}
		own := spares.Get().(*pieces)
		defer spares.Put(own)
		for e, err := range backend.Scan(ctx, m.backend, shelf, opts) {
			if err != nil {
				yield(record{}, err)
				return
			}
			key, ok := keyOf(e.Key.Name)
			if !ok || !q.takes(key) {
				continue
			}
			body, err := readVerified(e.Body, e.Info)
			if _, borrowed := e.Body.(*backend.Body); borrowed {
				body = own.clone(body)
			}
			r, err := itemRecord(key, e.Info, body, err)
			if !yield(r, err) {
				return
			}
		}
	}
}

// pieces copies small values into pieces of memory that many share.
type pieces []byte

const piece = 32 << 10

// spares are pieces that a scan left: what there is room for in them, a later scan uses.
var spares = sync.Pool{New: func() any { return new(pieces) }}

func (p *pieces) clone(b []byte) []byte {
	if len(b) > piece/8 {
		return bytes.Clone(b)
	}
	if cap(*p)-len(*p) < len(b) {
		*p = make([]byte, 0, piece)
	}
	start := len(*p)
	*p = append(*p, b...)
	return (*p)[start:len(*p):len(*p)]
}

// listItems lists, and gets each item if its value is wanted.
func (m *Manager) listItems(ctx context.Context, shelf string, opts backend.ListOptions, q query) source {
	return func(yield func(record, error) bool) {
		for info, err := range m.backend.List(ctx, shelf, opts) {
			if err != nil {
				yield(record{}, err)
				return
			}
			key, ok := keyOf(info.Key.Name)
			if !ok || !q.takes(key) {
				continue
			}
			r := record{key: key, codec: codec.Raw}
			switch {
			case !q.keys:
				r, _, err = m.item(ctx, shelf, key)
			case len(info.Meta) > 0:
				r.deleted = isTombstone(info)
			case info.Size == tombstoneSize: // lists of buckets do not give the metadata
				if info, err = m.backend.Stat(ctx, info.Key); err == nil {
					r.deleted = isTombstone(info)
				}
			}
			if errors.Is(err, backend.ErrNotFound) {
				continue
			}
			if !yield(r, err) || err != nil && !ofItemAlone(err) {
				return
			}
		}
	}
}

// item gets one item. Also with an error the record has its key and, if the error is about the item alone, a codec.
func (m *Manager) item(ctx context.Context, shelf, key string) (record, backend.Info, error) {
	name, err := itemName(key)
	if err != nil {
		return record{key: key}, backend.Info{}, err
	}
	body, info, err := m.backend.Get(ctx, backend.Key{Shelf: shelf, Name: name})
	if ofItemAlone(err) {
		return record{key: key, codec: codec.Raw}, info, err
	}
	if err != nil {
		return record{key: key}, info, err
	}
	defer body.Close()
	b, err := readVerified(body, info)
	r, err := itemRecord(key, info, b, err)
	return r, info, err
}

// ofItemAlone reports whether an error says nothing of other items.
func ofItemAlone(err error) bool {
	return errors.Is(err, backend.ErrCorrupt) || errors.Is(err, backend.ErrNewer)
}

// readVerified reads a whole value. The reader is not closed.
func readVerified(r io.Reader, info backend.Info) ([]byte, error) {
	if b, ok := r.(*backend.Body); ok { // without the reader that Verify makes
		all := b.Take()
		if int64(len(all)) == info.Size && sums.CRC(all) == info.Sum {
			return all, nil
		}
		r = backend.NewBody(all) // Verify says what is wrong
	}
	body, ok := r.(io.ReadCloser)
	if !ok {
		body = io.NopCloser(r)
	}
	v, err := backend.Verify(body, info)
	if err != nil {
		return nil, err
	}
	if b, ok := v.(*backend.Body); ok {
		return b.Take(), nil
	}
	const trusted = 1 << 20 // a stated size alone does not take more memory than this
	b := make([]byte, 0, min(info.Size, trusted)+1)
	for {
		n, err := v.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// itemRecord makes the record of an item whose body was read, or failed to be with err.
func itemRecord(key string, info backend.Info, body []byte, err error) (record, error) {
	r := record{key: key, codec: info.Meta[codec.MetaKey], body: body}
	if r.codec == "" {
		r.codec = codec.Raw // stored by other means than a session
	}
	if err != nil || info.Meta[metaFence] == "" {
		return r, err
	}
	r.body, r.deleted, err = unfence(info, body)
	return r, err
}

// A locking session ends each body with a nonce, so that no two of its writes are alike, and conditions on
// versions hold on backends that make a version of the bytes alone. A deleted item is such an end, of another
// size, without a body.
const (
	metaFence = "fence" // the metadata key for the format of that end

	fenceFormat   = "1"
	fenceSize     = 24
	tombstoneSize = 16
)

func isTombstone(info backend.Info) bool {
	return info.Meta[metaFence] != "" && info.Size == tombstoneSize
}

// unfence takes the end off a body.
func unfence(info backend.Info, body []byte) (value []byte, deleted bool, err error) {
	if format := info.Meta[metaFence]; format != fenceFormat {
		return nil, false, fmt.Errorf("%w: the item ends in the format %.20q, this program knows %s", backend.ErrNewer, format, fenceFormat)
	}
	switch {
	case isTombstone(info):
		return nil, true, nil
	case len(body) < fenceSize:
		return nil, false, fmt.Errorf("%w: the item has %d bytes, %d at least are expected", backend.ErrCorrupt, len(body), fenceSize)
	}
	end := len(body) - fenceSize
	return body[:end:end], false, nil
}
